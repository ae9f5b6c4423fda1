// Timers of entities: when they tick, and what ends them.

#include "kernel/activations/entity_timers.hpp"

#include <catch2/catch.hpp>

#include <epic/epic.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace epic::kernel;
using namespace std::chrono_literals;

namespace {

bool are_brittle_copies_refused = false;

struct Brittle {
  Brittle() = default;
  Brittle(const Brittle& /*other*/) {
    if (are_brittle_copies_refused) throw 42;
  }
  Brittle(Brittle&&) = default;
};

/// The key selects what on_activate starts.
class Metronome : public Entity {
  std::int64_t ticks_ = 0;
  std::int64_t skipped_ = 0;
  std::int64_t activations_ = 0;
  std::vector<std::string> words_;
  std::vector<std::int64_t> times_ms_;
  Timer timer_;

  void note_time() {
    times_ms_.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(epic::now().time_since_epoch()).count());
  }
  Task<> tick_in_private() {
    note_time();
    co_return;
  }
  Task<std::int64_t> say(std::string word, int times) {
    for (int i = 0; i < times; ++i) words_.push_back(word);
    word = "changed";  // its own copy
    co_return 1;
  }
  Task<> take(Brittle /*given*/) {
    ++ticks_;
    co_return;
  }
  Task<> stop_after_three() {
    if (++ticks_ == 3) timer_.stop();
    co_return;
  }

 public:
  Task<> on_activate() override {
    ++activations_;
    const std::string_view kind = key().substr(0, key().find('#'));
    if (kind == "steady") timer_ = every(50ms, &Metronome::tick);
    if (kind == "unpinned") timer_ = every(50ms, &Metronome::tick).unpin();
    if (kind == "slow") timer_ = every(10ms, &Metronome::tick_slowly);
    if (kind == "stuck") timer_ = every(10ms, &Metronome::tick_for_ever);
    if (kind == "private") timer_ = every(10ms, &Metronome::tick_in_private);
    if (kind == "failing") timer_ = every(10ms, &Metronome::fail);
    if (kind == "brittle") timer_ = every(10ms, &Metronome::take, Brittle());
    if (kind == "three") timer_ = every(10ms, &Metronome::stop_after_three);
    if (kind == "words") {
      every(10ms, &Metronome::say, "again", 1);
      after(35ms, &Metronome::say, std::string("once"), 2);
    }
    if (kind == "late") {
      timer_ = after(1ms, &Metronome::tick);
      co_await sleep(100ms);
    }
  }
  Task<> tick() {
    note_time();
    ++ticks_;
    skipped_ += static_cast<std::int64_t>(skipped_ticks());
    co_return;
  }
  Task<> tick_slowly() {
    skipped_ += static_cast<std::int64_t>(skipped_ticks());
    co_await sleep(25ms);
    ++ticks_;
  }
  Task<> tick_for_ever() {
    ++ticks_;
    co_await sleep(1h);
  }
  Task<> fail() {
    ++ticks_;
    throw std::runtime_error("out of springs");
    co_return;
  }
  Task<> begin(std::int64_t interval_ms) {
    timer_ = every(std::chrono::milliseconds(interval_ms), &Metronome::tick);
    co_return;
  }
  Task<bool> stop() {
    timer_.stop();
    timer_.stop();  // again, and of no timer: nothing
    Timer().stop();
    co_return timer_.is_running();
  }
  Task<bool> is_running() const { co_return timer_.is_running(); }
  Task<std::int64_t> ticks() const { co_return ticks_; }
  Task<std::int64_t> skipped() const { co_return skipped_ + static_cast<std::int64_t>(skipped_ticks()); }
  Task<std::int64_t> activations() const { co_return activations_; }
  Task<std::vector<std::string>> words() const { co_return words_; }
  Task<std::vector<std::int64_t>> times_ms() const { co_return times_ms_; }
  EPIC_ENTITY(Metronome, state(ticks_, skipped_, activations_, words_, times_ms_),
              methods(tick, tick_slowly, tick_for_ever, fail, begin, stop, is_running, ticks, skipped, activations,
                      words, times_ms))
};

/// Its calls and ticks exclude each other.
class Turnstile : public Entity {
  std::int64_t inside_ = 0;
  std::int64_t most_ = 0;
  std::int64_t ticks_ = 0;

  Task<> pass() {
    most_ = std::max(most_, ++inside_);
    co_await sleep(7ms);
    --inside_;
  }

 public:
  Task<> on_activate() override {
    every(10ms, &Turnstile::tick);
    co_return;
  }
  Task<> tick() {
    ++ticks_;
    co_await pass();
  }
  Task<> enter() { co_await pass(); }
  Task<std::int64_t> most() const { co_return most_; }
  Task<std::int64_t> ticks() const { co_return ticks_; }
  EPIC_ENTITY(Turnstile, transient, methods(most, ticks), exclusive(tick, enter))
};

