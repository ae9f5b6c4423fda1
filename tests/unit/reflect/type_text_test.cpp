#include "reflect/type_text.hpp"

#include <catch2/catch.hpp>

#include "support/sample_types.hpp"

using namespace epic::reflect;

TEST_CASE("type text: reads as people write types", "[reflect]") {
  CHECK(type_text(type_of<int>()) == "int32");
  CHECK(type_text(type_of<std::map<std::string, int>>()) == "map<text, int32>");
  CHECK(type_text(type_of<std::array<float, 3>>()) == "array<float32, 3>");
  CHECK(type_text(type_of<std::set<sample::Color>>()) == "list<sample::Color>");
  CHECK(type_text(type_of<std::tuple<bool, sample::Name, std::chrono::seconds>>()) == "tuple<bool, ref, duration<s>>");
  CHECK(type_text(type_of<std::variant<std::string, std::optional<double>>>()) == "variant<text, optional<float64>>");
}

TEST_CASE("type text: every kind has a word of its own", "[reflect]") {
  std::set<std::string_view> words;
  for (int kind = 0; kind <= static_cast<int>(Kind::record); ++kind) words.insert(to_string(static_cast<Kind>(kind)));
  CHECK(words.size() == static_cast<std::size_t>(Kind::record) + 1);
}
