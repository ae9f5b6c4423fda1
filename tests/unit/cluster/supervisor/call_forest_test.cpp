#include "cluster/supervisor/call_forest.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace epic::cluster;
namespace json = boost::json;

namespace {

std::vector<json::object> answers(std::string_view text) {
  std::vector<json::object> all;
  for (const auto& one : json::parse(text).as_array()) all.push_back(one.as_object());
  return all;
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
  const json::array rows = join_calls(given, {});
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at("call") == "Match/7.play");
  CHECK(rows[0].at("depth") == 0);
  CHECK(rows[0].at("state") == "waiting for 1 call");
  CHECK(rows[0].at("caller") == "client");
  CHECK(rows[1].at("id") == "1.5.8");
  CHECK(rows[1].at("depth") == 1);
  CHECK(rows[1].at("parent") == "1.5.7");
  CHECK(rows[1].at("node") == "node-2");
  CHECK(rows[1].at("state") == "waiting for the lock of Account/3, held by audit 2.6.1");
  CHECK(rows[1].at("age_ms") == 800);  // as counted by its caller
  CHECK(rows[2].at("call") == "Player/Bob.get");
  CHECK(rows[2].at("depth") == 0);
}

TEST_CASE("call forest: a caller that no node has listed is there by its name", "[supervisor]") {
  const json::array rows = join_calls({kTwoNodes[1]}, {});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at("call") == "Match/7.play");
  CHECK(rows[0].at("entity") == "Match/7");
  CHECK(rows[0].at("node").is_null());
  CHECK(rows[0].at("age_ms").is_null());
  CHECK(rows[1].at("depth") == 1);
}

TEST_CASE("call forest: a filter lets whole traces through", "[supervisor]") {
  CHECK(join_calls(kTwoNodes, {.entity = "Account/3"}).size() == 2);
  CHECK(join_calls(kTwoNodes, {.entity = "Account/4"}).empty());
  CHECK(join_calls(kTwoNodes, {.type_prefix = "Player/"}).size() == 1);
  CHECK(join_calls(kTwoNodes, {.age_ms_min = 500}).size() == 2);
  CHECK(join_calls(kTwoNodes, {.age_ms_min = 1'000}).empty());
}

TEST_CASE("call forest: what makes no sense is passed over", "[supervisor]") {
  CHECK(join_calls(answers(R"([{}, {"calls":7}, {"calls":[3, {}, {"id":5}]}])"), {}).empty());
}
