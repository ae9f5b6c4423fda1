#include "epic/values/expected.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "codec/capnp_text.hpp"
#include "codec/conversion.hpp"
#include "support/sample_types.hpp"
#include "support/values.hpp"

using namespace epic::test;
using epic::reflect::Schema;
using epic::reflect::schema_of;
using epic::reflect::type_of;

namespace expectations {

using Number = std::expected<std::int32_t, std::string>;
using Done = std::expected<void, sample::Color>;
using Twin = std::expected<std::string, std::string>;

}  // namespace expectations

using expectations::Done;
using expectations::Number;
using expectations::Twin;

TEST_CASE("expected: is labelled by what it is, and not by types", "[codec]") {
  CHECK(schema_text<Number>() == "expected<int32, text>");
  CHECK(epic::reflect::type_text(type_of<Number>()) == "expected<int32, text>");
  CHECK(to_json(Number(5)) == R"({"value":5})");
  CHECK(to_json(Number(std::unexpected("too late"))) == R"({"error":"too late"})");
  CHECK(to_json(Twin("x")) == R"({"value":"x"})");
  CHECK(to_json(Twin(std::unexpected("x"))) == R"({"error":"x"})");
  CHECK(to_json(Done()) == R"({"value":{}})");
  CHECK(to_json(Done(std::unexpected(sample::Color::green))) == R"({"error":"green"})");
}

TEST_CASE("expected: values and errors come back", "[codec]") {
  CHECK(there_and_back(Number(5)) == Number(5));
  CHECK(there_and_back(Number(0)) == Number(0));
  CHECK(there_and_back(Number(std::unexpected("no"))) == Number(std::unexpected("no")));
  CHECK(there_and_back(Number(std::unexpected(""))) == Number(std::unexpected("")));
  CHECK(there_and_back(Twin(std::unexpected("x"))) == Twin(std::unexpected("x")));
  CHECK(there_and_back(Twin("x")) == Twin("x"));
  CHECK(there_and_back(Done()) == Done());
  CHECK(there_and_back(Done(std::unexpected(sample::Color::green))) == Done(std::unexpected(sample::Color::green)));
  const std::map<std::string, std::vector<Number>> inside{{"a", {Number(1), std::unexpected("x")}}};
  CHECK(there_and_back(inside) == inside);
  using Nested = std::expected<std::expected<std::int32_t, std::string>, std::int32_t>;
  const Nested nested = Number(std::unexpected("x"));
  CHECK(to_json(nested) == R"({"value":{"error":"x"}})");
  CHECK(there_and_back(nested) == nested);
}

TEST_CASE("expected: what is read replaces what was there", "[codec]") {
  Number value = 5;
  REQUIRE(epic::codec::from_json({{"error", "no"}}, type_of<Number>(), &value));
  CHECK(value == Number(std::unexpected("no")));
  REQUIRE(epic::codec::from_json({{"value", 7}}, type_of<Number>(), &value));
  CHECK(value == Number(7));
  Done done = std::unexpected(sample::Color::green);
  REQUIRE(epic::codec::from_json({{"value", boost::json::object()}}, type_of<Done>(), &done));
  CHECK(done.has_value());
}

TEST_CASE("expected: what is wrong is refused", "[codec]") {
  CHECK_THROWS_WITH(from_json<Number>("5"), R"(: expected one of {"value": …}, {"error": …}, got the number 5)");
  CHECK_THROWS_WITH(from_json<Number>(R"({"eror":"x"})"), Catch::Contains("did you mean 'error'?"));
  CHECK_THROWS_WITH(from_json<Number>(R"({"value":1,"error":"x"})"), Catch::Contains("got an object"));
  CHECK_THROWS_WITH(from_json<std::vector<Number>>(R"([{"value":1},{"value":"x"}])"),
                    Catch::StartsWith("[1]") && Catch::Contains("expected int32"));
}

TEST_CASE("expected: a value stays a value, whatever the types become", "[codec]") {
  using Wide = std::expected<std::int64_t, std::string>;
  CHECK(read_as<Wide>(Number(5)) == Wide(5));
  CHECK(read_as<Wide>(Number(std::unexpected("no"))) == Wide(std::unexpected("no")));
  // By type alone the value would be taken for the error.
  using Before = std::expected<std::int64_t, std::int32_t>;
  using After = std::expected<std::optional<std::int64_t>, std::int64_t>;
  CHECK(read_as<After>(Before(5)) == After(5));
  CHECK(read_as<After>(Before(std::unexpected(5))) == After(std::unexpected(5)));
  const auto conversion = epic::codec::examine(schema_of(type_of<Number>()), type_of<Wide>());
  REQUIRE(conversion.changes.size() == 1);
  CHECK(epic::codec::describe(conversion.changes[0]) == "the value: int32 becomes int64");
  CHECK(conversion.effect() == epic::codec::Effect::converts);
  CHECK_THROWS_WITH(read_as<Number>(Wide(5)), Catch::Contains("was written as int64 and cannot be read as int32"));
}

TEST_CASE("expected: is neither a variant nor its own value", "[codec]") {
  using Variant = std::variant<std::int32_t, std::string>;
  CHECK_THROWS_WITH(read_as<Variant>(Number(5)),
                    ": was written as expected<int32, text> and cannot be read as variant<int32, text>");
  CHECK_THROWS_WITH(read_as<Number>(Variant(5)), Catch::Contains("cannot be read as expected<int32, text>"));
  CHECK_THROWS_WITH(read_as<Number>(std::int32_t{5}), Catch::Contains("cannot be read as expected<int32, text>"));
  const auto conversion = epic::codec::examine(schema_of(type_of<Variant>()), type_of<Number>());
  CHECK(conversion.effect() == epic::codec::Effect::fails);
}

TEST_CASE("expected: types that have its name stay types", "[codec]") {
  for (const char* text : {"expected\nrecord expected { multimap: multimap }\nenum multimap { a = 0 }",
                           "list<expected<expected, multimap<multimap, expected>>>\nrecord expected { }\n"
                           "record multimap { }"}) {
    const auto schema = Schema::parse(text);
    REQUIRE(schema.has_value());
    CHECK(schema->text() == text);
  }
  const auto error = [](const char* text) { return Schema::parse(text).error(); };
  CHECK(error("expected<int32>") == "schema text, line 1, column 1: expected cannot have 1 types inside");
  CHECK(error("multimap<int32>") == "schema text, line 1, column 1: multimap cannot have 1 types inside");
  CHECK(error("expected") == "schema text, line 1, column 1: type 'expected' is used and nowhere defined");
}

TEST_CASE("expected: Cap'n Proto sees a value and an error", "[codec]") {
  CHECK_THAT(
      epic::codec::to_capnp_text(schema_of(type_of<Number>())),
      Catch::Contains("struct ExpectedInt32Text {\n  index @0 :UInt16;\n  value @1 :Int32;\n  error @2 :Text;\n}"));
}
