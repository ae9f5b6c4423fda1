// Three machines with twelve nodes and a database with a synchronous standby, under faults, while clients at every
// machine change accounts and registers.
//
// No acknowledged result may be lost or doubled, no answer may be stale, and every call must end. The longest time is
// reported during which some register could not be used, since the fabric could recover (MachinesVictim::Suffered).
//
// With addresses of their own, the machines are also cut off from each other and from the database.
//
// EPIC_FAULTS sets the number of faults (a few by default), EPIC_SEED selects them; both are printed.

#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "epic/client.hpp"
#include "integration/node/ledger_callers.hpp"
#include "integration/node/machines_victim.hpp"
#include "integration/node/register_callers.hpp"
#include "integration/node/victim.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::CellOperation;
using epic::test::KeyedCallers;
using epic::test::LedgerCallers;
using epic::test::MachinesVictim;
using epic::test::number_from;
using epic::test::RegisterCallers;
using epic::test::without_unseen;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kWholeTimeout = 120s;
constexpr auto kLookEvery = 100ms;
constexpr std::size_t kViolationsShown = 30;

/// How long registers could not be used, by the kind of the fault.
class Recoveries {
 public:
  void add(const std::string& kind, std::chrono::milliseconds time) { times_[kind].push_back(time); }
  void add_of_several(std::chrono::milliseconds time) { of_several_.push_back(time); }
  void print() const {
    std::vector<std::chrono::milliseconds> all;
    for (const auto& [kind, times] : times_) {
      print(kind, times);
      all.insert(all.end(), times.begin(), times.end());
    }
    print("all faults that came alone", all);
    print("several, since the last of them", of_several_);
    all.insert(all.end(), of_several_.begin(), of_several_.end());
    print("all", all);
  }

 private:
  static void print(const std::string& kind, std::vector<std::chrono::milliseconds> times) {
    if (times.empty()) return;
    std::ranges::sort(times);
    const auto part = [&](std::size_t percent) {
      const auto time = times[std::min(times.size() - 1, times.size() * percent / 100)];
      return fmt::format("{:.2f} s ({:.2f} leases)", static_cast<double>(time.count()) / 1e3,
                         static_cast<double>(time.count()) / static_cast<double>(MachinesVictim::kLease.count()));
    };
    std::cout << fmt::format("  {}: {} times, half within {}, 99 % within {}\n", kind, times.size(), part(50),
                             part(99));
  }

  std::map<std::string, std::vector<std::chrono::milliseconds>> times_;
  std::vector<std::chrono::milliseconds> of_several_;
};

/// If not, the test fails, but what clients have seen is still to be judged.
bool becomes_whole(MachinesVictim& victim, const RegisterCallers& registers, const std::string& what) {
  const auto deadline = Clock::now() + kWholeTimeout;
  const auto comes_true = [&](const auto& is_met) {
    while (!is_met()) {
      if (Clock::now() > deadline) return false;
      victim.wait(kLookEvery);
    }
    return true;
  };
  const bool is_whole = comes_true([&] { return victim.is_whole(); });
  const auto since = Clock::now();
  if (is_whole && comes_true([&] { return registers.have_all_succeeded_since(since); })) return true;
  FAIL_CHECK("after '" << what << "' "
                       << (is_whole ? "some register cannot be used" : "the fabric is not whole: " + victim.obstacle())
                       << ". Logs: " << victim.keep_logs().string());
  return false;
}

