// `epic simulate` with a mistake that users make: a transfer that pays before it books.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "templates/project.hpp"

using Catch::Matchers::Contains;
using Catch::Matchers::Equals;
using epic::templates_test::Project;

namespace {

constexpr std::string_view kAccount = R"(#pragma once
#include <epic/epic.hpp>
class Account : public epic::Entity {
  std::int64_t balance = 100;
 public:
  epic::Task<void> deposit(std::int64_t amount) { balance += amount; co_return; }
  epic::Task<void> transfer(epic::Ref<Account> to, std::int64_t amount) {
    co_await to->deposit(amount);
    balance -= amount;  // never reached if this node dies meanwhile
  }
  epic::Task<std::int64_t> get_balance() const { co_return balance; }
  EPIC_ENTITY(Account, state(balance), methods(deposit, transfer, get_balance))
};
)";

constexpr std::string_view kScenario = R"(#include <catch2/catch.hpp>
#include <chrono>
#include <epic/sim.hpp>
#include "account.hpp"
using epic::sim::Fabric;
static epic::Task<> move_money(Fabric& fabric, std::uint16_t client) {
  for (int i = 0; i < 30; ++i) {
    const auto from = fabric.draw(5);
    const auto to = (from + 1 + fabric.draw(4)) % 5;
    try {
      co_await fabric.call(fabric.get<Account>(from)->transfer(fabric.get<Account>(to), 1), client);
    } catch (const epic::Error&) {
    }
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(300)));
  }
}
EPIC_SCENARIO("bank: no money is made or lost", {.nodes = 3, .fault_every = std::chrono::milliseconds(500)}) {
  std::vector<epic::Task<>> clients;
  for (std::uint16_t client = 0; client < 2; ++client) clients.push_back(move_money(fabric, client));
  co_await fabric.all(std::move(clients));
  co_await fabric.settle();
  std::int64_t sum = 0;
  for (int number = 0; number < 5; ++number)
    sum += co_await fabric.insist([&] { return fabric.get<Account>(number)->get_balance(); });
  fabric.require(sum == 500, "the sum is {}, not 500", sum);
}
)";

boost::json::object seed_of(const std::string& row) { return boost::json::parse(row).at("seed").as_object(); }

}  // namespace

TEST_CASE("simulate: a transfer that pays before it books is found, shrunk and replayed", "[templates]") {
  const Project project("simulated_bank", {"--bare"});
  project.write("src/account.hpp", kAccount);
  project.write("src/module.cpp", "#include \"account.hpp\"\nEPIC_MODULE(epic::no_setup, Account)\n");
  project.write("tests/bank_scenario.cpp", kScenario);
  project.must_run("epic", {"build", "--debug"});

  const auto found = project.run("epic", {"simulate", "bank", "--seeds", "200", "--shrink", "-o", "jsonl"});
  INFO(found.out << found.err);
  REQUIRE(found.exit_code == 1);
  const auto shrunk = seed_of(found.out);
  CHECK_THAT(shrunk.at("failure").as_string().c_str(), Contains("the sum is "));
  CHECK_THAT(shrunk.at("where").as_string().c_str(), Equals("tests/bank_scenario.cpp:25"));
  const auto& faults = shrunk.at("faults").as_array();
  CHECK(faults.size() >= 1);
  CHECK(faults.size() <= 5);

  std::string numbers;
  for (const auto& fault : faults)
    numbers += (numbers.empty() ? "" : ",") + std::to_string(fault.at("number").as_int64());
  const auto seed = std::to_string(shrunk.at("seed").as_int64());
  const auto again = project.run("epic", {"simulate", "bank", "--seed", seed, "--faults", numbers, "-o", "jsonl"});
  CHECK(again.exit_code == 1);
  CHECK(seed_of(again.out) == shrunk);

  const auto printed = project.run("epic", {"simulate", "bank", "--seed", seed, "--faults", numbers}).out;
  CHECK_THAT(printed, Contains("History") &&
                          Contains("epic simulate 'bank: no money is made or lost' --seed " + seed + " --faults "));
}