/// Misuses.
class Amateur : public Entity {
 public:
  Amateur() {
    if (in_constructor) every(1s, &Amateur::nothing);
  }
  static inline bool in_constructor = false;

  Task<> nothing() { co_return; }
  Task<> of_another_class() {
    every(1s, &Metronome::tick);
    co_return;
  }
  Task<> too_often() {
    every(0ms, &Amateur::nothing);
    co_return;
  }
  EPIC_ENTITY(Amateur, transient, methods(nothing, of_another_class, too_often))
};

const ModuleInfo& clocks() {
  static const EntityInfoFn entities[] = {&Metronome::epic_info, &Turnstile::epic_info, &Amateur::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct TimersFixture {
  codec::CapnpCodec codec;
  test::SimFabric fabric;

  explicit TimersFixture(std::chrono::nanoseconds idle_age = limits::kIdleAge)
      : fabric({.seed = 7, .idle_age = idle_age}, clocks(), codec) {
    fabric.run_for(100ms);
  }
  /// One that lives on node 1.
  static Ref<Metronome> get(test::SimFabric& fabric, const std::string& kind) {
    for (int i = 0;; ++i)
      if (const Ref<Metronome> ref(kind + "#" + std::to_string(i));
          fabric.owner_of("Metronome/" + std::string(ref.key())) == 1)
        return ref;
  }
  Ref<Metronome> get(const std::string& kind) { return get(fabric, kind); }
  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
  [[nodiscard]] std::size_t logged(std::string_view text) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        fabric.log(), [&](const test::LogLine& line) { return line.message.find(text) != std::string::npos; }));
  }
};

}  // namespace

TEST_CASE("timers: ticks stay on their grid", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> clock = f.get("steady");
  f.call(clock->ticks());
  f.fabric.run_for(1020ms);
  const std::vector<std::int64_t> times = f.call(clock->times_ms());
  REQUIRE(times.size() == 20);
  for (std::size_t i = 1; i < times.size(); ++i)
    CHECK(std::abs(times[i] - times[0] - static_cast<std::int64_t>(i) * 50) <= 1);
  CHECK(f.call(clock->skipped()) == 0);
}

TEST_CASE("timers: a tick that is due while the one before runs is skipped, and the next one knows", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> clock = f.get("slow");
  f.call(clock->ticks());
  f.fabric.run_for(1s);
  const std::int64_t ticks = f.call(clock->ticks());
  CHECK(ticks >= 31);
  CHECK(ticks <= 33);                                // each takes up three of the schedule
  CHECK(f.call(clock->skipped()) / 2 >= ticks - 1);  // and `skipped` itself is no tick
  CHECK(f.call(clock->skipped()) / 2 <= ticks);
}

TEST_CASE("timers: after() calls once, and each call has its own copy of the arguments", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> clock = f.get("words");
  f.call(clock->ticks());
  f.fabric.run_for(55ms);
  CHECK(f.call(clock->words()) ==
        std::vector<std::string>{"again", "again", "again", "once", "once", "again", "again"});
}

TEST_CASE("timers: one stops when it is told to, also by its own tick", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> steady = f.get("steady");
  CHECK(f.call(steady->is_running()));
  CHECK_FALSE(f.call(steady->stop()));
  f.fabric.run_for(1s);
  CHECK(f.call(steady->ticks()) == 0);
  const Ref<Metronome> three = f.get("three");
  f.call(three->ticks());
  f.fabric.run_for(1s);
  CHECK(f.call(three->ticks()) == 3);
  CHECK_FALSE(f.call(three->is_running()));
}

TEST_CASE("timers: a method need not be listed, and one that throws does not end its timer", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> hidden = f.get("private");
  f.call(hidden->ticks());
  const Ref<Metronome> failing = f.get("failing");
  f.call(failing->ticks());
  f.fabric.run_for(100ms);
  CHECK(f.call(hidden->times_ms()).size() >= 9);
  CHECK(f.call(failing->ticks()) >= 9);
  CHECK(f.logged("Metronome/" + std::string(failing.key()) + ".fail failed, and no caller awaits it") >= 9);
}

TEST_CASE("timers: arguments that cannot be copied just now cost a tick, and nothing else", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> brittle = f.get("brittle");
  f.call(brittle->ticks());
  are_brittle_copies_refused = true;
  f.fabric.run_for(100ms);
  are_brittle_copies_refused = false;
  CHECK(f.call(brittle->ticks()) <= 1);
  CHECK(f.call(brittle->is_running()));
  f.fabric.run_for(100ms);
  CHECK(f.call(brittle->ticks()) >= 9);
}

