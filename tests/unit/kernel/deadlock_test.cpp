#include <algorithm>
#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "integration/modules/forks.hpp"
#include "kernel/kernel.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::SimFabric;
using forks::Fork;

namespace {

/// Its hooks call the entity named in its key: "activate:Type key" and so on.
class Hooked : public Entity {
 public:
  static inline std::string last_error;
  Task<void> on_activate() override { co_await call_for("activate:"); }
  Task<void> on_deactivate() override { co_await call_for("deactivate:"); }
  Task<std::int64_t> get() const { co_return 1; }
  EPIC_ENTITY(Hooked, methods(get), transient)

 private:
  /// "activate:2:x" and "activate:1:x" call each other, "activate:self:x" itself.
  Task<void> call_for(std::string start) {
    if (!key().starts_with(start)) co_return;
    std::string other(key());
    char& number = other[start.size()];
    number = number == '1' ? '2' : number == '2' ? '1' : number;
    try {
      co_await Ref<Hooked>(other)->get();
    } catch (const Deadlock& error) {
      last_error = error.what();
    }
  }
};

/// Holds its lock while it calls a Guest of the same key, whose on_activate wants that lock.
class Guest;
class Host : public Entity {
 public:
  Task<std::int64_t> invite();
  Task<std::int64_t> get() { co_return 1; }
  EPIC_ENTITY(Host, exclusive(invite, get), transient)
};
class Guest : public Entity {
 public:
  Task<void> on_activate() override { co_await Ref<Host>(key())->get(); }
  Task<std::int64_t> get() const { co_return 1; }
  EPIC_ENTITY(Guest, methods(get), transient)
};
Task<std::int64_t> Host::invite() { co_return co_await Ref<Guest>(key())->get(); }

const ModuleInfo& forks_module() {
  static const EntityInfoFn entities[] = {&forks::Fork::epic_info, &Hooked::epic_info, &Host::epic_info,
                                          &Guest::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

/// Three nodes with a fork on each.
struct DeadlockFixture {
  DeadlockFixture() : fabric({.seed = 9}, forks_module(), codec) {
    fabric.run_for(100ms);
    for (std::uint16_t node = 1; node <= 3; ++node)
      for (int key = 0;; ++key)
        if (fabric.owner_of("Fork/" + std::to_string(key)) == node) {
          forks_on.emplace_back(key);
          break;
        }
  }
  void start(std::uint16_t node, Call<std::string>&& call) {
    fabric.start_call<std::string>(node, std::move(call), [this](auto& record) { outcomes.push_back(record.take()); });
  }
  [[nodiscard]] std::size_t failures() const {
    return outcomes.size() - static_cast<std::size_t>(std::ranges::count(outcomes, "ok"));
  }
  [[nodiscard]] std::size_t lines_about_deadlocks(std::uint16_t node) const {
    return static_cast<std::size_t>(std::ranges::count_if(fabric.log(), [&](const test::LogLine& line) {
      return line.node.value == node && line.message.find("waited for each other") != std::string::npos;
    }));
  }

  codec::CapnpCodec codec;
  SimFabric fabric;
  std::vector<Ref<Fork>> forks_on;  // by node, from 0
  std::vector<std::string> outcomes;
};

}  // namespace

TEST_CASE(
    "deadlock: of three calls that wait in a ring over three nodes one fails within 200 ms, and all learn the ring",
    "[kernel]") {
  DeadlockFixture f;
  for (std::size_t i = 0; i < 3; ++i)
    f.start(static_cast<std::uint16_t>(i + 1), f.forks_on[i]->take({f.forks_on[(i + 1) % 3]}, 10ms));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 3; }, 210ms));
  CHECK(f.failures() == 1);
  const auto failed = std::ranges::find_if(f.outcomes, [](const std::string& outcome) { return outcome != "ok"; });
  for (const Ref<Fork>& fork : f.forks_on)
    CHECK_THAT(*failed, Catch::Contains("the lock of " + std::string(fork.name())));
  for (std::uint16_t node = 1; node <= 3; ++node) CHECK(f.lines_about_deadlocks(node) >= 1);
}

TEST_CASE("deadlock: a ring through an entity without a lock is found, too", "[kernel]") {
  DeadlockFixture f;
  const Ref<Fork> messenger("messenger");
  f.start(1, f.forks_on[0]->take_by(messenger, {f.forks_on[1]}, 10ms));
  f.start(2, f.forks_on[1]->take({f.forks_on[0]}, 10ms));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 2; }, 300ms));
  CHECK(f.failures() == 1);
}

TEST_CASE("deadlock: a ring on one node is found by the same probes", "[kernel]") {
  DeadlockFixture f;
  std::vector<Ref<Fork>> neighbours;
  for (int key = 0; neighbours.size() < 3; ++key)
    if (f.fabric.owner_of("Fork/" + std::to_string(key)) == 2) neighbours.emplace_back(key);
  for (std::size_t i = 0; i < 3; ++i) f.start(2, neighbours[i]->take({neighbours[(i + 1) % 3]}, 10ms));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 3; }, 300ms));
  CHECK(f.failures() == 1);
}

TEST_CASE("deadlock: two rings at once lose one call each", "[kernel]") {
  DeadlockFixture f;
  std::vector<Ref<Fork>> others;
  for (int key = 100; others.size() < 3; ++key) others.emplace_back(key);
  for (std::size_t i = 0; i < 3; ++i) {
    f.start(static_cast<std::uint16_t>(i + 1), f.forks_on[i]->take({f.forks_on[(i + 1) % 3]}, 10ms));
    f.start(static_cast<std::uint16_t>(i + 1), others[i]->take({others[(i + 1) % 3]}, 10ms));
  }
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 6; }, 400ms));
  CHECK(f.failures() == 2);
}

