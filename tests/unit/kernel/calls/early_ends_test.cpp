// What entities run for themselves, and calls that do not end, while the entities are to leave their node.

#include "kernel/calls/early_ends.hpp"

#include <catch2/catch.hpp>
#include <epic/epic.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/errors.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;

namespace {

class Looper : public Entity {
  std::int64_t ticks_ = 0;
  std::int64_t ended_ = 0;  // by destructors of ended frames
  std::int64_t kept_ = 0;
  Event bell_;
  Promise<> prize_;

  struct Ending {
    Looper& looper;
    ~Ending() { ++looper.ended_; }
  };
  Task<void> loop() {
    const Ending ending{*this};
    while (true) {
      co_await sleep(10ms);
      ++ticks_;
    }
  }
  Task<void> loop_through_ref() {
    while (true) {
      co_await sleep(10ms);
      co_await self()->tick();
    }
  }
  Task<void> loop_in_a_call() { co_await self()->run(); }
  Task<void> loop_over_helper() {
    auto helper = spawn(loop());
    co_await helper;
  }
  Task<void> loop_at(Ref<Looper> other) {
    while (true) co_await gather(other->tick_slowly(), other->tick_slowly());
  }
  /// Waits in each way that there is, again and again.
  Task<void> loop_over(std::string what, Ref<Looper> other) {
    const Ending ending{*this};
    while (true) {
      ++ticks_;
      if (what == "sleep") co_await sleep(1ms);
      if (what == "short sleep") co_await sleep(20us);
      if (what == "saved") co_await saved();
      if (what == "blocking") co_await blocking([] {});
      if (what == "blocking_pure") co_await blocking_pure([] { return 1; });
      if (what == "file") {
        File file = co_await open("log", FileMode::update);
        co_await file.write("x");
        co_await file.sync();
        co_await file.read(1);
        co_await file.close();
      }
      if (what == "event") co_await bell_.wait();
      if (what == "promise") co_await prize_;
      if (what == "stopping" && !stopping()) co_await stopping();
      if (what == "stopping") co_await sleep(1h);
      if (what == "event of a timer") {
        co_await bell_.wait();
        bell_.reset();
      }
      if (what == "call") co_await other->tick();
      if (what == "slow call") co_await other->tick_slowly();
      if (what == "gather") co_await gather(other->tick(), other->tick());
      if (what == "gather of many") {
        std::vector<Call<void>> calls;
        for (int i = 0; i < 3; ++i) calls.push_back(other->tick());
        co_await gather(std::move(calls));
      }
      if (what == "gather in a window") {
        std::vector<Call<void>> calls;
        for (int i = 0; i < 20; ++i) calls.push_back(other->tick());
        co_await gather(std::move(calls), {.at_once = 2});
      }
      if (what == "spawned call") {
        auto call = spawn(other->tick());
        co_await call;
      }
      if (what == "spawned task") {
        auto task = spawn(doze_long());
        co_await task;
      }
    }
  }
  Task<void> ring() {
    bell_.set();
    co_return;
  }
  Task<void> catch_all() {
    const Ending ending{*this};
    while (true) try {
        ++ticks_;
        co_await sleep(10ms);
      } catch (...) {
      }
  }
  Task<void> start_again() {
    const Ending ending{*this};
    try {
      co_await sleep(1h);
    } catch (const Cancelled&) {
      spawn(start_again());
    }
  }
  Task<void> clean_up() {
    try {
      co_await sleep(1h);
    } catch (const Cancelled& error) {
      ++kept_;
      log::info("{}", error.what());
    }
    co_await sleep(20ms);  // what goes on after it may wait for a while
    ++kept_;
  }

