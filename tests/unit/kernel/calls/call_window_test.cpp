// gather() of many calls: a bounded number is under way, on one node and across nodes.

#include "epic/call_window.hpp"

#include <fmt/format.h>

#include <epic/epic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

/// Counts the calls that run, on all nodes together.
class Booth : public Entity {
 public:
  static inline std::int64_t begun = 0;
  static inline std::int64_t running = 0;
  static inline std::int64_t most = 0;
  static inline std::int64_t cancelled = 0;

  Task<std::int64_t> serve(std::int64_t number, std::chrono::milliseconds takes) const {
    ++begun;
    most = std::max(most, ++running);
    const Leaving leaving;
    try {
      co_await sleep(takes);
    } catch (const Cancelled&) {
      ++cancelled;
      throw;
    }
    co_return number;
  }
  Task<> close(std::int64_t number, std::chrono::milliseconds takes) const {
    static_cast<void>(co_await serve(number, takes));
    throw std::runtime_error(fmt::format("booth {} is closed", number));
  }
  Task<> pass(std::int64_t number, std::chrono::milliseconds takes) const {
    static_cast<void>(co_await serve(number, takes));
  }
  Task<> look() const { co_return; }
  EPIC_ENTITY(Booth, methods(serve, close, pass, look), transient)

 private:
  struct Leaving {
    Leaving() = default;
    Leaving(const Leaving&) = delete;
    ~Leaving() { --running; }
  };
};

/// The module does not have it: no call of it can begin.
class Phantom : public Entity {
 public:
  Task<> haunt() const { co_return; }
  EPIC_ENTITY(Phantom, methods(haunt), transient)
};

/// The first call takes `first`, all others `others`.
struct Round {
  std::int64_t count = 0;
  std::int64_t at_once = 0;  // 0: the default
  std::chrono::milliseconds first{};
  std::chrono::milliseconds others{};
};
BOOST_DESCRIBE_STRUCT(Round, (), (count, at_once, first, others))

class Fair : public Entity {
  std::int64_t rounds_ = 0;
  std::int64_t late_ = 0;
  std::string ended_by_;
  std::optional<Spawned<std::vector<std::int64_t>>> spawned_;
  bool is_over_ = false;
  std::int64_t turns_ = 0;

  static std::vector<Call<std::int64_t>> calls_of(const Round& round) {
    std::vector<Call<std::int64_t>> calls;
    for (std::int64_t i = 0; i < round.count; ++i)
      calls.push_back(Ref<Booth>(i)->serve(i, i == 0 ? round.first : round.others));
    return calls;
  }
  Task<std::int64_t> serve_alone(std::int64_t number) { co_return co_await Ref<Booth>(number)->serve(number, 5ms); }

