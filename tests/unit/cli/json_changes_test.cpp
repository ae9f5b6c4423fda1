#include "cli/output/json_changes.hpp"
#include "protocol/json.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

using namespace epic::cli;

namespace {

std::vector<std::string> changes(std::string_view from, std::string_view to) {
  std::vector<std::string> texts;
  for (const JsonChange& change : list_changes(boost::json::parse(from), boost::json::parse(to)))
    texts.push_back(change.path + ": " + (change.from ? epic::protocol::print_json(*change.from) : "(none)") + " -> " +
                    (change.to ? epic::protocol::print_json(*change.to) : "(none)"));
  return texts;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("json changes: equal values have none, whatever the order of their members", "[cli]") {
  CHECK(changes(R"({"a":1,"b":[1,{"c":null}]})", R"({"b":[1,{"c":null}],"a":1})").empty());
  CHECK(changes("1", "1").empty());
}

TEST_CASE("json changes: a change is reported by its path", "[cli]") {
  CHECK(changes(R"({"score":12,"bag":[{"name":"a"},{"name":"b"}]})",
                R"({"score":13,"bag":[{"name":"a"},{"name":"x"}]})") ==
        Texts{"score: 12 -> 13", R"(bag[1].name: "b" -> "x")"});
  CHECK(changes(R"({"a":{"b":1}})", R"({"a":[1]})") == Texts{R"(a: {"b":1} -> [1])"});
  CHECK(changes("1", "\"1\"") == Texts{R"(: 1 -> "1")"});
}

TEST_CASE("json changes: an addition or removal has only one side", "[cli]") {
  CHECK(changes(R"({"a":1,"b":2})", R"({"b":2,"c":3})") == Texts{"a: 1 -> (none)", "c: (none) -> 3"});
  CHECK(changes("[1,2,3]", "[1]") == Texts{"[1]: 2 -> (none)", "[2]: 3 -> (none)"});
  CHECK(changes("[]", "[7]") == Texts{"[0]: (none) -> 7"});
}
