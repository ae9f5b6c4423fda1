// Idempotency keys with real processes: through clients and the control socket, over deaths of nodes and restarts.

#include <signal.h>

#include <boost/json/array.hpp>
#include <catch2/catch.hpp>
#include <future>

#include "epic/client.hpp"
#include "integration/modules/ledger.hpp"
#include "integration/modules/probe.hpp"
#include "integration/node/real_fabric.hpp"

using namespace std::chrono_literals;
using epic::Client;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
using ledger::Account;
using probe::Counter;
using probe::Relay;
namespace json = boost::json;

namespace {

/// Until the first turn of this payment is saved: others see it only then.
void wait_until_begun(const Client& client, const epic::Ref<Account>& account, const std::string& id) {
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  while (client.call(account->get_payments())[id].begun == 0)
    if (std::chrono::steady_clock::now() > deadline) FAIL(id << " has not begun");
}

std::string node_of(Supervised& fabric, std::string_view entity) {
  return std::string(fabric.ask("inspect", {{"entity", entity}}).at("node").as_string());
}

}  // namespace

TEST_CASE("answers: a call is repeated by clients and over the control socket, and runs once", "[node][threads]") {
  const ProjectDirectory project;
  std::optional<Supervised> fabric;
  fabric.emplace(project, "unused", real_nodes("probe", 3));
  fabric->wait_for("ready 3 nodes");
  const auto ask = [&](json::array arguments) {
    return fabric->ask(
        "call",
        {{"entity", "Counter/a"}, {"method", "add"}, {"args", std::move(arguments)}, {"idempotency_key", "order-17"}});
  };
  {
    const Client client = Client::connect(project.path().string());
    const epic::Ref<Counter> counter("a");
    for (int i = 0; i < 3; ++i) CHECK(client.call(counter->add(5), {.idempotency_key = "order-17"}) == 5);
    CHECK(Client::connect(project.path().string()).call(counter->add(5), {.idempotency_key = "order-17"}) == 5);
    CHECK(ask({5}).at("result") == 5);
    std::promise<std::int64_t> ended;
    client.async_call(counter->add(5), [&](epic::CallResult<std::int64_t> result) { ended.set_value(result.get()); },
                      {.idempotency_key = "order-17"});
    CHECK(ended.get_future().get() == 5);
    CHECK_THROWS_AS(client.call(counter->add(6), {.idempotency_key = "order-17"}), epic::BadArguments);
    CHECK_THROWS_WITH(client.call(counter->add(5), {.idempotency_key = ""}), Catch::Contains("it is empty"));
    CHECK_THROWS_AS(client.call(client.get<Relay>("r")->echo("x"), {.idempotency_key = "k"}), epic::BadArguments);
    CHECK(client.call(counter->get()) == 5);
  }
  const auto refused = fabric->ask_in_vain(
      "call", {{"entity", "Counter/a"}, {"method", "add"}, {"args", json::array{6}}, {"idempotency_key", "order-17"}});
  CHECK(refused.code == epic::cluster::ControlErrorCode::bad_request);
  CHECK_THAT(refused.message, Catch::Contains("was used before for this method with other arguments"));

  fabric->signal(SIGTERM);
  CHECK(fabric->wait_for_end() == epic::cluster::kExitOk);
  fabric.emplace(project, "unused", real_nodes("probe", 2));
  fabric->wait_for("ready 2 nodes");
  CHECK(ask({5}).at("result") == 5);
  const Client client = Client::connect(project.path().string());
  CHECK(client.call(client.get<Counter>("a")->get()) == 5);
}

TEST_CASE("answers: a node that is killed within a call leaves it Interrupted, and what had not begun runs elsewhere",
          "[node]") {
  const ProjectDirectory project;
  Supervised fabric{project, "unused", real_nodes("ledger", 3)};
  fabric.wait_for("ready 3 nodes");
  fabric.wait_until_level();
  const Client client = Client::connect(project.path().string());
  const epic::Ref<Account> account("a");
  const auto pay = [&] { return client.call(account->pay("p", 20'000), {.idempotency_key = "p"}); };
  auto first = std::async(std::launch::async, pay);
  wait_until_begun(client, account, "p");
  auto joined = std::async(std::launch::async, pay);
  auto by_control = std::async(std::launch::async, [&] {
    return fabric.connect().request(
        "call",
        {{"entity", "Account/a"}, {"method", "pay"}, {"args", json::array{"p", 20'000}}, {"idempotency_key", "p"}});
  });
  static_cast<void>(fabric.ask("kill", {{"node", node_of(fabric, "Account/a")}}));
  CHECK_THROWS_AS(first.get(), epic::Interrupted);
  CHECK_THROWS_AS(joined.get(), epic::Interrupted);
  const auto answer = by_control.get();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().detail.error == "interrupted");
  CHECK_THROWS_AS(pay(), epic::Interrupted);
  const ledger::Payment left = client.call(account->get_payments())["p"];
  CHECK(left.begun == 1);
  CHECK(left.finished == 0);

  // One that waits at another account's node, while that is paused, has not begun when the node is killed.
  const std::string node = node_of(fabric, "Account/a");
  static_cast<void>(fabric.ask("pause", {{"node", node}}));
  auto waiting =
      std::async(std::launch::async, [&] { return client.call(account->pay("q", 0), {.idempotency_key = "q"}); });
  static_cast<void>(fabric.ask("kill", {{"node", node}}));
  CHECK(waiting.get().change > 0);
  const ledger::Payment second = client.call(account->get_payments())["q"];
  CHECK(second.begun == 1);
  CHECK(second.finished == 1);
}