 public:
  Task<std::vector<std::int64_t>> visit(Round round) {
    ++rounds_;
    try {
      if (round.at_once == 0) co_return co_await gather(calls_of(round));
      co_return co_await gather(calls_of(round), {.at_once = static_cast<std::size_t>(round.at_once)});
    } catch (const Cancelled& error) {
      ended_by_ = error.what();
    }
    co_await sleep(1ms);  // what goes on after it may wait, and call
    late_ = (co_await gather(calls_of({.count = 3, .at_once = 1}))).back();
    throw std::runtime_error("the round was cut short");
  }
  Task<std::string> visit_closed(std::int64_t count) {
    std::vector<Call<void>> calls;
    for (std::int64_t i = 0; i < count; ++i) {
      const Ref<Booth> booth(i);
      calls.push_back(i == 300 ? booth->close(i, 50ms) : i == 700 ? booth->close(i, 0ms) : booth->pass(i, 1ms));
    }
    try {
      co_await gather(std::move(calls));
    } catch (const std::runtime_error& error) {
      co_return error.what();
    }
    co_return "all are open";
  }
  /// Each has less time than all of them take.
  Task<std::vector<std::int64_t>> visit_in_time() {
    std::vector<Call<std::int64_t>> calls;
    for (std::int64_t i = 0; i < 5; ++i) calls.push_back(Ref<Booth>(i).with(150ms)->serve(i, 100ms));
    co_return co_await gather(std::move(calls), {.at_once = 1});
  }
  Task<std::vector<std::int64_t>> visit_by_tasks(std::int64_t count) {
    std::vector<Task<std::int64_t>> tasks;
    for (std::int64_t i = 0; i < count; ++i) tasks.push_back(serve_alone(i));
    co_return co_await gather(std::move(tasks), {.at_once = 4});
  }
  /// How many turns a task of it has while it gathers calls that all fail at once.
  Task<std::int64_t> visit_ghosts(std::int64_t count, std::int64_t at_once) {
    const Ref<Booth> booth(0);
    co_await booth->look();  // from now on it is in memory
    turns_ = 0;
    is_over_ = false;
    auto beside = spawn([this, booth]() -> Task<> {
      for (; !is_over_; ++turns_) co_await spawn(booth->look());
    });
    std::vector<Call<void>> calls;
    for (std::int64_t i = 0; i < count; ++i) calls.push_back(Ref<Phantom>(i)->haunt());
    bool has_failed = false;
    try {
      co_await gather(std::move(calls), {.at_once = static_cast<std::size_t>(at_once)});
    } catch (const NoSuchType&) {
      has_failed = true;
    }
    is_over_ = true;
    co_await beside;
    co_return has_failed ? turns_ : -1;
  }
  /// The same of `other`'s task, whose call is cancelled after 20 turns.
  Task<std::int64_t> cancel_ghosts(Ref<Fair> other, std::int64_t count) {
    auto visit = spawn(other->visit_ghosts(count, 256));
    const Ref<Booth> booth(0);
    for (int i = 0; i < 1000 && co_await other->turns() < 20; ++i) co_await spawn(booth->look());
    visit.cancel();
    bool was_cancelled = false;
    try {
      static_cast<void>(co_await visit);
    } catch (const Cancelled&) {
      was_cancelled = true;
    }
    for (int i = 0; i < 1000; ++i) co_await spawn(booth->look());
    co_return was_cancelled ? co_await other->turns() : -1;
  }
  Task<std::string> visit_none_at_once() {
    try {
      static_cast<void>(co_await gather(calls_of({.count = 2}), {.at_once = 0}));
    } catch (const std::logic_error& error) {
      co_return error.what();
    }
    co_return "it went well";
  }
  Task<> start(Ref<Fair> other, Round round) {
    spawned_.emplace(spawn(other->visit(round)));
    co_return;
  }
  Task<> cancel() {
    spawned_->cancel();
    co_return;
  }
  Task<std::string> ended_by() const { co_return ended_by_; }
  Task<std::int64_t> late() const { co_return late_; }
  Task<std::int64_t> turns() const { co_return turns_; }
  EPIC_ENTITY(Fair, state(rounds_, late_, ended_by_),
              methods(visit, visit_closed, visit_in_time, visit_by_tasks, visit_ghosts, cancel_ghosts,
                      visit_none_at_once, start, cancel, ended_by, late, turns))
};

