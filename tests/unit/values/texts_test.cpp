#include "epic/values/texts.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "support/values.hpp"

using namespace epic::test;
using std::filesystem::path;

TEST_CASE("paths: are texts, and a text that was saved is read as a path", "[codec]") {
  CHECK(schema_text<std::vector<path>>() == "list<text>");
  CHECK(to_json(path("maps/north.txt")) == R"("maps/north.txt")");
  CHECK(from_json<path>(R"("a/b")") == path("a/b"));
  CHECK(read_as<path>(std::string("a/b")) == path("a/b"));
  CHECK(read_as<std::string>(path("a/b")) == "a/b");
}

TEST_CASE("paths: keep their spelling", "[codec]") {
  for (const char* spelling : {"", "/", "a//b/../c/", "./x", "caf\u00e9", "\xff\xfe/\x01", "a\nb"})
    CHECK(there_and_back(path(spelling)).native() == spelling);
  const std::string with_zero("a\0b", 3);
  CHECK(there_and_back(path(with_zero)).native() == with_zero);
}

TEST_CASE("paths: one that is not UTF-8 is base64 in JSON, as a value and as a key", "[codec]") {
  CHECK(to_json(path("\xff")) == R"({"base64":"/w=="})");
  CHECK(to_json(std::map<path, int>{{"a", 1}}) == R"({"a":1})");
  const std::map<path, int> by_path{{"a", 1}, {"\xff", 2}};
  CHECK(to_json(by_path) == R"([["a",1],[{"base64":"/w=="},2]])");
  CHECK(there_and_back(by_path) == by_path);
}

TEST_CASE("paths: what is not one is refused with its place", "[codec]") {
  CHECK_THROWS_WITH(from_json<path>("7"), ": expected text, got the number 7");
  CHECK_THROWS_WITH(from_json<std::vector<path>>(R"(["a",null])"), "[1]: expected text, got null");
  // Two spellings of one path are one element of a set.
  CHECK_THROWS_WITH(from_json<std::set<path>>(R"(["a/b","a//b"])"),
                    Catch::Contains("some of its 2 elements are there twice"));
}
