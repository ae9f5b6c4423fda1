#include "epic/values/maps.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <string>

#include "codec/conversion.hpp"
#include "support/values.hpp"

using namespace epic::test;

namespace multimaps {

using Scores = std::multimap<std::string, std::int32_t>;

struct IgnoreCase {
  bool operator()(const std::string& left, const std::string& right) const {
    return std::ranges::lexicographical_compare(left, right,
                                                [](char a, char b) { return std::tolower(a) < std::tolower(b); });
  }
};

}  // namespace multimaps

using multimaps::Scores;

TEST_CASE("multimaps: are lists of pairs, whatever their keys are", "[codec]") {
  const Scores scores{{"b", 1}, {"a", 3}, {"b", 0}};
  CHECK(schema_text<Scores>() == "multimap<text, int32>");
  CHECK(epic::reflect::type_text(epic::reflect::type_of<Scores>()) == "multimap<text, int32>");
  CHECK(to_json(scores) == R"([["a",3],["b",1],["b",0]])");
  CHECK(to_json(Scores()) == "[]");
  CHECK(there_and_back(scores) == scores);
  CHECK(there_and_back(Scores()).empty());
  CHECK(from_json<Scores>(R"({"a":3})") == Scores{{"a", 3}});
}

TEST_CASE("multimaps: the values of a key keep their order", "[codec]") {
  CHECK(to_json(from_json<Scores>(R"([["b",5],["a",1],["b",4],["a",2],["b",5]])")) ==
        R"([["a",1],["a",2],["b",5],["b",4],["b",5]])");
  // Keys that are equal to the map, and not the same.
  const std::multimap<std::string, std::int32_t, multimaps::IgnoreCase> loose{{"x", 1}, {"X", 2}, {"x", 3}};
  CHECK(to_json(there_and_back(loose)) == R"([["x",1],["X",2],["x",3]])");
}

TEST_CASE("multimaps: unordered ones of equal content give equal bytes", "[codec]") {
  using Scattered = std::unordered_multimap<std::string, std::int32_t>;
  Scattered forwards;
  Scattered backwards(1024);
  for (int i = 0; i < 100; ++i) {
    forwards.emplace(std::to_string(i % 10), i);
    backwards.emplace(std::to_string((99 - i) % 10), 99 - i);
  }
  REQUIRE(forwards == backwards);
  CHECK(to_bytes(forwards) == to_bytes(backwards));
  CHECK(to_json(forwards) == to_json(backwards));
  CHECK(there_and_back(forwards) == forwards);
  CHECK(schema_text<Scattered>() == "multimap<text, int32>");
}

TEST_CASE("multimaps: a map becomes one, and one becomes a map if no key is there twice", "[codec]") {
  using Map = std::map<std::string, std::int32_t>;
  CHECK(read_as<Scores>(Map{{"a", 1}}) == Scores{{"a", 1}});
  CHECK(read_as<Map>(Scores{{"a", 1}, {"b", 1}}) == Map{{"a", 1}, {"b", 1}});
  CHECK_THROWS_WITH(read_as<Map>(Scores{{"a", 1}, {"a", 2}}), ": 1 of its 2 keys are there twice");
  CHECK_THROWS_WITH(from_json<Map>(R"([["a",1],["a",2]])"), Catch::Contains("some of its 2 keys are there twice"));
  CHECK_THROWS_WITH(from_json<Scores>(R"([["a",1],["a","x"]])"), Catch::StartsWith("[1]"));

  using epic::reflect::schema_of;
  using epic::reflect::type_of;
  const auto narrower = epic::codec::examine(schema_of(type_of<Scores>()), type_of<Map>());
  CHECK(narrower.changes.empty());
  CHECK(narrower.depends_on_values);
  CHECK_FALSE(epic::codec::examine(schema_of(type_of<Map>()), type_of<Scores>()).depends_on_values);
}

TEST_CASE("maps: unordered ones are written in one order", "[codec]") {
  std::unordered_map<std::int64_t, std::string> map(512);
  for (const std::int64_t key : {5, -1, 3, 0}) map.emplace(key, "x");
  CHECK(to_json(map) == R"([[-1,"x"],[0,"x"],[3,"x"],[5,"x"]])");
  CHECK(there_and_back(map) == map);
}
