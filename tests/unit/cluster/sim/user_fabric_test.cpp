#include "cluster/sim/user_fabric.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <optional>

#include "codec/described_json.hpp"
#include "support/temp_dir.hpp"

namespace epic::test {
namespace {

using namespace std::chrono_literals;
using cluster::sim::run_seed;
using cluster::sim::SeedReport;
using epic::sim::Fabric;
using epic::sim::detail::Scenario;

class Wallet : public Entity {
 public:
  Task<std::int64_t> put(std::int64_t amount) {
    balance_ += amount;
    co_return balance_;
  }
  Task<std::int64_t> get_balance() const { co_return balance_; }
  /// Wrong: another call may take the same money while this one waits.
  Task<bool> pay(Ref<Wallet> to, std::int64_t amount) {
    if (balance_ < amount) co_return false;
    co_await to->put(amount);
    balance_ -= amount;
    co_return true;
  }
  Task<> explode() {
    std::abort();
    co_return;
  }
  Task<> wait() { co_await epic::sleep(1h); }

 private:
  std::int64_t balance_ = 0;

 public:
  EPIC_ENTITY(Wallet, methods(put, get_balance, pay, explode, wait), state(balance_))
};

Task<> no_setup(Pool) { co_return; }

const ModuleInfo& wallets() {
  static const EntityInfoFn entities[] = {&Wallet::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

Ref<Wallet> wallet(std::int64_t number) { return Ref<Wallet>(number); }

Scenario scenario_of(Task<> (*body)(Fabric&), epic::sim::ScenarioOptions options = {}) {
  return {"a scenario", options, body, &wallets()};
}

Task<> fill(Fabric& fabric, std::uint16_t client) {
  for (int i = 0; i < 30; ++i) {
    try {
      co_await fabric.call(wallet(static_cast<std::int64_t>(fabric.draw(4)))->put(1), client);
    } catch (const Error&) {  // perhaps done, perhaps not
    }
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(500)));
  }
}

Task<> fill_wallets(Fabric& fabric) {
  std::vector<Task<>> tasks;
  for (std::uint16_t client = 0; client < 2; ++client) tasks.push_back(fill(fabric, client));
  co_await fabric.all(std::move(tasks));
  co_await fabric.settle();
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < 4; ++i) sum += co_await fabric.insist([&] { return wallet(i)->get_balance(); });
  fabric.require(sum > 30 && sum <= 60, "the sum is {}", sum);
}

constexpr std::int64_t kPuts = 40;  // of each client

epic::ClientCallOptions key_of(std::uint16_t client, std::int64_t put) {
  return {.idempotency_key = fmt::format("{}-{}", client, put)};
}

/// Each call until it is answered, and now and then once more.
Task<> put_with_keys(Fabric& fabric, std::uint16_t client) {
  for (std::int64_t i = 0; i < kPuts; ++i) {
    std::optional<std::int64_t> first;
    for (std::uint64_t left = 1 + fabric.draw(3); left > 0;) {
      try {
        const std::int64_t balance = co_await fabric.call(wallet(i % 4)->put(1), client, key_of(client, i));
        fabric.require(wallet(i % 4), !first || *first == balance, "put {} was answered with {}, and then with {}", i,
                       first.value_or(0), balance);
        first = balance;
        --left;
        continue;
      } catch (const Unavailable&) {
      } catch (const Timeout&) {
      }
      co_await fabric.sleep(20ms);
    }
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(300)));
  }
}

Task<> put_everything_once(Fabric& fabric) {
  std::vector<Task<>> tasks;
  for (std::uint16_t client = 0; client < 2; ++client) tasks.push_back(put_with_keys(fabric, client));
  co_await fabric.all(std::move(tasks));
  co_await fabric.settle();
  for (std::int64_t i = 0; i < kPuts; ++i) co_await fabric.insist([&] { return wallet(i % 4)->put(1); }, key_of(1, i));
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < 4; ++i) sum += co_await fabric.insist([&] { return wallet(i)->get_balance(); });
  fabric.require(sum == 2 * kPuts, "the sum is {}", sum);
}

Task<> use_no_key(Fabric& fabric) { co_await fabric.call(wallet(0)->put(1), 0, {.idempotency_key = ""}); }

