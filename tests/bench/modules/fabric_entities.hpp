#pragma once
// Entities for the fabric benchmarks.

#include <poll.h>
#include <epic/epic.hpp>
#include <numeric>
#include <string>
#include <string_view>

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
  /// The same, answered by copies.
  epic::Task<std::int64_t> call_cached(epic::Ref<Echo> echo, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await echo.cached(std::chrono::seconds(1))->repeat(1);
    co_return sum;
  }
  EPIC_ENTITY(Caller, methods(call_many, call_cached), transient)
};

/// Counts posts, and stores nothing.
class Follower : public epic::Entity {
  std::int64_t posts_ = 0;

 public:
  epic::Task<std::int64_t> on_post(std::string post) {
    posts_ += post.empty() ? 0 : 1;
    co_return posts_;
  }
  EPIC_ENTITY(Follower, methods(on_post), transient)
};

/// Sends a post to all followers, in two ways. Throws if one did not get it.
class Author : public epic::Entity {
  std::vector<epic::Ref<Follower>> followers_;

 public:
  epic::Task<void> be_followed(std::int64_t count) {
    followers_.clear();
    for (std::int64_t i = 0; i < count; ++i) followers_.emplace_back(i);
    co_return;
  }
  epic::Task<void> broadcast(std::string post) const {
    const epic::BroadcastResult result = co_await epic::broadcast(followers_, &Follower::on_post, post);
    if (result.failed > 0) throw std::runtime_error(result.failures.front().what);
  }
  epic::Task<void> gather(std::string post) const {
    std::vector<epic::Call<std::int64_t>> calls;
    calls.reserve(followers_.size());
    for (const auto& follower : followers_) calls.push_back(follower->on_post(post));
    static_cast<void>(co_await epic::gather(std::move(calls)));
  }
  EPIC_ENTITY(Author, methods(be_followed, broadcast, gather), transient)
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

/// A match that ticks at 20 Hz while it is in memory: by a loop of its own, if its key begins with "loop", or by a
/// timer.
class Match : public epic::Entity {
  struct Tick {
    std::int64_t number = 0;  // on the grid
    std::int64_t at_ns = 0;
  };
  static constexpr auto kInterval = std::chrono::milliseconds(50);
  bool is_noting_ = false;
  std::vector<Tick> ticks_;
  std::int64_t last_number_ = 0;
  std::int64_t skipped_ = 0;
  std::int64_t inputs_ = 0;

  static std::int64_t now_ns() {  // to the nanosecond, not as of the turn's start
    return std::chrono::steady_clock::now().time_since_epoch().count();  // epic:allow
  }
  void note(std::int64_t skipped) {
    last_number_ += 1 + skipped;
    if (!is_noting_) return;
    skipped_ += skipped;
    ticks_.push_back({last_number_, now_ns()});
  }
  epic::Task<> loop() {
    // Those that start together would tick together.
    const std::int64_t begin_ns =
        now_ns() + static_cast<std::int64_t>(std::hash<std::string_view>{}(key()) % std::uint64_t{50'000'000});
    for (std::int64_t i = 1;; ++i) {
      co_await epic::sleep(std::chrono::nanoseconds(begin_ns - now_ns()) + i * kInterval);
      note(0);
    }
  }

 public:
  epic::Task<> on_activate() override {
    if (key().starts_with("loop"))
      epic::spawn(loop());
    else
      epic::every(kInterval, &Match::tick);
    co_return;
  }
  epic::Task<> tick() {
    note(static_cast<std::int64_t>(epic::skipped_ticks()));
    co_return;
  }
  epic::Task<> input() {
    ++inputs_;
    co_return;
  }
  /// Notes its ticks from now on.
  epic::Task<> start(std::chrono::seconds lasts) {
    ticks_.clear();
    ticks_.reserve(static_cast<std::size_t>(lasts / kInterval) + 100);
    skipped_ = inputs_ = 0;
    is_noting_ = true;
    co_return;
  }
  /// How late each tick since start() was: beyond a grid of which the most punctual one is a point.
  epic::Task<std::vector<std::int64_t>> stop() {
    is_noting_ = false;
    const auto shift_of = [](const Tick& tick) {
      return tick.at_ns - tick.number * std::chrono::nanoseconds(kInterval).count();
    };
    std::int64_t earliest_ns = INT64_MAX;
    for (const Tick& tick : ticks_) earliest_ns = std::min(earliest_ns, shift_of(tick));
    std::vector<std::int64_t> late_ns;
    for (const Tick& tick : ticks_) late_ns.push_back(shift_of(tick) - earliest_ns);
    co_return late_ns;
  }
  epic::Task<std::int64_t> skipped() const { co_return skipped_; }
  epic::Task<std::int64_t> inputs() const { co_return inputs_; }
  EPIC_ENTITY(Match, methods(tick, input, start, stop, skipped, inputs), transient)
};

/// Ten players of a match, on whatever node, who send it inputs while the team is in memory.
class Team : public epic::Entity {
  bool is_playing_ = false;

