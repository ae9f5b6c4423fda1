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
#include "integration/node/ledger_callers.hpp"
#include "integration/node/victim.hpp"
#include "support/sanitizers.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::KeyedCallers;
using epic::test::LedgerCallers;
using epic::test::number_from;
using epic::test::PostgresServer;
using epic::test::ProjectDirectory;
using epic::test::Victim;

namespace {

constexpr std::uint64_t kCallsBetweenFaults = 100;
constexpr auto kTimeout = 60s;

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
  LedgerCallers callers({client}, faults.seed);
  KeyedCallers keyed({client}, faults.seed);
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
  for (const std::string& violation : callers.judge()) FAIL_CHECK(violation);
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