TEST_CASE("deadlock: a long queue behind a slow call is not a deadlock", "[kernel]") {
  DeadlockFixture f;
  for (int i = 0; i < 5; ++i) f.start(1, f.forks_on[1]->take({f.forks_on[2]}, 400ms));
  f.start(1, f.forks_on[2]->take({}, 1s));
  REQUIRE(f.fabric.run_until([&] { return f.outcomes.size() == 6; }, 20s));
  CHECK(f.failures() == 0);
  for (std::uint16_t node = 1; node <= 3; ++node) CHECK(f.lines_about_deadlocks(node) == 0);
}

TEST_CASE("deadlock: a timeout lists the chain of waiting calls, across nodes", "[kernel]") {
  DeadlockFixture f;
  f.start(1, f.forks_on[2]->take({}, 20s));  // holds it
  f.fabric.run_for(50ms);
  std::string message;
  f.fabric.start_call<std::string>(1, f.forks_on[1].with(3s)->take({f.forks_on[2]}, 0ms), [&](auto& record) {
    try {
      record.take();
    } catch (const Timeout& error) {
      message = error.what();
    }
  });
  REQUIRE(f.fabric.run_until([&] { return !message.empty(); }, 5s));
  CHECK_THAT(message, Catch::Contains(std::string(f.forks_on[1].name()) + ".take"));
  CHECK_THAT(message, Catch::Contains("waits for " + std::string(f.forks_on[2].name()) + ".take on node-3"));
}

TEST_CASE("deadlock: a timeout follows the chain as far as its node knows it", "[kernel]") {
  DeadlockFixture f;
  std::vector<Ref<Fork>> here;
  for (int key = 0; here.size() < 2; ++key)
    if (f.fabric.owner_of("Fork/" + std::to_string(key)) == 2) here.emplace_back(key);
  f.start(3, f.forks_on[2]->take({}, 20s));  // holds it
  f.fabric.run_for(50ms);
  std::string message;
  f.fabric.start_call<std::string>(2, here[0].with(3s)->take({here[1], f.forks_on[2]}, 0ms), [&](auto& record) {
    try {
      record.take();
    } catch (const Timeout& error) {
      message = error.what();
    }
  });
  REQUIRE(f.fabric.run_until([&] { return !message.empty(); }, 5s));
  CHECK_THAT(message, Catch::Contains(std::string(here[1].name()) + ".take, which waits for " +
                                      std::string(f.forks_on[2].name()) + ".take on node-3"));
}

TEST_CASE("deadlock: a hook that calls its own entity gets Deadlock", "[kernel]") {
  DeadlockFixture f;
  Hooked::last_error.clear();
  SECTION("on_activate") {
    CHECK(f.fabric.call(1, Ref<Hooked>("activate:self").with(1s)->get()) == 1);
    CHECK_THAT(Hooked::last_error, Catch::Contains("Hooked/activate:self.on_activate on node-"));
  }
  SECTION("on_deactivate") {
    f.fabric.call(1, Ref<Hooked>("deactivate:self")->get());
    for (std::uint16_t node = 1; node <= 3; ++node) f.fabric.kernel(node).on_drain();
    CHECK(f.fabric.run_until([&] { return !Hooked::last_error.empty(); }, 1s));
    CHECK_THAT(Hooked::last_error, Catch::Contains("Hooked/deactivate:self.on_deactivate on node-"));
  }
}

TEST_CASE("deadlock: entities that activate or deactivate each other get Deadlock, wherever they are", "[kernel]") {
  DeadlockFixture f;
  std::size_t same_node = 0;
  for (int i = 0; i < 12; ++i) {
    const std::string one = fmt::format("activate:1:{}", i);
    const std::string two = fmt::format("activate:2:{}", i);
    if (f.fabric.owner_of("Hooked/" + one) == f.fabric.owner_of("Hooked/" + two)) ++same_node;
    Hooked::last_error.clear();
    CHECK(f.fabric.call(1, Ref<Hooked>(one).with(1s)->get()) == 1);
    CHECK_THAT(Hooked::last_error, Catch::Contains("on_activate"));
  }
  CHECK(same_node > 0);
  CHECK(same_node < 12);
  for (int i = 0; i < 12; ++i) {
    f.fabric.call(1, Ref<Hooked>(fmt::format("deactivate:1:{}", i))->get());
    f.fabric.call(1, Ref<Hooked>(fmt::format("deactivate:2:{}", i))->get());
  }
  Hooked::last_error.clear();
  for (std::uint16_t node = 1; node <= 3; ++node) f.fabric.kernel(node).on_drain();
  CHECK(f.fabric.run_until(
      [&] {
        return f.fabric.kernel(1).is_drained() && f.fabric.kernel(2).is_drained() && f.fabric.kernel(3).is_drained();
      },
      2s));
  CHECK_THAT(Hooked::last_error, Catch::Contains("on_deactivate"));
}

TEST_CASE("deadlock: a ring through a lock and an activation is found", "[kernel]") {
  DeadlockFixture f;
  for (int i = 0; i < 12; ++i) {
    std::string error;
    f.fabric.start_call<std::int64_t>(1, Ref<Host>(i).with(10s)->invite(), [&](auto& record) {
      try {
        record.take();
      } catch (const epic::Error& failed) {
        error = failed.what();
      }
    });
    REQUIRE(f.fabric.run_until([&] { return !error.empty(); }, 1s));
    CHECK_THAT(error, Catch::Contains("wait for each other"));
  }
}