  epic::Task<> shoot(epic::Ref<Match> match, std::chrono::nanoseconds pause) {
    std::int64_t next_ns = std::chrono::steady_clock::now().time_since_epoch().count() +  // epic:allow
                           static_cast<std::int64_t>(epic::random() % static_cast<std::uint64_t>(pause.count()));
    while (true) {
      co_await epic::sleep(std::chrono::nanoseconds(
          next_ns - std::chrono::steady_clock::now().time_since_epoch().count()));  // epic:allow
      next_ns += pause.count();
      std::vector<epic::Call<void>> inputs;
      for (int player = 0; player < 10; ++player) inputs.push_back(match->input());
      try {
        co_await epic::gather(std::move(inputs));
      } catch (const epic::Cancelled&) {
        throw;
      } catch (const epic::Error&) {  // the match's node is gone, or it moves
      }
    }
  }

 public:
  /// Each player sends an input after each pause. Does nothing if they play already.
  epic::Task<> play(epic::Ref<Match> match, std::chrono::milliseconds pause) {
    if (!std::exchange(is_playing_, true)) epic::spawn(shoot(match, pause));
    co_return;
  }
  EPIC_ENTITY(Team, methods(play), transient)
};

/// What a program that writes `bytes` has made, and one that reads them looks at: every byte, and other ones each time.
inline std::string make_part(std::uint64_t number, std::uint64_t bytes) {
  return std::string(bytes, static_cast<char>('a' + number % 26));
}
inline std::uint64_t look_at(std::string_view part) {
  return std::accumulate(part.begin(), part.end(), std::uint64_t{0},
                         [](std::uint64_t sum, char one) { return sum + static_cast<unsigned char>(one); });
}

/// Reads and writes files in parts of one size.
class Copyist : public epic::Entity {
 public:
  /// Returns the sum of all bytes.
  epic::Task<std::uint64_t> read(std::string path, std::uint64_t part_bytes) const {
    epic::File file = co_await epic::open(std::move(path), epic::FileMode::read);
    std::uint64_t sum = 0;
    while (true) {
      const std::string part = co_await file.read(part_bytes);
      sum += look_at(part);
      if (part.size() < part_bytes) co_return sum;
    }
  }
  epic::Task<void> write(std::string path, std::uint64_t part_bytes, std::uint64_t count) const {
    epic::File file = co_await epic::open(std::move(path), epic::FileMode::write);
    for (std::uint64_t i = 0; i < count; ++i) co_await file.write(make_part(i, part_bytes));
    co_await file.close();
  }
  EPIC_ENTITY(Copyist, methods(read, write), transient)
};

/// Waits as a library call does that blocks its thread.
class Waiter : public epic::Entity {
  static void wait(std::chrono::milliseconds duration) {
    static_cast<void>(::poll(nullptr, 0, static_cast<int>(duration.count())));
  }

 public:
  epic::Task<void> wait_beside(std::chrono::milliseconds duration) const {
    co_await epic::blocking([duration] { wait(duration); });
  }
  epic::Task<void> wait_in_turn(std::chrono::milliseconds duration) const {
    wait(duration);
    co_return;
  }
  EPIC_ENTITY(Waiter, methods(wait_beside, wait_in_turn), transient)
};

/// Counts the parts that it writes, and saves the count: the file is never ahead of it.
class Notary : public epic::Entity {
  std::uint64_t parts_ = 0;

 public:
  epic::Task<void> write(std::string path, std::uint64_t part_bytes, std::uint64_t count) {
    epic::File file = co_await epic::open(std::move(path), epic::FileMode::write);
    for (std::uint64_t i = 0; i < count; ++i) {
      ++parts_;
      co_await file.write(make_part(i, part_bytes));
    }
    co_await file.close();
  }
  EPIC_ENTITY(Notary, state(parts_), methods(write))
};

}  // namespace bench_module