TEST_CASE("timers: one keeps its entity in memory, unless it is unpinned", "[kernel]") {
  TimersFixture f(1s);
  const Ref<Metronome> steady = f.get("steady");
  const Ref<Metronome> unpinned = f.get("unpinned");
  f.call(steady->ticks());
  f.call(unpinned->ticks());
  f.fabric.run_for(10s);
  CHECK(f.fabric.kernel(1).activations().find("Metronome/" + std::string(steady.key())) != nullptr);
  CHECK(f.fabric.kernel(1).activations().find("Metronome/" + std::string(unpinned.key())) == nullptr);
  CHECK(f.call(steady->activations()) == 1);
  CHECK(f.call(steady->ticks()) >= 199);
  const std::int64_t ticks = f.call(unpinned->ticks());
  CHECK(ticks >= 15);
  CHECK(ticks <= 100);
  CHECK(f.call(unpinned->activations()) == 2);
}

TEST_CASE("timers: ticks hold up no move, and begin again at the new owner", "[kernel]") {
  for (const std::string kind : {"steady", "stuck", "slow"}) {
    CAPTURE(kind);
    TimersFixture f;
    const Ref<Metronome> clock = f.get(kind);
    f.call(clock->ticks());
    f.fabric.run_for(200ms);
    const std::int64_t before = f.call(clock->ticks());
    CHECK(before >= 1);
    f.fabric.move_shard(ungrouped(16).shard_of("Metronome", clock.key()), 3);
    const auto has_moved = [&] { return f.fabric.owner_of("Metronome/" + std::string(clock.key())) == 3; };
    CHECK(f.fabric.run_until(has_moved, 100ms));
    CHECK(f.call(clock->ticks()) >= before);
    CHECK(f.call(clock->activations()) == 2);
    f.fabric.run_for(200ms);
    CHECK(f.call(clock->ticks()) > before);
  }
}

TEST_CASE("timers: ticks hold up no stop of their node", "[kernel]") {
  TimersFixture f;
  for (const std::string kind : {"steady", "stuck", "slow", "words"}) f.call(f.get(kind)->ticks());
  f.fabric.run_for(100ms);
  CHECK(f.fabric.stop(1, 100ms));
}

TEST_CASE("timers: what ticks changed is saved", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> clock = f.get("steady");
  f.call(clock->ticks());
  f.fabric.run_for(520ms);
  f.fabric.kill(1);
  f.fabric.run_for(500ms);
  CHECK(f.fabric.call(2, clock->ticks()) >= 9);
  CHECK(f.fabric.call(2, clock->activations()) == 2);
}

TEST_CASE("timers: ticks wait until on_activate has ended", "[kernel]") {
  TimersFixture f;
  const Ref<Metronome> clock = f.get("late");
  CHECK(f.call(clock->ticks()) <= 1);
  f.fabric.run_for(30ms);
  CHECK(f.call(clock->ticks()) == 1);
}

TEST_CASE("timers: a tick takes the lock like a call", "[kernel]") {
  TimersFixture f;
  const Ref<Turnstile> gate("a");
  for (int i = 0; i < 50; ++i) static_cast<void>(f.fabric.start_call<void>(1, gate->enter(), nullptr));
  f.fabric.run_for(1s);
  CHECK(f.call(gate->most()) == 1);
  CHECK(f.call(gate->ticks()) >= 40);
}

TEST_CASE("timers: those that start together are spread over the interval", "[kernel]") {
  TimersFixture f;
  constexpr int kClocks = 20;
  std::vector<std::int64_t> firsts;
  std::vector<Ref<Metronome>> clocks;
  for (int i = 0; clocks.size() < kClocks; ++i)
    if (const Ref<Metronome> clock("idle#" + std::to_string(i));
        f.fabric.owner_of("Metronome/" + std::string(clock.key())) == 1)
      clocks.push_back(clock);
  for (const auto& clock : clocks) f.call(clock->ticks());
  for (const auto& clock : clocks) static_cast<void>(f.fabric.start_call<void>(1, clock->begin(1000), nullptr));
  f.fabric.run_for(1100ms);
  for (const auto& clock : clocks) firsts.push_back(f.call(clock->times_ms()).at(0));
  std::ranges::sort(firsts);
  CHECK(firsts.back() - firsts.front() <= 1000);
  for (std::size_t i = 1; i < firsts.size(); ++i) {
    CHECK(firsts[i] - firsts[i - 1] >= 15);
    CHECK(firsts[i] - firsts[i - 1] <= 110);
  }
}

TEST_CASE("timers: misuse is a clear error", "[kernel]") {
  TimersFixture f;
  const Ref<Amateur> amateur("a");
  CHECK_THROWS_WITH(f.call(amateur->of_another_class()), Catch::Contains("the method is of another class"));
  CHECK_THROWS_WITH(f.call(amateur->too_often()), Catch::Contains("the interval must be positive"));
  Amateur::in_constructor = true;
  CHECK_THROWS_WITH(f.call(Ref<Amateur>("b")->nothing()), Catch::Contains("use them in its methods or on_activate"));
  Amateur::in_constructor = false;
}
