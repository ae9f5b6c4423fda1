// on_activate and on_deactivate that fail, take too long, or leave work behind: an instance is destroyed only after
// everything it runs.

#include <algorithm>
#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/kernel.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using epic::test::SimFabric;
using epic::test::SimOptions;

namespace {

/// What has ended, in order.
std::vector<std::string>& ended() {
  static std::vector<std::string> names;
  return names;
}

/// Lives in a frame, or as a member.
struct Trace {
  std::string name;
  explicit Trace(std::string what) : name(std::move(what)) {}
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  ~Trace() { ended().push_back(name); }
};

/// The key selects the behaviour of the hooks.
class Moody : public Entity {
  std::int64_t count_ = 0;
  Trace trace_{"instance"};

  Task<void> linger() {
    const Trace trace("task");
    co_await sleep(1h);
    count_ = 99;
  }

 public:
  Task<void> on_activate() override {
    const Trace trace("on_activate");
    if (key() == "never starts") co_await sleep(1h);
    if (key() == "fails late") {
      ++count_;
      co_await sleep(1ms);
      throw std::runtime_error("in no mood");
    }
    if (key() == "counts") ++count_;
    if (key() == "erases and counts") {
      erase();
      co_await sleep(1ms);
      count_ = 7;
    }
    if (key() == "counts slowly") {
      ++count_;
      co_await sleep(500ms);
    }
    if (key() == "tells") throw std::runtime_error(fmt::format("{}", co_await Ref<Moody>("told")->get()));
  }
  Task<void> on_deactivate() override {
    if (key() == "leaves a task") spawn(linger());
    if (key() == "never stops") co_await linger();
    if (key() == "looks back") static_cast<void>(count_);
  }
  Task<std::int64_t> add(std::int64_t amount) { co_return count_ += amount; }
  Task<std::int64_t> get() const { co_return count_; }
  Task<void> forget() {
    erase();
    co_return;
  }
  EPIC_ENTITY(Moody, state(count_), methods(add, get, forget))
};

/// Never saved, so it is deactivated at once.
class Fickle : public Entity {
  Trace trace_{"instance"};

  Task<void> linger() {
    const Trace trace("task");
    co_await sleep(1h);
  }

 public:
  Task<void> on_deactivate() override {
    for (int i = 0; i < 1'000; ++i) spawn(linger());
    co_return;
  }
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Fickle, methods(touch), transient)
};

/// Its hooks are plain functions, which the key makes throw.
class Curt : public Entity {
 public:
  Curt() {
    if (refuses) throw std::runtime_error("not today");
  }
  static inline bool refuses = false;
  [[clang::coro_wrapper]] Task<void> on_activate() override {
    if (key() == "throws") throw std::runtime_error("thrown at once");
    return key() == "empty" ? Task<void>() : coroutine();
  }
  [[clang::coro_wrapper]] Task<void> on_deactivate() override {
    if (key() == "throws late") throw std::runtime_error("thrown at once");
    return coroutine();
  }
  Task<std::int64_t> get() const { co_return 1; }
  EPIC_ENTITY(Curt, methods(get), transient)

 private:
  static Task<void> coroutine() { co_return; }
};

/// Its on_deactivate calls another one, which it thereby activates.
class Waker : public Entity {
 public:
  static inline int activations = 0;
  Task<void> on_activate() override {
    ++activations;
    co_return;
  }
  Task<void> on_deactivate() override { co_await Ref<Waker>(key() == "a" ? "b" : "a")->poke(); }
  Task<void> poke() { co_return; }
  EPIC_ENTITY(Waker, methods(poke), transient)
};

const ModuleInfo& moody_module() {
  static const EntityInfoFn entities[] = {&Moody::epic_info, &Fickle::epic_info, &Curt::epic_info, &Waker::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct HooksFixture {
  explicit HooksFixture(SimOptions options = {.seed = 5, .nodes = 1, .call_timeout = 1s, .idle_age = 5s})
      : fabric(options, moody_module(), codec) {
    fabric.run_for(100ms);
    ended().clear();
  }
  [[nodiscard]] std::size_t in_memory() { return fabric.kernel(1).stats().entities; }
  [[nodiscard]] bool is_stored(const std::string& key) { return (*fabric.store().load("Moody", key)).has_value(); }

  codec::CapnpCodec codec;
  SimFabric fabric;
};

}  // namespace

TEST_CASE("hooks: an on_activate that takes too long ends before its instance does", "[kernel]") {
  HooksFixture f;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Moody>("never starts").with(10s)->get()), ActivationFailed);
  f.fabric.run_for(1s);
  CHECK(f.in_memory() == 0);
  CHECK(ended() == std::vector<std::string>{"on_activate", "instance"});
}

TEST_CASE("hooks: a call that is answered with the failure of an on_activate is not logged as one that nobody awaits",
          "[kernel]") {
  HooksFixture f;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Moody>("fails late")->get()), ActivationFailed);
  CHECK(std::ranges::none_of(f.fabric.log(),
                             [](const test::LogLine& line) { return line.message.contains("no caller"); }));
}

TEST_CASE("hooks: what an on_activate has changed is not written if it fails", "[kernel]") {
  HooksFixture f;
  for (int i = 0; i < 2; ++i) CHECK_THROWS_AS(f.fabric.call(1, Ref<Moody>("fails late")->get()), ActivationFailed);
  f.fabric.run_for(100ms);
  CHECK_FALSE(f.is_stored("fails late"));
  CHECK(f.fabric.kernel(1).stats().rows == 0);
  CHECK(f.in_memory() == 0);
}

