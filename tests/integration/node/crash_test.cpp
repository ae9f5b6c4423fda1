// Clients of a ledger record what they were acknowledged, while everything below them is killed, paused, drained,
// scaled and restarted, and while another client makes calls that go wrong in every way. Others repeat calls with
// idempotency keys.
//
// EPIC_FAULTS sets the number of faults (a few by default, fewer with a sanitizer), EPIC_SEED selects them; both are
// printed.

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include "epic/client.hpp"
#include "integration/modules/trouble.hpp"
#include "integration/node/victim.hpp"
#include "support/sanitizers.hpp"
#include "support/witness.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::number_from;
using epic::test::PostgresServer;
using epic::test::ProjectDirectory;
using epic::test::Victim;
using epic::test::Witness;
using ledger::Account;
using ledger::Teller;

namespace {

constexpr std::size_t kAccounts = 1'000;
constexpr std::size_t kCallers = 8;
constexpr std::uint64_t kCallsBetweenFaults = 100;
constexpr auto kTimeout = 60s;

/// Threads that keep changing and reading random accounts, and record the acknowledged answers.
class Callers {
 public:
  Callers(const Client& client, std::uint64_t seed) {
    for (std::uint64_t i = 0; i < kCallers; ++i)
      threads_.emplace_back([this, client, seed, i](const std::stop_token& stop) { run(client, seed + i, stop); });
  }
  void finish() { threads_.clear(); }

  [[nodiscard]] const Witness& witness() const { return witness_; }
  /// The time that a call took until it was answered or failed.
  [[nodiscard]] std::chrono::milliseconds longest_wait() const { return std::chrono::milliseconds(longest_wait_ms_); }

 private:
  void run(const Client& client, std::uint64_t seed, const std::stop_token& stop) {
    std::mt19937_64 random(seed);
    while (!stop.stop_requested()) {
      const std::size_t account = random() % kAccounts;
      const std::int64_t known = witness_.known_changes(account);
      const auto ref = client.get<Account>(static_cast<std::int64_t>(account));
      const std::uint64_t what = random() % 6;
      const auto begun = std::chrono::steady_clock::now();
      try {
        if (what < 3)
          witness_.on_added(account, client.call(ref->add()));
        else if (what < 5)
          witness_.on_transferred(account,
                                  client.call(move_money(ref, client.get<Account>(any_account(random)), random)));
        else
          witness_.on_shown(
              account, client.call(client.get<Teller>(static_cast<std::int64_t>(random() % kCallers))->look_at(ref)),
              known);
      } catch (const epic::Unavailable&) {  // did not start
      } catch (const epic::NodeLost&) {     // the node of the call, or of a transfer's delivery: it may have run
        if (what < 3) witness_.on_unknown(account);
      } catch (const std::exception& error) {  // a call fails only where a node dies
        witness_.on_violation(fmt::format("a call of Account/{} failed: {}", account, error.what()));
      }
      note_wait(std::chrono::steady_clock::now() - begun);
    }
  }

  static std::int64_t any_account(std::mt19937_64& random) { return static_cast<std::int64_t>(random() % kAccounts); }
  static epic::Call<ledger::Stamp> move_money(const epic::Ref<Account>& from, const epic::Ref<Account>& to,
                                              std::mt19937_64& random) {
    return random() % 2 == 0 ? from->transfer(to, 1) : from->send(to, 1);
  }
  void note_wait(std::chrono::nanoseconds wait) {
    const std::int64_t wait_ms = std::chrono::duration_cast<std::chrono::milliseconds>(wait).count();
    std::int64_t longest = longest_wait_ms_;
    while (wait_ms > longest && !longest_wait_ms_.compare_exchange_weak(longest, wait_ms)) {
    }
  }

  Witness witness_{kAccounts};
  std::atomic<std::int64_t> longest_wait_ms_{0};
  std::vector<std::jthread> threads_;
};

/// Threads that make calls with idempotency keys, and make them again: their effects and answers are to be those of one
/// call.
class KeyedCallers {
 public:
  KeyedCallers(const Client& client, std::uint64_t seed) : client_(client) {
    for (std::uint64_t i = 0; i < kKeyedCallers; ++i)
      threads_.emplace_back([this, seed, i](const std::stop_token& stop) { run(seed + i, i, stop); });
  }
  void finish() { threads_.clear(); }

  [[nodiscard]] std::string counts() const {
    return fmt::format("{} keys, {} calls with them, {} interrupted", keys_.size(), calls_.load(), interrupted_.load());
  }
  /// Repeats every call once more, in peace, and looks at what they have done. What is wrong.
  [[nodiscard]] std::vector<std::string> judge() {
    for (Key& key : keys_) {
      const auto deadline = std::chrono::steady_clock::now() + kTimeout;
      while (!call(key) && std::chrono::steady_clock::now() < deadline) {
      }
    }
    std::map<std::size_t, std::map<std::string, ledger::Payment>> payments;
    for (const Key& key : keys_) {
      auto& of_account = payments[key.account];
      if (of_account.empty()) of_account = look(key.account);
      const ledger::Payment done = of_account[key.name];
      const bool is_right = done.begun == 1 && (key.is_interrupted ? done.finished <= 1 : done.finished == 1);
      if (!is_right || (!key.answer && !key.is_interrupted))
        note(fmt::format("{} on Account/{} began {} times and ended {} times{}", key.name, key.account, done.begun,
                         done.finished, key.is_interrupted ? ", and was interrupted" : ""));
    }
    return violations_;
  }

