// epic::read_file and the like, as the kernel sees them.

#include <catch2/catch.hpp>

#include <epic/epic.hpp>
#include <filesystem>

#include "codec/capnp_codec.hpp"
#include "kernel/limits.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

class Scribe : public Entity {
  std::int64_t pages_ = 0;

 public:
  Task<std::string> read(std::string path) const { co_return co_await read_file(path); }
  Task<> write(std::string path, std::string content) { co_await write_file(path, content); }
  Task<std::int64_t> append(std::string path) {
    const std::int64_t page = ++pages_;
    co_await append_file(path, std::to_string(page) + "\n");
    co_return page;
  }
  Task<std::string> append_all(std::string path, std::int64_t count) {
    std::vector<Spawned<void>> all;
    for (std::int64_t i = 1; i <= count; ++i) {
      ++pages_;
      all.push_back(spawn(append_file(path, std::to_string(i))));
    }
    for (const Spawned<void>& one : all) co_await one;
    co_return co_await read_file(path);
  }
  Task<bool> remove(std::string path) { co_return co_await remove_file(path); }
  Task<> write_much(std::string path, std::uint64_t bytes) { co_await write_file(path, std::string(bytes, 'x')); }
  Task<std::string> reason(std::string path) const {
    try {
      co_await read_file(path);
    } catch (const std::filesystem::filesystem_error& error) {
      co_return error.path1().string() + ": " + error.code().message();
    }
    co_return "none";
  }
  Task<std::int64_t> pages() const { co_return pages_; }
  EPIC_ENTITY(Scribe, state(pages_), methods(read, write, append, append_all, remove, write_much, reason, pages))
};

const ModuleInfo& scribes() {
  static const EntityInfoFn entities[] = {&Scribe::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct FilesFixture {
  explicit FilesFixture(std::uint64_t seed = 3) : fabric({.seed = seed}, scribes(), codec) {
    fabric.run_for(100ms);
    for (int i = 0; fabric.owner_of(scribe.name()) != 1; ++i) scribe = Ref<Scribe>(i);
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Scribe> scribe{"a"};
};

}  // namespace

TEST_CASE("files: what one entity writes, another reads, and errors say why", "[kernel]") {
  FilesFixture f;
  f.fabric.call(1, f.scribe->write("reports/1.txt", "all well"));
  const Ref<Scribe> other("somewhere else");
  CHECK(f.fabric.call(1, other->read("reports/1.txt")) == "all well");
  CHECK(f.fabric.call(1, f.scribe->append("log")) == 1);
  CHECK(f.fabric.call(1, f.scribe->append("log")) == 2);
  CHECK(f.fabric.call(1, other->read("log")) == "1\n2\n");
  CHECK(f.fabric.call(1, f.scribe->remove("log")));
  CHECK_FALSE(f.fabric.call(1, f.scribe->remove("log")));
  CHECK(f.fabric.call(1, f.scribe->reason("log")) == "log: No such file or directory");
  CHECK_THROWS_WITH(f.fabric.call(2, f.scribe->read("log")), Catch::Contains("cannot read file") &&
                                                                 Catch::Contains("No such file or directory") &&
                                                                 Catch::Contains("log"));
}

TEST_CASE("files: what an entity asks of one file at once happens in the order in which it was asked", "[kernel]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    FilesFixture f(seed);
    CHECK(f.fabric.call(1, f.scribe->append_all("log", 9)) == "123456789");
    CHECK(f.fabric.kernel(1).stats().blocking == 0);
  }
}

TEST_CASE("files: a path that leads elsewhere is refused, before anything is done", "[kernel]") {
  FilesFixture f;
  for (const std::string path :
       {"", "/etc/passwd", "..", "../x", "a/../../x", "a/..", ".", "./a", "a//b", "a/", "a/./b"}) {
    CAPTURE(path);
    CHECK_THROWS_AS(f.fabric.call(1, f.scribe->read(path)), std::invalid_argument);
    CHECK_THROWS_AS(f.fabric.call(1, f.scribe->write(path, "x")), std::invalid_argument);
    CHECK_THROWS_AS(f.fabric.call(1, f.scribe->append(path)), std::invalid_argument);
    CHECK_THROWS_AS(f.fabric.call(1, f.scribe->remove(path)), std::invalid_argument);
  }
  CHECK_THROWS_AS(f.fabric.call(1, f.scribe->write(std::string("a\0b", 3), "x")), std::invalid_argument);
  CHECK_THROWS_AS(f.fabric.call(1, f.scribe->write(std::string(256, 'x'), "x")), std::invalid_argument);
  CHECK_THROWS_AS(f.fabric.call(1, f.scribe->write_much("much", kernel::limits::kFileBytesMax + 1)), std::length_error);
  f.fabric.call(1, f.scribe->write("...", "a name like others"));
  f.fabric.call(1, f.scribe->write("..a/.b", "so, too"));
  CHECK_THROWS_WITH(f.fabric.call(1, f.scribe->read(std::string(256, 'a'))), Catch::Contains("longer than 255 bytes"));
}

TEST_CASE("files: a file does not change before what it follows is durable", "[kernel]") {
  FilesFixture f;
  f.fabric.call(1, f.scribe->pages());
  f.fabric.files().put("old", "kept");
  f.fabric.hold_commits(true);
  const auto appended = f.fabric.start_call<std::int64_t>(1, f.scribe->append("log"), {});
  const auto written = f.fabric.start_call<void>(1, f.scribe->write("new", "x"), {});
  const auto removed = f.fabric.start_call<bool>(1, f.scribe->remove("old"), {});
  f.fabric.run_for(200ms);
  CHECK_FALSE(f.fabric.files().find("log"));
  CHECK_FALSE(f.fabric.files().find("new"));
  CHECK(f.fabric.files().find("old"));
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *appended && *written && *removed; }));
  CHECK(f.fabric.files().find("log") == "1\n");
  CHECK(f.fabric.files().find("new") == "x");
  CHECK_FALSE(f.fabric.files().find("old"));
}

TEST_CASE("files: whenever a node dies, no file is ahead of the state", "[kernel]") {
  std::size_t unfinished = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    FilesFixture f(seed);
    f.fabric.call(1, f.scribe->pages());
    for (int i = 0; i < 5; ++i) {
      f.fabric.start_call<std::int64_t>(1, f.scribe->append("log"), {});
      f.fabric.run_for(std::chrono::microseconds(37 * seed));
    }
    f.fabric.kill(1);
    f.fabric.run_for(1s);
    const std::int64_t pages = f.fabric.call(2, f.scribe->pages());
    const std::string log = f.fabric.files().find("log").value_or("");
    for (std::int64_t page = pages + 1; page <= 5; ++page) CHECK_FALSE(log.contains(std::to_string(page)));
    unfinished += std::ranges::count(log, '\n') < 5 ? 1 : 0;
  }
  CHECK(unfinished > 0);
}
