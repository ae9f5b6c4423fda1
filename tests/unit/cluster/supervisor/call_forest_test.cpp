#include "cluster/supervisor/call_forest.hpp"

#include <catch2/catch.hpp>

#include "codec/described_json.hpp"

using namespace epic::cluster;
namespace control = epic::protocol::control;

namespace {

std::vector<control::Calls::NodeAnswer> answers(std::string_view text) {
  return epic::codec::read_described_text<std::vector<control::Calls::NodeAnswer>>(text).value();
}

/// A client calls Match/7.play on node-1, which waits for Account/3.pay on node-2; plus a younger call.
const auto kTwoNodes = answers(R"([
  {"node":"node-1","calls":[
    {"id":"1.5.9","node":"node-1","entity":"Player/Bob","method":"get","caller":"client","state":"queued","age_ms":3,
     "sent_to":null,"waiting":[{"id":"0.77.0","call":"client"}]},
    {"id":"1.5.7","node":"node-1","entity":"Match/7","method":"play","caller":"client","state":"running","age_ms":900,
     "sent_to":null,"waiting":[{"id":"0.77.0","call":"client"}]},
    {"id":"1.5.8","node":"node-1","entity":"Account/3","method":"pay","caller":"client > Match/7.play",
     "state":"sent to node-2","age_ms":800,"sent_to":"node-2",
     "waiting":[{"id":"0.77.0","call":"client"},{"id":"1.5.7","call":"Match/7.play"}]}]},
  {"node":"node-2","calls":[
    {"id":"1.5.8","node":"node-2","entity":"Account/3","method":"pay","caller":"client > Match/7.play",
     "state":"waiting for the lock of Account/3, held by audit 2.6.1","age_ms":790,"sent_to":null,
     "waiting":[{"id":"0.77.0","call":"client"},{"id":"1.5.7","call":"Match/7.play"}]}]}])");

}  // namespace

TEST_CASE("call forest: a call of two nodes is one row below its caller, the oldest trace first", "[supervisor]") {
  auto given = kTwoNodes;
  const bool is_reversed = GENERATE(false, true);  // answers come in any order
  if (is_reversed) std::ranges::reverse(given);
  const auto rows = join_calls(given, {});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].call == "Match/7.play");
  CHECK(rows[0].depth == 0);
  CHECK(rows[0].state == "waiting for 1 call");
  CHECK(rows[0].caller == "client");
  CHECK(rows[1].id == "1.5.8");
  CHECK(rows[1].depth == 1);
  CHECK(rows[1].parent == "1.5.7");
  CHECK(rows[1].node == "node-2");
  CHECK(rows[1].state == "waiting for the lock of Account/3, held by audit 2.6.1");
  CHECK(rows[1].age_ms == 800);  // as counted by its caller
  CHECK(rows[2].call == "Player/Bob.get");
  CHECK(rows[2].depth == 0);
}

TEST_CASE("call forest: a caller that no node has listed is there by its name", "[supervisor]") {
  const auto rows = join_calls({kTwoNodes[1]}, {});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].call == "Match/7.play");
  CHECK(rows[0].entity == "Match/7");
  CHECK(rows[0].node == std::nullopt);
  CHECK(rows[0].age_ms == std::nullopt);
  CHECK(rows[1].depth == 1);
}

TEST_CASE("call forest: a filter lets whole traces through", "[supervisor]") {
  CHECK(join_calls(kTwoNodes, {.entity = "Account/3"}).size() == 2);
  CHECK(join_calls(kTwoNodes, {.entity = "Account/4"}).empty());
  CHECK(join_calls(kTwoNodes, {.type_prefix = "Player/"}).size() == 1);
  CHECK(join_calls(kTwoNodes, {.age_ms_min = 500}).size() == 2);
  CHECK(join_calls(kTwoNodes, {.age_ms_min = 1'000}).empty());
}

TEST_CASE("call forest: a call without an id is left out", "[supervisor]") {
  CHECK(join_calls(answers(R"([{}, {"calls":[]}, {"calls":[{}, {"id":""}]}])"), {}).empty());
}