/// Some faults come before the fabric has recovered from the one before.
void inject(MachinesVictim& victim, const RegisterCallers& registers, std::uint64_t seed, std::uint64_t count) {
  std::mt19937_64 random(seed);
  std::map<std::string, int> counts;
  Recoveries recoveries;
  for (std::uint64_t fault = 0; fault < count; ++fault) {
    const auto begun = Clock::now();
    auto [what, recovers_from] = victim.suffer();
    ++counts[what];
    bool is_alone = true;
    while (random() % 4 == 0 && ++fault < count) {
      victim.wait(std::chrono::milliseconds(random() % 3'000));
      const auto next = victim.suffer();
      ++counts[next.kind];
      what += ", " + next.kind;
      recovers_from = std::max(recovers_from, next.recovers_from);
      is_alone = false;
    }
    if (!becomes_whole(victim, registers, what)) break;
    const auto recovery = registers.longest_gap(recovers_from, Clock::now());
    is_alone ? recoveries.add(what, recovery) : recoveries.add_of_several(recovery);
    std::cout << fmt::format("{}: {} ms without an answer, {} ms since it could recover, whole after {} ms\n", what,
                             registers.longest_gap(begun, Clock::now()).count(), recovery.count(),
                             std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun).count())
              << std::flush;
  }
  for (const auto& [kind, times] : counts) std::cout << fmt::format("  {} x {}\n", times, kind);
  recoveries.print();
}

void check_none(const MachinesVictim& victim, const std::vector<std::string>& violations) {
  if (violations.empty()) return;
  for (std::size_t i = 0; i < std::min(violations.size(), kViolationsShown); ++i) FAIL_CHECK(violations[i]);
  FAIL_CHECK(violations.size() << " violations; logs: " << victim.keep_logs().string());
}

CellOperation operation(CellOperation::Kind kind, std::int64_t argument, std::int64_t called_ns,
                        std::optional<std::int64_t> result) {
  return {.kind = kind, .argument = argument, .called_ns = called_ns, .returned_ns = called_ns + 5, .result = result};
}

using On = MachinesVictim::On;

void survive(MachinesVictim::By by, std::uint64_t count, On on = On::host) {
  const std::uint64_t seed = number_from("EPIC_SEED", std::random_device()());
  std::cout << fmt::format("EPIC_SEED={} EPIC_FAULTS={}\n", seed, count);
  CAPTURE(seed);
  MachinesVictim victim(seed, by, on);
  std::vector<Client> clients;
  for (std::size_t machine = 0; machine < MachinesVictim::kMachines; ++machine)
    clients.push_back(victim.connect(machine));
  RegisterCallers registers(clients, seed, 200ms);
  victim.on_isolated = [&](std::size_t machine, Clock::time_point since) {
    const auto answered = registers.newest_begun_of(machine) - since;
    if (answered >= MachinesVictim::kLease)
      FAIL_CHECK("a machine that was cut off has answered a call that was made "
                 << std::chrono::duration_cast<std::chrono::milliseconds>(answered).count()
                 << " ms later; logs: " << victim.keep_logs().string());
  };
  LedgerCallers accounts(clients, seed, {.pause = 20ms, .may_time_out = true});
  KeyedCallers keyed(clients, seed, {.pause = 20ms});

  inject(victim, registers, seed, count);
  registers.finish();
  accounts.finish();
  keyed.finish();
  std::cout << registers.counts() << "\n"
            << fmt::format("accounts: {} acknowledged, {} of unknown outcome, longest wait {} ms\n",
                           accounts.witness().acknowledged(), accounts.witness().unknown(),
                           accounts.longest_wait().count())
            << keyed.counts() << "\n";
  check_none(victim, registers.judge());
  check_none(victim, accounts.judge());
  check_none(victim, keyed.judge());
}

}  // namespace

TEST_CASE("machines: a write of unknown outcome whose value nobody has seen explains nothing", "[node]") {
  using enum CellOperation::Kind;
  const auto history = without_unseen({operation(swap, 1, 0, std::nullopt), operation(swap, 2, 10, std::nullopt),
                                       operation(read, 0, 20, std::nullopt), operation(swap, 3, 30, 2)});
  REQUIRE(history.size() == 2);
  CHECK(history[0].argument == 2);
  CHECK(history[1].argument == 3);
  CHECK_FALSE(find_contradiction(history));
  CHECK(find_contradiction(without_unseen({operation(swap, 1, 0, std::nullopt), operation(swap, 3, 30, 2)})));
}

TEST_CASE("machines: whatever happens to them and to their database, results last and answers are true",
          "[node][large]") {
  survive(MachinesVictim::By::database, number_from("EPIC_FAULTS", 4));
}

TEST_CASE("machines: whatever happens to them, to their database and to etcd, results last and answers are true",
          "[node][large]") {
  survive(MachinesVictim::By::etcd, number_from("EPIC_FAULTS", 4));
}

TEST_CASE("machines: whatever happens to them, their network and their database, results last and answers are true",
          "[node][large]") {
  const std::string why_not = epic::test::MachineNetwork::why_not();
  if (!why_not.empty()) WARN("skipped: " << why_not);
  if (why_not.empty()) survive(MachinesVictim::By::database, number_from("EPIC_FAULTS", 2), On::network);
}