Task<> pay(Fabric& fabric, std::uint16_t client) {
  for (int i = 0; i < 3; ++i) {
    try {
      co_await fabric.call(wallet(0)->pay(wallet(1), 5), client);
    } catch (const Error&) {
    }
  }
}

Task<> overdraw(Fabric& fabric) {
  for (int round = 0; round < 8; ++round) {
    co_await fabric.insist([] { return wallet(0)->put(5); });
    std::vector<Task<>> tasks;
    for (std::uint16_t client = 0; client < 2; ++client) tasks.push_back(pay(fabric, client));
    co_await fabric.all(std::move(tasks));
  }
  const std::int64_t balance = co_await fabric.insist([] { return wallet(0)->get_balance(); });
  fabric.require(wallet(0), balance >= 0, "the balance is {}", balance);
}

Task<> explode(Fabric& fabric) {
  co_await fabric.sleep(5s);
  co_await fabric.call(wallet(0)->explode());
}

Task<> wait_for_ever(Fabric& fabric) {
  while (true) {
    try {
      co_await fabric.call(wallet(7)->wait());
    } catch (const Error&) {
    }
  }
}

Task<> count_calls(Fabric& fabric) {
  int calls = 0;
  fabric.invariant([&] { fabric.require(++calls < 3, "{} calls", calls); });
  while (true) co_await fabric.insist([] { return wallet(0)->put(1); });
}

Task<> rest(Fabric& fabric) { co_await fabric.sleep(300ms); }

Task<> throw_something(Fabric& fabric) {
  co_await fabric.sleep(1s);
  throw std::invalid_argument("no such wallet");
}

/// What `epic simulate` gets.
std::vector<SeedReport> simulate(const Scenario& scenario, const std::string& order) {
  const TempDir dir;
  const auto file = dir.path() / "report";
  ::setenv("EPIC_SIMULATE", order.c_str(), 1);
  ::setenv("EPIC_SIMULATE_REPORT", file.c_str(), 1);
  CHECK(epic::sim::detail::run_scenario(scenario) == "");
  ::unsetenv("EPIC_SIMULATE");
  ::unsetenv("EPIC_SIMULATE_REPORT");
  std::vector<SeedReport> reports;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    reports.push_back(codec::read_described_text<SeedReport>(line).value());
  return reports;
}

TEST_CASE("user fabric: calls with idempotency keys take effect once, whatever fails and however often they are made") {
  const auto reports = simulate(scenario_of(&put_everything_once, {.fault_every = 500ms}), R"({"first":1,"seeds":4})");
  CAPTURE(reports.back().failure);  // after which it ends
  REQUIRE(reports.size() == 4);
  for (const SeedReport& report : reports) {
    INFO(report.seed << ": " << report.failure);
    CHECK(report.failure.empty());
    CHECK(report.faults.size() > 5);
    CHECK(report.calls > 3 * kPuts);
  }
  const auto refused = simulate(scenario_of(&use_no_key), R"({"first":1,"seeds":1})");
  REQUIRE(refused.size() == 1);
  CHECK_THAT(refused[0].failure, Catch::Contains("its idempotency key cannot be used: it is empty"));
}