 public:
  Task<void> on_activate() override {
    if (key().starts_with("restless")) spawn(loop());
    co_return;
  }
  Task<void> start(std::string what) {
    if (what == "loop") spawn(loop());
    if (what == "timer") after(0ms, &Looper::doze_long);
    if (what == "loop through a Ref") spawn(loop_through_ref());
    if (what == "loop in a call") spawn(loop_in_a_call());
    if (what == "loop over a helper") spawn(loop_over_helper());
    if (what == "catch all") spawn(catch_all());
    if (what == "start again") spawn(start_again());
    if (what == "clean up") spawn(clean_up());
    co_return;
  }
  Task<void> start_many(std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) spawn(doze_long());
    co_return;
  }
  Task<void> doze_long() { co_await sleep(1h); }
  Task<void> start_at(Ref<Looper> other) {
    spawn(loop_at(other));
    co_return;
  }
  Task<void> start_over(std::string what, Ref<Looper> other) {
    if (what == "event of a timer") every(1ms, &Looper::ring);
    if (what == "tick of a timer")
      after(1ms, &Looper::loop_over, "sleep", other);
    else
      spawn(loop_over(what, other));
    co_return;
  }
  Task<void> tick() {
    ++ticks_;
    co_return;
  }
  Task<void> tick_slowly() {
    co_await sleep(5ms);
    ++ticks_;
  }
  Task<void> run() { co_await loop(); }
  Task<std::int64_t> wait_for_task() {
    auto task = spawn(self()->tick_slowly());
    auto helper = spawn(doze());
    co_await helper;
    co_await task;
    co_return ticks_;
  }
  Task<void> doze() { co_await sleep(100ms); }
  Task<void> doze_and_start(Ref<Looper> other, std::string what) {
    co_await doze();
    co_await other->start(what);
  }
  Task<std::int64_t> run_until_stopping() {
    while (!stopping()) {
      co_await sleep(10ms);
      ++ticks_;
    }
    co_return ticks_;
  }
  Task<bool> await_stopping() {
    const bool before = stopping();
    co_await stopping();
    co_return !before && stopping();
  }
  Task<std::int64_t> ticks() const { co_return ticks_; }
  Task<std::int64_t> ended() const { co_return ended_; }
  Task<std::int64_t> kept() const { co_return kept_; }
  EPIC_ENTITY(Looper, state(ticks_, ended_, kept_),
              methods(start, start_many, start_at, start_over, tick, tick_slowly, run, wait_for_task, doze,
                      doze_and_start, run_until_stopping, await_stopping, ticks, ended, kept))
};

/// Takes its time to go.
class Lingerer : public Entity {
 public:
  Task<void> on_deactivate() override { co_await sleep(key() == "long" ? std::chrono::nanoseconds(1h) : 100ms); }
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Lingerer, methods(touch), transient)
};