 private:
  static constexpr std::uint64_t kKeyedCallers = 4;
  static constexpr std::int64_t kWaitMs = 5;  // of every fourth, between its turns
  struct Key {
    std::string name;
    std::size_t account = 0;
    std::int64_t wait_ms = 0;
    std::optional<ledger::Stamp> answer = {};
    bool is_interrupted = false;
  };

  void run(std::uint64_t seed, std::uint64_t number, const std::stop_token& stop) {
    std::mt19937_64 random(seed);
    std::vector<Key> mine;
    while (!stop.stop_requested()) {
      const bool is_repeat = !mine.empty() && random() % 2 == 0;
      if (!is_repeat)
        mine.push_back({.name = fmt::format("pay-{}-{}", number, mine.size()),
                        .account = random() % kAccounts,
                        .wait_ms = random() % 4 == 0 ? kWaitMs : 0});
      static_cast<void>(call(is_repeat ? mine[random() % mine.size()] : mine.back()));
    }
    const std::lock_guard lock(mutex_);
    keys_.insert(keys_.end(), mine.begin(), mine.end());
  }

  /// False: the outcome is still unknown.
  bool call(Key& key) {
    ++calls_;
    try {
      const auto account = client_.get<Account>(static_cast<std::int64_t>(key.account));
      const ledger::Stamp answer = client_.call(account->pay(key.name, key.wait_ms), {.idempotency_key = key.name});
      if (key.is_interrupted) note(key.name + " was interrupted, and answered later");
      if (key.answer && (key.answer->activation != answer.activation || key.answer->change != answer.change))
        note(fmt::format("{} was answered with change {}, and then with {}", key.name, key.answer->change,
                         answer.change));
      key.answer = answer;
      return true;
    } catch (const epic::Interrupted&) {
      if (key.answer) note(key.name + " was answered, and interrupted later");
      if (!std::exchange(key.is_interrupted, true)) ++interrupted_;
      return true;
    } catch (const epic::Unavailable&) {  // did not start
    } catch (const epic::Timeout&) {      // its node was lost, and no other answered in time
    } catch (const std::exception& error) {
      note(fmt::format("{} failed: {}", key.name, error.what()));
    }
    return false;
  }

  std::map<std::string, ledger::Payment> look(std::size_t account) {
    const auto deadline = std::chrono::steady_clock::now() + kTimeout;
    while (true) {
      try {
        return client_.call(client_.get<Account>(static_cast<std::int64_t>(account))->get_payments());
      } catch (const epic::Error&) {
        if (std::chrono::steady_clock::now() > deadline) throw;
      }
    }
  }
  void note(std::string violation) {
    const std::lock_guard lock(mutex_);
    violations_.push_back(std::move(violation));
  }

  Client client_;
  std::mutex mutex_;
  std::vector<Key> keys_;
  std::vector<std::string> violations_;
  std::atomic<std::uint64_t> calls_ = 0;
  std::atomic<std::uint64_t> interrupted_ = 0;
  std::vector<std::jthread> threads_;
};

/// A client whose calls go wrong, each in its turn: that must remain their own affair.
class Troublemaker {
 public:
  Troublemaker(const Client& client, std::uint64_t seed)
      : thread_([this, client, seed](const std::stop_token& stop) { run(client, seed, stop); }) {}
  void finish() { thread_ = {}; }

  [[nodiscard]] std::string counts() const {
    return fmt::format("{} poisonings, {} chains, {} huge exceptions, {} huge results, {} crowds", counts_[0],
                       counts_[1], counts_[2], counts_[3], counts_[4]);
  }
  /// Calls that ended as they cannot end.
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  static constexpr std::int64_t kChain = 300;  // longer than allowed
  static constexpr std::uint64_t kHugeBytes = 30u << 20;
  static constexpr int kCrowd = epic::test::kIsSanitized ? 4'000 : 20'000;
  static constexpr auto kPause = 100ms;

  void run(const Client& client, std::uint64_t seed, const std::stop_token& stop) {
    std::mt19937_64 random(seed);
    while (!stop.stop_requested()) {
      const std::uint64_t what = random() % counts_.size();
      const std::uint64_t key = random() % 20;
      switch (what) {
        case 0:
          fails("a call that kills its node", [&] { client.call(client.get<trouble::Poison>(key)->drink()); });
          break;
        case 1:
          pull_chain(client);
          break;
        case 2:
          fails("a huge exception", [&] { client.call(client.get<trouble::Bulk>(key)->fail(kHugeBytes)); });
          break;
        case 3:
          fails("a huge result", [&] { client.call(client.get<trouble::Bulk>(key)->give(kHugeBytes)); });
          break;
        default:
          crowd(client, key);
      }
      ++counts_.at(what);
      ::poll(nullptr, 0, static_cast<int>(std::chrono::milliseconds(kPause).count()));
    }
  }