TEST_CASE("user fabric: a scenario survives faults, and a seed decides everything") {
  const Scenario scenario = scenario_of(&fill_wallets, {.fault_every = 500ms});
  const auto once = simulate(scenario, R"({"first":1,"seeds":4,"jobs":2})");
  const auto again = simulate(scenario, R"({"first":1,"seeds":4,"jobs":1})");
  REQUIRE(once.size() == 4);
  REQUIRE(again.size() == 4);
  for (const SeedReport& report : once) {
    INFO(report.seed << ": " << report.failure);
    CHECK(report.failure.empty());
    CHECK(report.faults.size() > 5);
    CHECK(report.calls >= 64);
    CHECK(report.simulated_ms > 5'000);
    const auto same = std::ranges::find(again, report.seed, &SeedReport::seed);
    REQUIRE(same != again.end());
    CHECK(same->digest == report.digest);
  }
  CHECK(once[0].digest != once[1].digest);
}

TEST_CASE("user fabric: without faults nothing fails, and a part of the faults is the same part") {
  const Scenario scenario = scenario_of(&fill_wallets, {.fault_every = 500ms});
  const auto none = simulate(scenario, R"({"first":3,"seeds":1,"faults":[]})");
  REQUIRE(none.size() == 1);
  CHECK(none[0].faults.empty());
  const auto all = simulate(scenario, R"({"first":3,"seeds":1})");
  const auto some = simulate(scenario, R"({"first":3,"seeds":1,"faults":[2,4]})");
  REQUIRE(some[0].faults.size() == 2);
  REQUIRE(all[0].faults.size() > 4);
  CHECK(some[0].faults[0].number == 2);
  CHECK(some[0].faults[0].at_ms == all[0].faults[2].at_ms);
  CHECK(some[0].faults[1].number == 4);
  CHECK(some[0].faults[1].at_ms == all[0].faults[4].at_ms);
}

TEST_CASE("user fabric: a bug of the user's is found, with the history of the entity") {
  const auto reports = simulate(scenario_of(&overdraw), R"({"first":1,"seeds":50,"jobs":2})");
  const auto failed = std::ranges::find_if(reports, [](const SeedReport& report) { return !report.failure.empty(); });
  REQUIRE(failed != reports.end());
  CHECK(failed->failure.starts_with("the balance is -"));
  CHECK(failed->where.contains("user_fabric_test.cpp:"));
  CHECK(failed->entity == "Wallet/0");
  CHECK(reports.size() < 50);
  REQUIRE_FALSE(failed->history.empty());
  CHECK(std::ranges::any_of(failed->history, [](const std::string& line) {
    return line.contains(R"(client 1: Wallet/0.pay("Wallet/1",5) = true after)");
  }));
  CHECK(std::ranges::none_of(failed->history, [](const std::string& line) { return line.contains(": Wallet/1."); }));
  CHECK(std::ranges::any_of(failed->history, [](const std::string& line) {
    return line.contains(" activated") && line.starts_with("event: node-");
  }));
}

TEST_CASE("user fabric: a seed runs in this process for a debugger, and its report may go nowhere") {
  ::setenv("EPIC_SIMULATE", R"({"first":1,"seeds":1,"in_process":true})", 1);
  ::setenv("EPIC_SIMULATE_REPORT", "/dev/null", 1);
  CHECK(epic::sim::detail::run_scenario(scenario_of(&rest)) == "");
  ::unsetenv("EPIC_SIMULATE");
  ::unsetenv("EPIC_SIMULATE_REPORT");
}

TEST_CASE("user fabric: a process that dies is a failure with the faults so far") {
  const auto reports = simulate(scenario_of(&explode, {.fault_every = 500ms}), R"({"first":1,"seeds":1})");
  REQUIRE(reports.size() == 1);
  CHECK(reports[0].failure == "the process was killed by SIGABRT (Aborted)");
  CHECK(reports[0].faults.size() > 2);
  CHECK(reports[0].digest.empty());
}

TEST_CASE("user fabric: a run may end while nodes are being moved") {
  epic::sim::Faults moves = epic::sim::Faults::none();
  moves.moves = 1;
  const auto reports = simulate(scenario_of(&rest, {.fault_every = 20ms, .faults = moves}), R"({"first":1,"seeds":5})");
  CHECK(reports.size() == 5);
  for (const SeedReport& report : reports) CHECK(report.failure.empty());
}

TEST_CASE("user fabric: what never ends, an invariant and an exception are failures") {
  const auto endless =
      run_seed(scenario_of(&wait_for_ever, {.time_limit = 2min}), {.seed = 1, .faults = {}, .on_fault = {}});
  CHECK(endless.failure.starts_with(
      "the scenario did not end within its time limit; it waits for client 0: Wallet/7.wait()"));
  CHECK(endless.simulated_ms >= 119'000);
  const auto broken = run_seed(scenario_of(&count_calls), {.seed = 1, .faults = {}, .on_fault = {}});
  CHECK(broken.failure == "3 calls");
  const auto thrown = run_seed(scenario_of(&throw_something), {.seed = 1, .faults = {}, .on_fault = {}});
  CHECK(thrown.failure == "the scenario ended with an exception: no such wallet");
}

TEST_CASE("user fabric: in a test program a few seeds run") {
  CHECK(epic::sim::detail::run_scenario(scenario_of(&fill_wallets)) == "");
  const std::string failure = epic::sim::detail::run_scenario(scenario_of(&overdraw));
  CHECK(failure.starts_with("the balance is -"));
  CHECK(failure.contains("more with: epic simulate \"a scenario\" --seed "));
}

}  // namespace
}  // namespace epic::test