const ModuleInfo& fairs() {
  static const EntityInfoFn entities[] = {&Booth::epic_info, &Fair::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct WindowFixture {
  explicit WindowFixture(std::uint16_t nodes) : fabric({.seed = 3, .nodes = nodes}, fairs(), codec) {
    Booth::begun = Booth::running = Booth::most = Booth::cancelled = 0;
    fabric.run_for(100ms);
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;

  template <class R>
  R call(Call<R>&& call) {
    return fabric.call(1, std::move(call));
  }
  Ref<Fair> fair_on(std::uint16_t node, int first = 0) {
    for (int i = first;; ++i)
      if (fabric.owner_of("Fair/" + std::to_string(i)) == node) return Ref<Fair>(i);
  }
};

std::vector<std::int64_t> count_to(std::int64_t count) {
  std::vector<std::int64_t> numbers;
  for (std::int64_t i = 0; i < count; ++i) numbers.push_back(i);
  return numbers;
}

}  // namespace

TEST_CASE("call window: so many calls are under way and no more, and the next begins as soon as one has ended",
          "[kernel]") {
  const std::uint16_t nodes = GENERATE(std::uint16_t{1}, std::uint16_t{3});
  CAPTURE(nodes);
  WindowFixture f(nodes);
  const auto before = f.fabric.now();
  CHECK(f.call(f.fair_on(1)->visit({.count = 900, .at_once = 10, .first = 1s, .others = 10ms})) == count_to(900));
  CHECK(Booth::most == 10);
  CHECK(Booth::begun == 900);
  // Nine tenths of the window go on beside the first call; in windows that wait for their last call, it would be 1.9 s.
  CHECK(f.fabric.now() - before < 1500ms);
}

TEST_CASE("call window: 256 are under way unless it is said how many", "[kernel]") {
  const std::uint16_t nodes = GENERATE(std::uint16_t{1}, std::uint16_t{3});
  CAPTURE(nodes);
  WindowFixture f(nodes);
  const Ref<Fair> fair = f.fair_on(1);
  CHECK(f.call(fair->visit({.count = 1000, .others = 10ms})) == count_to(1000));
  CHECK(Booth::most == 256);
  CHECK(f.call(fair->visit({.count = 1000, .at_once = 5000, .first = 1s, .others = 1s})) == count_to(1000));
  CHECK(Booth::most == 1000);
  CHECK(f.call(fair->visit({.count = 256, .others = 10ms})) == count_to(256));
  CHECK(f.call(fair->visit({.count = 1, .at_once = 1})) == count_to(1));
  CHECK(f.call(fair->visit({.count = 0, .at_once = 1})).empty());
}

TEST_CASE("call window: all calls are made whatever becomes of the others, and the first error in order is thrown",
          "[kernel]") {
  const std::uint16_t nodes = GENERATE(std::uint16_t{1}, std::uint16_t{3});
  CAPTURE(nodes);
  WindowFixture f(nodes);
  CHECK_THAT(f.call(f.fair_on(1)->visit_closed(1000)), Catch::Contains("booth 300 is closed"));
  CHECK(Booth::begun == 1000);
  CHECK(Booth::running == 0);
}

TEST_CASE("call window: a deadline counts from when its own call begins", "[kernel]") {
  WindowFixture f(3);
  CHECK(f.call(f.fair_on(1)->visit_in_time()) == count_to(5));
}

TEST_CASE("call window: an entity's own Tasks begin in it, too", "[kernel]") {
  WindowFixture f(3);
  CHECK(f.call(f.fair_on(1)->visit_by_tasks(100)) == count_to(100));
  CHECK(Booth::most == 4);
}

TEST_CASE("call window: one without room for a call is refused", "[kernel]") {
  WindowFixture f(1);
  CHECK_THAT(f.call(f.fair_on(1)->visit_none_at_once()), Catch::Contains("at_once is 0"));
}

TEST_CASE("call window: who is cancelled begins no more calls, and those under way are cancelled", "[kernel]") {
  const std::uint16_t node = GENERATE(std::uint16_t{1}, std::uint16_t{2});
  const std::int64_t at_once = GENERATE(1, 10, 0);
  const auto takes = GENERATE(1ms, 3600'000ms);
  CAPTURE(node, at_once, takes.count());
  WindowFixture f(3);
  const Ref<Fair> boss = f.fair_on(1);
  const Ref<Fair> visitor = f.fair_on(node, std::stoi(std::string(boss.key())) + 1);
  f.call(boss->start(visitor, {.count = 20'000, .at_once = at_once, .first = takes, .others = takes}));
  f.fabric.run_for(40ms);
  const std::int64_t begun = Booth::begun;
  CHECK(begun > 0);
  f.call(boss->cancel());
  f.fabric.run_for(200ms);
  CHECK(Booth::running == 0);
  CHECK_THAT(f.call(visitor->ended_by()), Catch::Contains(" was cancelled"));
  CHECK(f.call(visitor->late()) == 2);  // the gather afterwards is as any
  const std::int64_t window = at_once == 0 ? 256 : at_once;
  if (takes == 1ms) {
    CHECK(Booth::begun < 20'000);
  } else {
    CHECK(begun == window);
    CHECK(Booth::begun == window + 3);
    CHECK(Booth::cancelled == window);
  }
  for (const std::uint16_t each : {1, 2, 3}) CHECK(f.fabric.kernel(each).stats().calls_pending == 0);
  for (const test::LogLine& line : f.fabric.log()) CHECK_THAT(line.message, !Catch::Contains("never awaited"));
}

TEST_CASE("call window: calls that all fail at once leave turns to others, and are made until the last", "[kernel]") {
  const std::int64_t at_once = GENERATE(1, 256, 1'000'000);
  CAPTURE(at_once);
  WindowFixture f(1);
  CHECK(f.call(f.fair_on(1)->visit_ghosts(20'000, at_once)) > 100);
  CHECK(f.call(f.fair_on(1)->visit_ghosts(1, at_once)) >= 0);
  CHECK(f.call(f.fair_on(1)->visit_ghosts(64, at_once)) >= 0);
  CHECK(f.fabric.kernel(1).stats().calls_pending == 0);
}

TEST_CASE("call window: who is cancelled between calls that all fail at once begins no more of them", "[kernel]") {
  WindowFixture f(1);
  const Ref<Fair> boss = f.fair_on(1);
  const Ref<Fair> visitor = f.fair_on(1, std::stoi(std::string(boss.key())) + 1);
  const std::int64_t turns = f.call(boss->cancel_ghosts(visitor, 20'000));
  CHECK(turns >= 20);
  CHECK(turns < 40);
  f.fabric.run_for(200ms);
  CHECK(f.fabric.kernel(1).stats().calls_pending == 0);
}