  /// Too long for a message between nodes; but a node that is the last of its fabric needs none.
  void pull_chain(const Client& client) {
    fails("a chain that was pulled by halves", [&] {
      if (client.call(client.get<trouble::Link>(kChain)->pull(kChain)) == kChain)
        throw std::length_error("no limit met");
    });
  }

  void fails(std::string_view what, const std::function<void()>& call) {
    try {
      call();
      violations_.push_back(fmt::format("{} succeeded", what));
    } catch (const epic::Timeout& error) {
      violations_.push_back(fmt::format("{} came to its deadline: {}", what, error.what()));
    } catch (const std::exception&) {
    }
  }

  /// Thousands wait at once for one entity; all get an answer.
  static void crowd(const Client& client, std::uint64_t key) {
    std::atomic<int> left = kCrowd;
    const auto turnstile = client.get<trouble::Turnstile>(key);
    for (int i = 0; i < kCrowd; ++i)
      client.async_call(turnstile->pass(), [&left](const epic::CallResult<std::int64_t>&) {
        if (--left == 0) left.notify_one();
      });
    for (int now = left; now > 0; now = left) left.wait(now);
  }

  std::array<std::uint64_t, 5> counts_{};
  std::vector<std::string> violations_;
  std::jthread thread_;
};

/// Empties the outboxes, waits until every message has arrived, then reads all books. The last fault may not be over
/// yet, so calls may have to be repeated.
std::vector<ledger::Books> settle(const Client& client) {
  const auto insist = [&](auto make_call) {
    const auto deadline = std::chrono::steady_clock::now() + kTimeout;
    while (true) {
      try {
        return client.call(make_call());
      } catch (const epic::Error&) {
        if (std::chrono::steady_clock::now() > deadline) throw;
      }
    }
  };
  std::vector<ledger::Books> books;
  for (std::size_t i = 0; i < kAccounts; ++i)
    insist([&] { return client.get<Account>(static_cast<std::int64_t>(i))->settle(); });
  const auto deadline = std::chrono::steady_clock::now() + kTimeout;
  do {
    books.clear();
    for (std::size_t i = 0; i < kAccounts; ++i)
      books.push_back(insist([&] { return client.get<Account>(static_cast<std::int64_t>(i))->get_books(); }));
  } while (!Witness::is_settled(books) && std::chrono::steady_clock::now() < deadline);
  return books;
}

struct Faults {
  std::uint64_t seed = number_from("EPIC_SEED", std::random_device()());
  std::uint64_t count = number_from("EPIC_FAULTS", epic::test::kIsSanitized ? 5 : 12);
};

/// Injects them while callers record what they are acknowledged, and judges that.
void survive(const ProjectDirectory& project, Victim& victim, const Faults& faults) {
  std::cout << fmt::format("EPIC_SEED={} EPIC_FAULTS={}\n", faults.seed, faults.count);
  CAPTURE(faults.seed);
  const Client client = Client::connect(project.path().string(), {.call_timeout = 20s});
  const Client other = Client::connect(project.path().string(), {.call_timeout = 20s});
  Callers callers(client, faults.seed);
  KeyedCallers keyed(client, faults.seed);
  Troublemaker troublemaker(other, faults.seed);
  for (std::uint64_t fault = 0; fault < faults.count; ++fault) {
    const std::string what = victim.suffer();
    const std::uint64_t before = callers.witness().acknowledged();
    const auto deadline = std::chrono::steady_clock::now() + kTimeout;
    while (callers.witness().acknowledged() < before + kCallsBetweenFaults) {
      if (std::chrono::steady_clock::now() > deadline) FAIL("after '" << what << "' no calls are answered");
      ::poll(nullptr, 0, 1);
    }
  }
  troublemaker.finish();
  callers.finish();
  keyed.finish();
  std::cout << fmt::format("{} faults, {} acknowledged, {} unknown, longest wait {} ms\n", faults.count,
                           callers.witness().acknowledged(), callers.witness().unknown(),
                           callers.longest_wait().count());
  std::cout << troublemaker.counts() << "\n" << keyed.counts() << "\n";
  for (const std::string& violation : troublemaker.violations()) FAIL_CHECK(violation);
  for (const std::string& violation : callers.witness().judge(settle(client))) FAIL_CHECK(violation);
  for (const std::string& violation : keyed.judge()) FAIL_CHECK(violation);
}

}  // namespace

TEST_CASE("crash: acknowledged changes are there, whatever happens to nodes and supervisors",
          "[node][threads][memory]") {
  const Faults faults;
  const ProjectDirectory project;
  Victim victim(project, faults.seed);
  survive(project, victim, faults);
}

TEST_CASE("crash: with a database, whatever happens to that, to nodes and supervisors", "[node]") {
  const Faults faults;
  PostgresServer server;
  const ProjectDirectory project;
  Victim victim(project, faults.seed, server);
  survive(project, victim, faults);
}
