#include "cluster/supervisor/crash_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <string_view>

using namespace epic::cluster;
using epic::kernel::RunningPage;
using epic::protocol::CrashReport;

namespace {

template <class Text>
void write(std::string_view text, Text& to) {
  *std::ranges::copy(text, to.begin()).out = '\0';
}

/// The memory as its process sees it.
struct CrashMemoryFixture {
  CrashMemory memory = CrashMemory::make().value();
  CrashReport* report = map(memory.path());

  ~CrashMemoryFixture() { ::munmap(report, sizeof(CrashReport)); }
  static CrashReport* map(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(file >= 0);
    void* const shared = ::mmap(nullptr, sizeof(CrashReport), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    REQUIRE(shared != MAP_FAILED);
    return static_cast<CrashReport*>(shared);
  }
  void show(std::uint32_t place, std::string_view entity) const {
    write(entity, report->running.places[place - 1].entity_name);
    write("poke", report->running.places[place - 1].method_name);
    report->running.place = place;
  }
};

}  // namespace

TEST_CASE("crash memory: without a last act, what was running is known, and whether for long", "[cluster]") {
  const CrashMemoryFixture f;
  CHECK_FALSE(f.memory.read());
  f.show(3, "Bomb/x");
  f.report->turn = 7;
  REQUIRE(f.memory.read());
  CHECK(f.memory.read()->place() == "Bomb/x.poke");
  CHECK(f.memory.read()->source == Crash::Source::turn);

  write("Bomb/x", f.report->noted_entity);
  f.report->noted_turn = 7;
  CHECK(f.memory.read()->source == Crash::Source::long_turn);
  f.show(4, "Bomb/y");  // called by it
  CHECK(f.memory.read()->source == Crash::Source::turn);
  f.report->running.place = 0;
  CHECK_FALSE(f.memory.read());
}

TEST_CASE("crash memory: a last act counts more than what was running", "[cluster]") {
  const CrashMemoryFixture f;
  f.show(1, "Innocent/x");
  write("Bomb/x", f.report->entity);  // by a thread of its own, for example
  f.report->has_names = true;
  CHECK(f.memory.read()->entity == "Bomb/x");
  CHECK(f.memory.read()->source == Crash::Source::last_act);
  f.report->entity[0] = '\0';  // a signal from outside: nobody's deed
  CHECK_FALSE(f.memory.read());
}

TEST_CASE("crash memory: what a damaged process has written is not believed", "[cluster]") {
  const CrashMemoryFixture f;
  f.report->running.place = RunningPage::kPlacesCount + 1;
  CHECK_FALSE(f.memory.read());
  f.show(RunningPage::kPlacesCount, "Bomb/\x1b[31m");
  CHECK(f.memory.read()->entity.find('\x1b') == std::string::npos);
  std::ranges::fill(f.report->running.places.back().entity_name, 'x');  // without an end
  CHECK(f.memory.read()->entity.size() == f.report->running.places.back().entity_name.size());
}
