#include "reflect/schema.hpp"

#include <catch2/catch.hpp>

#include "reflect/hash.hpp"
#include "reflect/schema_of.hpp"
#include "support/sample_types.hpp"

using namespace epic::reflect;

namespace {

struct Team {
  std::string name;
  std::vector<Team> rivals;
  sample::Color color{};
};
BOOST_DESCRIBE_STRUCT(Team, (), (name, rivals, color))

template <class T>
std::string text_of() {
  return schema_of(type_of<T>()).text();
}

}  // namespace

TEST_CASE("schema: a plain type is its word", "[reflect]") {
  CHECK(text_of<std::int32_t>() == "int32");
  CHECK(text_of<long long>() == text_of<long>());
  CHECK(text_of<std::chrono::system_clock::time_point>() == "time");
  CHECK(text_of<std::map<std::string, std::optional<epic::Bytes>>>() == "map<text, optional<bytes>>");
  CHECK(text_of<std::tuple<>>() == "tuple<>");
}

TEST_CASE("schema: a time has its unit, a ref the class that it names", "[reflect]") {
  CHECK(text_of<std::chrono::nanoseconds>() == "duration");
  CHECK(text_of<std::chrono::sys_days>() == "time<d>");
  CHECK(text_of<std::chrono::duration<float, std::ratio<1, 60>>>() == "duration<1/60, float64>");
  CHECK(text_of<std::chrono::duration<std::uint64_t, std::ratio<7>>>() == "duration<7, uint64>");
  CHECK(text_of<std::chrono::duration<std::uint32_t>>() == "duration<s>");
  CHECK(text_of<sample::Name>() == "ref");
  for (const char* text : {"list<duration<1/60, float64>>", "map<ref<Player>, ref>", "tuple<time, time<ms>, time<7>>",
                           "ref<\"odd name\">"})
    CHECK(Schema::parse(text)->text() == text);
  for (const char* bad : {"duration<", "duration<0>", "duration<1/0>", "duration<-1>", "duration<s, int8>", "time<x>",
                          "ref<>", "ref<a, b>", "text<ms>", "duration<99999999999999999999>"})
    CHECK_FALSE(Schema::parse(bad).has_value());
}

TEST_CASE("schema: named types are defined once, in order of mention, and may contain themselves", "[reflect]") {
  CHECK(text_of<std::vector<sample::Node>>() ==
        "list<sample::Node>\n"
        "record sample::Node { label: text, children: list<sample::Node>, named: map<text, sample::Node> }");
  CHECK(text_of<Team>() ==
        "\"(anonymous namespace)::Team\"\n"
        "record \"(anonymous namespace)::Team\" { name: text, rivals: list<\"(anonymous namespace)::Team\">, "
        "color: sample::Color }\n"
        "enum sample::Color { red = 0, green = 5, blue = -3 }");
}

TEST_CASE("schema: text reads back to an equal schema", "[reflect]") {
  const Schema schema = schema_of(type_of<sample::Everything>());
  const auto parsed = Schema::parse(schema.text());
  REQUIRE(parsed.has_value());
  CHECK(parsed->text() == schema.text());
  CHECK(parsed->id() == schema.id());
  CHECK(parsed->root().parts.size() == 38);
  CHECK(parsed->node(parsed->root().parts[12].type).enumerators[1].name == "green");
  CHECK(Schema::parse("list < int32\n>")->text() == "list<int32>");
}

TEST_CASE("schema: the id is xxh64 of the text", "[reflect]") {
  const Schema schema = schema_of(type_of<std::vector<double>>());
  CHECK(schema.id().value == hash64("list<float64>"));
  CHECK(hash64("") == 0xef46db3751d8e999ULL);  // the published value for empty input and seed 0
}

TEST_CASE("schema: two types of one name stay apart", "[reflect]") {
  static const TypeInfo first{.kind = Kind::record, .name = "Twin", .size_bytes = 1};
  static const FieldInfo field{.name = "inner", .type = []() -> const TypeInfo& { return first; }, .get = nullptr};
  static const TypeInfo second{.kind = Kind::record, .name = "Twin", .size_bytes = 1, .fields = {&field, 1}};
  const Schema schema = schema_of(second);
  CHECK(schema.text() == "Twin\nrecord Twin { inner: \"Twin#2\" }\nrecord \"Twin#2\" { }");
  CHECK(Schema::parse(schema.text())->text() == schema.text());
}

TEST_CASE("schema: bad text gets an error with line and column", "[reflect]") {
  const auto error = [](std::string_view text) {
    const auto parsed = Schema::parse(text);
    return parsed ? std::string("no error") : parsed.error();
  };
  CHECK(error("") == "schema text, line 1, column 1: expected a name but found 'the end'");
  CHECK(error("list<int32") == "schema text, line 1, column 11: expected ',' but found 'the end'");
  CHECK(error("Foo") == "schema text, line 1, column 1: type 'Foo' is used and nowhere defined");
  CHECK(error("Foo\nrecord Foo { x int32 }") == "schema text, line 2, column 16: expected ':' but found 'int32'");
  CHECK(error("Foo\nrecord Foo { }\nrecord Foo { }") == "schema text, line 3, column 8: type 'Foo' is defined twice");
  CHECK(error("Foo\nenum Foo { a = 99999999999999999999 }") ==
        "schema text, line 2, column 16: expected a number of 64 bits but found '99999999999999999999'");
  CHECK(error("map<int32>") == "schema text, line 1, column 1: map cannot have 1 types inside");
  CHECK(error("\"Foo") == "schema text, line 1, column 1: the quoted name that begins here has no end");

  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "list<";
  CHECK_THAT(error(deep), Catch::Contains("nested too deep"));
  std::string wide = "tuple<int64";
  for (int i = 0; i < 40'000; ++i) wide += ",int64";
  CHECK_THAT(error(wide + ">"), Catch::Contains("more than 32768 parts"));
  CHECK_THAT(error(std::string(2 << 20, ' ')), Catch::Contains("above the bound"));
}

TEST_CASE("schema: a cache gives the same schema for the same table", "[reflect]") {
  SchemaCache cache;
  const Schema& first = cache.get(type_of<sample::Position>());
  (void)cache.get(type_of<sample::Everything>());
  CHECK(&first == &cache.get(type_of<sample::Position>()));
}
