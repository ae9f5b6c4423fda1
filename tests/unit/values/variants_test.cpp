#include "epic/values/variants.hpp"

#include <catch2/catch.hpp>
#include <optional>

#include "support/values.hpp"

using namespace epic::test;

using Maybe = std::variant<std::monostate, std::int32_t>;

TEST_CASE("monostate: is an alternative without content", "[codec]") {
  CHECK(schema_text<Maybe>() == "variant<std::monostate, int32>\nrecord std::monostate { }");
  CHECK(to_json(Maybe()) == R"({"std::monostate":{}})");
  CHECK(there_and_back(Maybe()) == Maybe());
  CHECK(there_and_back(Maybe(5)) == Maybe(5));
  for (const char* spelling : {R"({"std::monostate":{}})", R"({"monostate":{}})", R"({"0":{}})"})
    CHECK(from_json<Maybe>(spelling) == Maybe());
}

TEST_CASE("monostate: is a value on its own, and nothing fits into it", "[codec]") {
  CHECK(to_json(std::monostate()) == "{}");
  CHECK(there_and_back(std::vector<std::monostate>(3)).size() == 3);
  CHECK(there_and_back(std::optional<std::monostate>(std::monostate())).has_value());
  CHECK_FALSE(there_and_back(std::optional<std::monostate>()).has_value());
  CHECK_THROWS_WITH(from_json<Maybe>(R"({"monostate":7})"),
                    Catch::Contains("expected an object for std::monostate, got the number 7"));
  CHECK_THROWS_WITH(from_json<std::monostate>(R"({"x":1})"), Catch::Contains("std::monostate has no field 'x'"));
  CHECK_THROWS_WITH(from_json<Maybe>("null"),
                    Catch::Contains(R"(expected one of {"std::monostate": …}, {"int32": …})"));
}

TEST_CASE("monostate: may be added to a variant that was saved", "[codec]") {
  using Saved = std::variant<std::int32_t, std::string>;
  using Today = std::variant<std::monostate, std::int32_t, std::string>;
  CHECK(read_as<Today>(Saved(7)) == Today(7));
  CHECK(read_as<Saved>(Today("x")) == Saved("x"));
  CHECK_THROWS_WITH(read_as<Saved>(Today()), Catch::Contains("was written as std::monostate and cannot be read as"));
}
