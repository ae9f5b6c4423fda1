#pragma once
// Entities for the fabric benchmarks.

#include <epic/epic.hpp>

namespace bench_module {

/// Answers and stores nothing.
class Echo : public epic::Entity {
 public:
  epic::Task<std::int64_t> repeat(std::int64_t number) const { co_return number; }
  EPIC_ENTITY(Echo, methods(repeat), transient)
};

class Caller : public epic::Entity {
 public:
  /// Makes one call after the other.
  epic::Task<std::int64_t> call_many(epic::Ref<Echo> echo, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await echo->repeat(i);
    co_return sum;
  }
  EPIC_ENTITY(Caller, methods(call_many), transient)
};

class Account : public epic::Entity {
  std::int64_t balance = 0;
  std::string owner = std::string(80, 'o');  // makes a row about as large as the yardstick's

 public:
  epic::Task<std::int64_t> add(std::int64_t amount) { co_return balance += amount; }
  /// For callers on the same node, whose replies no gate holds back.
  epic::Task<std::int64_t> add_durably(std::int64_t amount) {
    balance += amount;
    co_await epic::saved();
    co_return balance;
  }
  epic::Task<std::int64_t> get() const { co_return balance; }
  /// Sends 1 to one after the other, each time waiting until that is saved.
  epic::Task<void> pay_many(std::vector<epic::Ref<Account>> accounts, std::int64_t count) {
    for (std::int64_t i = 0; i < count; ++i) {
      --balance;
      epic::deliver(accounts[static_cast<std::size_t>(i) % accounts.size()]->add(1));
      co_await epic::saved();
    }
  }
  EPIC_ENTITY(Account, state(balance, owner), methods(add, add_durably, get, pay_many))
};

/// A caller inside the fabric.
class Adder : public epic::Entity {
 public:
  /// Makes one call after the other, each to a random account.
  epic::Task<void> add_many(std::int64_t accounts, std::int64_t count) const {
    std::uint64_t random = std::hash<std::string_view>{}(key());
    for (std::int64_t i = 0; i < count; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const auto account = static_cast<std::int64_t>((random >> 33) % static_cast<std::uint64_t>(accounts));
      co_await epic::Ref<Account>(account)->add_durably(1);
    }
  }
  /// The same, to these in turn.
  epic::Task<void> add_to(std::vector<epic::Ref<Account>> accounts, std::int64_t count) const {
    for (std::int64_t i = 0; i < count; ++i)
      co_await accounts[static_cast<std::size_t>(i) % accounts.size()]->add_durably(1);
  }
  EPIC_ENTITY(Adder, methods(add_many, add_to), transient)
};

/// Is woken by a reminder, and notes when.
class Alarm : public epic::Entity {
  std::int64_t count = 0;
  std::int64_t rang_at_ns = 0;  // wall clock

 public:
  epic::Task<void> set(std::chrono::milliseconds later) {
    epic::remind("alarm", later, &Alarm::ring);
    co_return;
  }
  epic::Task<void> ring() {
    ++count;
    rang_at_ns = std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();  // epic:allow
    co_return;
  }
  /// How often it has rung, and when last.
  epic::Task<std::vector<std::int64_t>> look() const { co_return std::vector{count, rang_at_ns}; }
  EPIC_ENTITY(Alarm, state(count, rang_at_ns), methods(set, ring, look))
};

/// A match that ticks at 20 Hz, by a timer or by a loop of its own, and notes when.
class Match : public epic::Entity {
  static constexpr auto kInterval = std::chrono::milliseconds(50);
  std::vector<std::int64_t> times_ns_;
  std::int64_t skipped_ = 0;
  std::int64_t inputs_ = 0;
  epic::Timer timer_;

  static std::int64_t now_ns() {  // to the nanosecond, not as of the turn's start
    return std::chrono::steady_clock::now().time_since_epoch().count();  // epic:allow
  }
  epic::Task<> loop(std::int64_t ticks) {
    // Those that start together would tick together.
    const std::int64_t begin_ns =
        now_ns() + static_cast<std::int64_t>(std::hash<std::string_view>{}(key()) % std::uint64_t{50'000'000});
    for (std::int64_t i = 1; i <= ticks; ++i) {
      co_await epic::sleep(std::chrono::nanoseconds(begin_ns - now_ns()) + i * kInterval);
      times_ns_.push_back(now_ns());
    }
  }

 public:
  epic::Task<> start(std::int64_t ticks, bool has_timer) {
    times_ns_.clear();
    times_ns_.reserve(static_cast<std::size_t>(ticks) + 100);
    skipped_ = inputs_ = 0;
    if (has_timer)
      timer_ = epic::every(kInterval, &Match::tick);
    else
      epic::spawn(loop(ticks));
    co_return;
  }
  epic::Task<> tick() {
    times_ns_.push_back(now_ns());
    skipped_ += static_cast<std::int64_t>(epic::skipped_ticks());
    co_return;
  }
  epic::Task<> input() {
    ++inputs_;
    co_return;
  }
  /// Ends it. How late each tick was: beyond a grid of which the most punctual tick is a point.
  epic::Task<std::vector<std::int64_t>> stop() {
    timer_.stop();
    std::int64_t earliest_ns = INT64_MAX;
    constexpr std::int64_t kIntervalNs = std::chrono::nanoseconds(kInterval).count();
    for (std::size_t i = 0; i < times_ns_.size(); ++i)
      earliest_ns = std::min(earliest_ns, times_ns_[i] - static_cast<std::int64_t>(i) * kIntervalNs);
    std::vector<std::int64_t> late_ns;
    for (std::size_t i = 0; i < times_ns_.size(); ++i)
      late_ns.push_back(times_ns_[i] - static_cast<std::int64_t>(i) * kIntervalNs - earliest_ns);
    co_return late_ns;
  }
  epic::Task<std::int64_t> skipped() const { co_return skipped_; }
  epic::Task<std::int64_t> inputs() const { co_return inputs_; }
  EPIC_ENTITY(Match, methods(start, tick, input, stop, skipped, inputs), transient)
};

/// Ten players of a match, on whatever node, who send it inputs.
class Team : public epic::Entity {
 public:
  epic::Task<> play(epic::Ref<Match> match, std::int64_t inputs, std::chrono::milliseconds pause) const {
    for (std::int64_t i = 0; i < inputs; i += 10) {
      std::vector<epic::Call<void>> calls;
      for (int player = 0; player < 10; ++player) calls.push_back(match->input());
      co_await epic::gather(std::move(calls));
      co_await epic::sleep(pause);
    }
  }
  EPIC_ENTITY(Team, methods(play), transient)
};

}  // namespace bench_module