TEST_CASE("hooks: what an on_activate has changed is written when it has returned", "[kernel]") {
  HooksFixture f;
  const auto asked = f.fabric.start_call<std::int64_t>(1, Ref<Moody>("counts slowly")->get(), {});
  f.fabric.run_for(400ms);
  CHECK(f.fabric.kernel(1).stats().rows == 0);
  REQUIRE(f.fabric.run_until([&] { return *asked; }));
  CHECK(f.is_stored("counts slowly"));
  CHECK(f.fabric.call(1, Ref<Moody>("counts")->get()) == 1);
  CHECK(f.is_stored("counts"));
}

TEST_CASE("hooks: an on_activate that changes nothing saves nothing", "[kernel]") {
  HooksFixture f;
  f.fabric.call(1, Ref<Moody>("never used")->get());
  CHECK(f.fabric.run_until([&] { return f.in_memory() == 0; }, 30s));
  CHECK_FALSE(f.is_stored("never used"));
  CHECK(f.fabric.kernel(1).stats().rows == 0);

  f.fabric.call(1, Ref<Moody>("used")->add(1));
  CHECK(f.fabric.run_until([&] { return f.in_memory() == 0; }, 30s));
  f.fabric.call(1, Ref<Moody>("used")->get());
  CHECK(f.fabric.kernel(1).stats().rows == 1);
}

TEST_CASE("hooks: what an on_activate changes after it has erased the state is saved", "[kernel]") {
  HooksFixture f;
  CHECK(f.fabric.call(1, Ref<Moody>("erases and counts")->get()) == 7);
  CHECK(f.is_stored("erases and counts"));
}

TEST_CASE("hooks: the error of an on_activate that has observed another entity's unsaved change waits for it",
          "[kernel]") {
  HooksFixture f;
  f.fabric.call(1, Ref<Moody>("told")->add(1));
  f.fabric.hold_commits(true);
  const auto changed = f.fabric.start_call<std::int64_t>(1, Ref<Moody>("told")->add(1), {});
  f.fabric.run_for(10ms);
  std::string error;
  const auto asked = f.fabric.start_call<std::int64_t>(1, Ref<Moody>("tells").with(1h)->get(), [&](auto& record) {
    try {
      record.take();
    } catch (const ActivationFailed& failed) {
      error = failed.what();
    }
  });
  f.fabric.run_for(500ms);
  CHECK_FALSE(*asked);
  f.fabric.hold_commits(false);
  REQUIRE(f.fabric.run_until([&] { return *asked && *changed; }));
  CHECK_THAT(error, Catch::EndsWith("on_activate failed: 2"));
}

TEST_CASE("hooks: work that on_deactivate leaves behind ends before the instance does", "[kernel]") {
  const std::string key = GENERATE(std::string("leaves a task"), std::string("never stops"));
  CAPTURE(key);
  HooksFixture f;
  f.fabric.call(1, Ref<Moody>(key)->add(1));
  ended().clear();
  SECTION("when it is collected") {}
  SECTION("when its state is replaced") {
    bool is_replaced = false;
    f.fabric.kernel(1).replace({"Moody", key, std::nullopt, {}},
                               [&](auto result) { is_replaced = result.has_value(); });
    CHECK(f.fabric.run_until([&] { return is_replaced; }, 20s));
    CHECK_FALSE(f.is_stored(key));
  }
  CHECK(f.fabric.run_until([&] { return f.in_memory() == 0; }, 30s));
  CHECK(ended() == std::vector<std::string>{"task", "instance"});
  CHECK(f.fabric.kernel(1).stats().calls_pending == 0);
}

TEST_CASE("hooks: calls spawned by on_deactivate, started or not, do not outlive the instance", "[kernel]") {
  HooksFixture f;
  f.fabric.call(1, Ref<Fickle>("f")->touch());
  ended().clear();
  CHECK(f.fabric.run_until([&] { return f.in_memory() == 0; }, 30s));
  CHECK(ended().back() == "instance");
  f.fabric.run_for(1s);
  CHECK(ended().back() == "instance");
  CHECK(f.fabric.kernel(1).stats().calls_pending == 0);
}

TEST_CASE("hooks: an on_deactivate that changes nothing does not restore erased state", "[kernel]") {
  HooksFixture f;
  f.fabric.call(1, Ref<Moody>("looks back")->add(1));
  f.fabric.call(1, Ref<Moody>("looks back")->forget());
  CHECK_FALSE(f.is_stored("looks back"));
  CHECK(f.fabric.run_until([&] { return f.in_memory() == 0; }, 30s));
  CHECK_FALSE(f.is_stored("looks back"));
}

TEST_CASE("hooks: one that throws without being a coroutine fails like a method", "[kernel]") {
  HooksFixture f;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Curt>("throws")->get()), ActivationFailed);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Curt>("empty")->get()), ActivationFailed);
  Curt::refuses = true;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Curt>("x")->get()), ActivationFailed);
  Curt::refuses = false;
  CHECK(f.fabric.call(1, Ref<Curt>("throws late")->get()) == 1);
  CHECK(f.fabric.run_until([&] { return f.in_memory() == 0; }, 30s));
  CHECK_THAT(f.fabric.log().back().message, Catch::Contains("on_deactivate failed: thrown at once"));
}

TEST_CASE("hooks: a node that stops activates nothing anew", "[kernel]") {
  HooksFixture f;
  f.fabric.call(1, Ref<Waker>("a")->poke());
  f.fabric.call(1, Ref<Waker>("b")->poke());
  Waker::activations = 0;
  f.fabric.kernel(1).on_drain();
  CHECK(f.fabric.run_until([&] { return f.fabric.kernel(1).is_drained(); }, 5s));
  CHECK(Waker::activations == 0);
}