const ModuleInfo& loopers() {
  static const EntityInfoFn entities[] = {&Looper::epic_info, &Lingerer::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

constexpr auto kSoon = 60ms;  // a few frames, loads and commits

struct EarlyEndsFixture {
  codec::CapnpCodec codec;
  test::SimFabric fabric{{.seed = 5}, loopers(), codec};

  EarlyEndsFixture() { fabric.run_for(100ms); }
  /// One that lives on this node.
  Ref<Looper> get(const std::string& stem, std::uint16_t node = 1) {
    for (int i = 0;; ++i)
      if (const Ref<Looper> ref(stem + std::to_string(i)); owner_of(ref) == node) return ref;
  }
  std::uint16_t owner_of(const Ref<Looper>& looper) { return fabric.owner_of("Looper/" + std::string(looper.key())); }
  void move(const Ref<Looper>& looper) { fabric.move_shard(ungrouped(16).shard_of("Looper", looper.key()), 3); }
  bool moves_within(const Ref<Looper>& looper, std::chrono::nanoseconds limit) {
    move(looper);
    return fabric.run_until([&] { return owner_of(looper) == 3; }, limit);
  }
  bool has_logged(const std::string& text) {
    return std::ranges::any_of(fabric.log(), [&](const test::LogLine& line) { return line.message.contains(text); });
  }
};

}  // namespace

TEST_CASE("early ends: an entity's own tasks do not hold up its move, and what they changed is saved", "[kernel]") {
  for (const std::string what : {"loop", "loop through a Ref", "loop in a call", "loop over a helper"}) {
    CAPTURE(what);
    EarlyEndsFixture f;
    const Ref<Looper> looper = f.get("a");
    f.fabric.call(2, looper->start(what));
    f.fabric.run_for(100ms);
    const std::int64_t before = f.fabric.call(2, looper->ticks());
    CHECK(f.moves_within(looper, kSoon));
    CHECK(f.fabric.call(2, looper->ticks()) >= before);
    CHECK(f.fabric.call(2, looper->ended()) == (what == "loop through a Ref" ? 0 : 1));
    f.fabric.run_for(100ms);
    CHECK(f.fabric.call(2, looper->ticks()) <= before + 10);  // nothing goes on
    CHECK_FALSE(f.has_logged("no caller awaits it"));
  }
}

TEST_CASE("early ends: one that on_activate has spawned neither, and it starts again at the new owner", "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("restless");
  f.fabric.call(2, looper->tick());
  f.fabric.run_for(100ms);
  CHECK(f.moves_within(looper, kSoon));
  const std::int64_t before = f.fabric.call(2, looper->ticks());
  f.fabric.run_for(100ms);
  CHECK(f.fabric.call(2, looper->ticks()) > before);
}

TEST_CASE("early ends: a task that waits for calls on another node is cancelled, too", "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  const Ref<Looper> other = f.get("b", 2);
  f.fabric.call(2, looper->start_at(other));
  f.fabric.run_for(100ms);
  CHECK(f.moves_within(looper, kSoon));
  f.fabric.run_for(20ms);  // what it has called goes on to its end
  const std::int64_t before = f.fabric.call(2, other->ticks());
  f.fabric.run_for(100ms);
  CHECK(f.fabric.call(2, other->ticks()) == before);
}

TEST_CASE("early ends: whatever a task waits for, it is cancelled there, also on a node with thousands of calls",
          "[kernel]") {
  const bool is_crowded = GENERATE(false, true);  // then a short call has ended before all calls have been looked at
  for (const std::string what : {"sleep", "short sleep", "saved", "blocking", "blocking_pure", "file", "event",
                                 "promise", "stopping", "event of a timer", "tick of a timer", "call", "slow call",
                                 "gather", "gather of many", "gather in a window", "spawned call", "spawned task"}) {
    CAPTURE(what, is_crowded);
    EarlyEndsFixture f;
    const Ref<Looper> looper = f.get("a");
    const Ref<Looper> other = f.get("b", 2);
    if (is_crowded) {
      Ref<Looper> crowd = f.get("c");
      for (int i = 0; ungrouped(16).shard_of("Looper", crowd.key()) == ungrouped(16).shard_of("Looper", looper.key());
           ++i)
        crowd = f.get("c" + std::to_string(i) + "-");
      f.fabric.call(2, crowd->start_many(3 * limits::kLookSlice));
    }
    f.fabric.call(2, looper->start_over(what, other));
    f.fabric.run_for(100ms);
    CHECK(f.moves_within(looper, kSoon));
    f.fabric.run_for(20ms);  // what it has called goes on to its end
    CHECK(f.fabric.call(2, looper->ended()) == 1);
    const std::int64_t before = f.fabric.call(2, looper->ticks()) + f.fabric.call(2, other->ticks());
    CHECK(before >= 1);
    f.fabric.run_for(100ms);
    CHECK(f.fabric.call(2, looper->ticks()) + f.fabric.call(2, other->ticks()) == before);
    CHECK_FALSE(f.has_logged("its tasks went on after epic::Cancelled"));
    CHECK_FALSE(f.has_logged("was interrupted"));
  }
}

TEST_CASE("early ends: a task that is about to resume at each look is cancelled where it waits next", "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  f.fabric.call(2, looper->start_over("short sleep", looper));
  Kernel& kernel = f.fabric.kernel(1);
  const std::string name = "Looper/" + std::string(looper.key());
  REQUIRE(kernel.calls(name).size() == 1);
  const ShardId shard = ungrouped(16).shard_of("Looper", looper.key());
  kernel.on_release(std::span(&shard, 1));
  for (std::int64_t now_ns = f.fabric.now().count(), i = 0; i < 4; ++i) {
    now_ns += 2 * limits::kTasksLook.count();  // the sleep is over each time
    kernel.on_time(now_ns, now_ns);
    while (kernel.run(64)) {
    }
    kernel.seal();
  }
  CHECK(kernel.calls(name).empty());
}

TEST_CASE("early ends: a task sees Cancelled, and may finish what it does", "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  f.fabric.call(2, looper->start("clean up"));
  CHECK(f.moves_within(looper, kSoon));
  CHECK(f.fabric.call(2, looper->kept()) == 2);
  CHECK(f.has_logged("Looper/" + std::string(looper.key()) + ".task was cancelled: its entity is to leave"));
}

TEST_CASE("early ends: tasks that swallow Cancelled are ended soon, and their destructors' changes are saved",
          "[kernel]") {
  for (const std::string what : {"catch all", "start again"}) {
    CAPTURE(what);
    EarlyEndsFixture f;
    const Ref<Looper> looper = f.get("a");
    f.fabric.call(2, looper->start(what));
    f.fabric.run_for(50ms);
    CHECK(f.moves_within(looper, limits::kUnwindTimeout + kSoon));
    CHECK(f.fabric.call(2, looper->ended()) >= 1);
    CHECK(f.has_logged("its tasks went on after epic::Cancelled"));
  }
}

TEST_CASE("early ends: a task that a running call waits for is left alone", "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  std::int64_t ticks = 0;
  const auto ended =
      f.fabric.start_call<std::int64_t>(2, looper->wait_for_task(), [&](auto& record) { ticks = record.take(); });
  f.fabric.run_for(3ms);
  CHECK_FALSE(f.moves_within(looper, 80ms));
  CHECK(f.fabric.run_until([&] { return *ended && f.owner_of(looper) == 3; }, kSoon));
  CHECK(ticks == 1);
}

TEST_CASE("early ends: a call that goes on is interrupted when its grace is over, and its caller is told which",
          "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  ErrorPart error;
  const auto ended = f.fabric.start_call<void>(2, looper.with(1h)->run(),
                                               [&](auto& record) { error = describe_failure(record.failure); });
  f.fabric.run_for(50ms);
  CHECK_FALSE(f.moves_within(looper, limits::kGrace - 50ms));
  CHECK_FALSE(*ended);
  CHECK(f.fabric.run_until([&] { return *ended && f.owner_of(looper) == 3; }, 150ms));
  CHECK(error.code == ErrorCode::node_lost);
  const std::string why = "Looper/" + std::string(looper.key()) +
                          ".run was interrupted: its shard is moving, and what runs there had 5 s to end";
  CHECK(error.message == why);
  CHECK(f.has_logged(why));
  CHECK(f.fabric.call(2, looper->ended()) == 1);
  CHECK(f.fabric.call(2, looper->ticks()) > 400);
}

TEST_CASE("early ends: an on_deactivate has a grace of its own, but little of it where an announced one is over",
          "[kernel]") {
  const auto go = [](const std::string& key, std::chrono::nanoseconds announced_ago, std::chrono::nanoseconds limit) {
    EarlyEndsFixture f;
    const ShardId shard = ungrouped(16).shard_of("Lingerer", key);
    const auto owner = f.fabric.owner_of("Lingerer/" + key);
    const auto next = static_cast<std::uint16_t>(owner % 3 + 1);
    f.fabric.call(owner, Ref<Lingerer>(key)->touch());
    f.fabric.move_shard(shard, next, announced_ago);
    const bool has_moved = f.fabric.run_until([&] { return f.fabric.owner_of("Lingerer/" + key) == next; }, limit);
    return std::pair(has_moved, f.has_logged("Lingerer/" + key + ".on_deactivate was interrupted"));
  };
  CHECK(go("long", {}, limits::kGrace - 50ms) == std::pair(false, false));
  CHECK(go("long", {}, limits::kGrace + 250ms) == std::pair(true, true));
  CHECK(go("long", limits::kGrace, limits::kHookGraceMin - 50ms) == std::pair(false, false));
  CHECK(go("long", limits::kGrace, limits::kHookGraceMin + 250ms) == std::pair(true, true));
  CHECK(go("long", limits::kGrace - 1s, 900ms) == std::pair(false, false));  // what is left of it
  CHECK(go("long", limits::kGrace - 1s, 1500ms) == std::pair(true, true));
  CHECK(go("short", limits::kGrace, limits::kHookGraceMin) == std::pair(true, false));
}

TEST_CASE("early ends: an entity learns that it is stopping, by flag and by waiting", "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  std::int64_t ticks = 0;
  bool is_told = false;
  const auto first = f.fabric.start_call<std::int64_t>(2, looper.with(1h)->run_until_stopping(),
                                                       [&](auto& record) { ticks = record.take(); });
  const auto second =
      f.fabric.start_call<bool>(2, looper.with(1h)->await_stopping(), [&](auto& record) { is_told = record.take(); });
  f.fabric.run_for(1s);
  CHECK_FALSE(*first);
  CHECK_FALSE(*second);
  CHECK(f.moves_within(looper, kSoon));
  CHECK(f.fabric.run_until([&] { return *first && *second; }, kSoon));
  CHECK(ticks > 90);
  CHECK(is_told);
}

TEST_CASE("early ends: a node that stops waits for no task of a hundred entities", "[kernel]") {
  EarlyEndsFixture f;
  for (int i = 0; i < 100; ++i) f.fabric.call(1, Ref<Looper>(i)->start(i % 2 == 0 ? "loop" : "loop through a Ref"));
  f.fabric.run_for(100ms);
  CHECK(f.fabric.stop(1, 100ms));
}

TEST_CASE("early ends: a tick that is about to begin when its entity is asked to leave does not hold it up",
          "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  f.fabric.call(1, looper->tick());
  f.fabric.run_for(100ms);
  f.fabric.start_call<void>(1, looper->start("timer"), [](auto&) {});
  kernel::Kernel& kernel = f.fabric.kernel(1);
  REQUIRE(kernel.timers().first() != nullptr);
  kernel.on_time(kernel.now_ns(), kernel.wall_ns());
  REQUIRE(kernel.timers().first() == nullptr);  // its tick is in the run queue
  CHECK(f.fabric.stop(1, 100ms));
}

TEST_CASE(
    "early ends: an entity that is activated, or spawns its first task, while its node stops holds it up no longer",
    "[kernel]") {
  const bool was_active = GENERATE(false, true);
  EarlyEndsFixture f;
  const Ref<Looper> late = f.get("late");
  if (was_active) f.fabric.call(2, late->tick());
  const auto started = f.fabric.start_call<void>(2, f.get("a")->doze_and_start(late, "loop"), {});
  f.fabric.run_for(50ms);
  CHECK(f.fabric.stop(1, 200ms));
  CHECK(f.fabric.run_until([&] { return *started; }, kSoon));
}

TEST_CASE(
    "early ends: hundreds of tasks of one entity, each waiting for a call, are cancelled by slices, and all of them",
    "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  const Ref<Looper> other = f.get("b", 2);
  for (std::size_t i = 0; i < 3 * limits::kEndedPerTick; ++i) f.fabric.call(2, looper->start_at(other));
  CHECK(f.moves_within(looper, limits::kUnwindTimeout));
  CHECK_FALSE(f.has_logged("its tasks went on after epic::Cancelled"));
}

TEST_CASE("early ends: thousands of sleeping tasks of one entity are cancelled by slices, and all of them",
          "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  f.fabric.call(2, looper->start_many(3 * limits::kLookSlice));
  f.fabric.run_for(10ms);
  CHECK(f.moves_within(looper, limits::kUnwindTimeout));
  CHECK_FALSE(f.has_logged("its tasks went on after epic::Cancelled"));
}

TEST_CASE("early ends: an announced stop is known before the shards are asked back, and its grace counts from there",
          "[kernel]") {
  EarlyEndsFixture f;
  const Ref<Looper> looper = f.get("a");
  const auto waits = f.fabric.start_call<bool>(2, looper.with(1h)->await_stopping(), {});
  const auto loops = f.fabric.start_call<void>(2, looper.with(1h)->run(), {});
  f.fabric.run_for(50ms);
  f.fabric.kernel(1).on_stop_announced();
  CHECK(f.fabric.run_until([&] { return *waits; }, kSoon));
  f.fabric.run_for(limits::kGrace);
  const auto young = f.fabric.start_call<void>(2, looper->doze(), [](auto& record) { record.take(); });
  f.fabric.run_for(5ms);
  const ShardId shard = ungrouped(16).shard_of("Looper", looper.key());
  f.fabric.kernel(1).on_release(std::span(&shard, 1), limits::kGrace);
  CHECK(f.fabric.run_until([&] { return *loops; }, 10ms));
  CHECK_FALSE(*young);
  CHECK(f.fabric.run_until([&] { return *young; }, 200ms));
}
