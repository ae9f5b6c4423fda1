#include "cli/project/stored_name_check.hpp"

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>

#include "cli/project/schema_check.hpp"

using namespace epic::cli;
namespace json = boost::json;

namespace {

json::value described(const std::string& name, const std::string& formerly, const std::string& stored_as) {
  return json::parse(R"({"types": [{"type": ")" + name + R"(", "formerly": [)" + formerly + R"(], "stored_as": ")" +
                     stored_as + R"(", "methods": []}]})");
}

}  // namespace

TEST_CASE("stored names: a renamed class that keeps its oldest name agrees with every version of it", "[cli]") {
  const auto hero = described("Hero", "", "Hero");
  const auto knight = described("Knight", R"("Hero")", "Hero");
  const auto player = described("Player", R"("Knight", "Hero")", "Hero");
  CHECK(find_stored_name_disagreements(hero, knight).empty());
  CHECK(find_stored_name_disagreements(knight, player).empty());
  CHECK(find_stored_name_disagreements(player, hero).empty());
}

TEST_CASE("stored names: removing or adding a former name places entities elsewhere", "[cli]") {
  const auto with = described("Player", R"("Hero")", "Hero");
  const auto without = described("Player", "", "Player");
  const auto removed = find_stored_name_disagreements(with, without);
  REQUIRE(removed.size() == 1);
  CHECK(describe(removed[0]) == "Player was stored as Hero but would now be stored as Player");
  CHECK(find_stored_name_disagreements(without, with).size() == 1);
  CHECK(find_stored_name_disagreements(json::parse(R"({"types": []})"), with).empty());
}

TEST_CASE("stored names: rows under a name that only the previous module used count as unreachable", "[cli]") {
  SchemaCheck check;
  check.rows = {{.type = "Hero", .stored_as = "Hero", .entities = 7, .verdict = "unclaimed"},
                {.type = "Item", .stored_as = "Item", .schema = "1", .entities = 2, .verdict = "reads"}};
  CHECK(check.problems().empty());
  check.add_disagreements({{.type = "Player", .was = "Hero", .is = "Player"}});
  CHECK(check.unreadable() == 7);
  REQUIRE(check.problems().size() == 1);
  CHECK(check.problems()[0].contains("Player was stored as Hero but would now be stored as Player"));
}
