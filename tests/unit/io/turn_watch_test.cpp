#include "io/turn_watch.hpp"

#include <catch2/catch.hpp>
#include <epic/testing.hpp>
#include <functional>
#include <string>

#include "kernel/kernel.hpp"

using epic::io::TurnWatch;
using epic::kernel::Kernel;
using epic::protocol::CrashReport;

namespace {

struct TurnWatchFixture {
  int reports = 0;
  std::string reported;
  std::int64_t reported_ns = 0;
  CrashReport shared{};
  TurnWatch watch{1000,
                  [this](const std::string& entity, const std::string&, std::int64_t turn_ns) {
                    ++reports;
                    reported = entity;
                    reported_ns = turn_ns;
                  },
                  &shared};

  std::int64_t look(std::int64_t now_ns) {
    const Kernel* kernel = Kernel::current_kernel();
    return watch.look(now_ns, kernel == nullptr ? 0 : kernel->turns_count());
  }
  /// Whom the supervisor would name if the process were killed now.
  [[nodiscard]] std::string noted() const {
    return shared.noted_turn == shared.turn ? shared.noted_entity.data() : std::string();
  }
};

std::function<void()> g_first;
std::function<void()> g_second;

class Link : public epic::Entity {
 public:
  epic::Task<void> touch() { co_return; }
  epic::Task<void> pass_on(epic::Ref<Link> next) {
    g_first();
    co_await next->end();
  }
  epic::Task<void> end() {
    g_second();
    co_return;
  }
  EPIC_ENTITY(Link, methods(touch, pass_on, end), transient)
};

const epic::ModuleInfo& module() {
  static const epic::EntityInfoFn entities[] = {&Link::epic_info};
  static const epic::ModuleInfo info{EPIC_ABI_TAG, entities, [](epic::Pool) -> epic::Task<void> { co_return; }};
  return info;
}

}  // namespace

TEST_CASE("turn watch: between turns nothing is in progress", "[io][threads]") {
  TurnWatchFixture f;
  CHECK(f.look(10) == 0);
  f.watch.counter().begin();
  f.watch.counter().end();
  CHECK(f.look(1'000'000) == 0);
  CHECK(f.reports == 0);
}

TEST_CASE("turn watch: a turn's age counts from the check that first saw it", "[io][threads]") {
  TurnWatchFixture f;
  f.watch.counter().begin();
  CHECK(f.look(100) == 0);
  CHECK(f.look(600) == 500);
  f.watch.counter().end();
  f.watch.counter().begin();
  CHECK(f.look(700) == 0);
  CHECK(f.reports == 0);
}

TEST_CASE("turn watch: a long turn is reported once", "[io][threads]") {
  TurnWatchFixture f;
  f.watch.counter().begin();
  f.look(100);
  f.look(1200);  // asks the thread whose turn it is
  CHECK(f.look(1300) == 1200);
  f.look(9000);
  CHECK(f.reports == 1);
  CHECK(f.reported_ns == 1200);
  f.watch.counter().end();
  f.watch.counter().begin();
  f.look(10'000);
  f.look(11'500);
  f.look(11'600);
  CHECK(f.reports == 2);
}

TEST_CASE("turn watch: an entity that was called in the middle is not blamed for its caller, nor its caller for it",
          "[io][threads]") {
  TurnWatchFixture f;
  epic::testing::Node node(module());
  const epic::Ref<Link> caller("caller");
  const epic::Ref<Link> callee("callee");
  node.call(callee->touch());
  g_first = [&] {
    CHECK(f.look(100) == 0);
    CHECK(f.look(500) == 400);
    CHECK(f.noted() == "Link/caller");
  };
  g_second = [&] {
    CHECK(f.look(900) == 0);  // the same run of the kernel, but another entity
    CHECK(f.noted().empty());
    CHECK(f.look(1300) == 400);
    CHECK(f.noted() == "Link/callee");
    CHECK(f.look(1800) == 900);
    CHECK(f.reports == 0);
    CHECK(f.look(2000) == 1100);
  };
  f.watch.counter().begin();
  node.call(caller->pass_on(callee));
  f.watch.counter().end();
  CHECK(f.reports == 1);
  CHECK(f.reported == "Link/callee");
  CHECK(f.reported_ns == 1100);
}
