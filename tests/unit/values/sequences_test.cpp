#include "epic/values/sequences.hpp"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>

#include "codec/conversion.hpp"
#include "support/sample_types.hpp"
#include "support/values.hpp"

using namespace epic::test;
using epic::reflect::schema_of;
using epic::reflect::type_of;

TEST_CASE("sets: with duplicates keep them, in order", "[codec]") {
  const std::multiset<std::int32_t> set{3, 1, 3, 2, 1};
  CHECK(schema_text<std::multiset<std::int32_t>>() == "list<int32>");
  CHECK(to_json(set) == "[1,1,2,3,3]");
  CHECK(there_and_back(set) == set);
  CHECK(from_json<std::multiset<std::int32_t>>("[3,1,3]") == std::multiset<std::int32_t>{1, 3, 3});
}

TEST_CASE("sets: unordered ones of equal content give equal bytes", "[codec]") {
  std::unordered_multiset<std::string> forwards;
  std::unordered_multiset<std::string> backwards(1024);
  for (int i = 0; i < 100; ++i) {
    forwards.insert(std::to_string(i % 10));
    backwards.insert(std::to_string((99 - i) % 10));
  }
  REQUIRE(forwards == backwards);
  CHECK(to_bytes(forwards) == to_bytes(backwards));
  CHECK(there_and_back(forwards) == forwards);
  const std::unordered_set<std::int64_t> unique{7, -7, 0};
  CHECK(to_json(unique) == "[-7,0,7]");
}

TEST_CASE("sets: duplicates are kept or refused, as the set is", "[codec]") {
  using Unique = std::set<std::int32_t>;
  using Repeated = std::multiset<std::int32_t>;
  CHECK(read_as<Repeated>(Unique{1, 2}) == Repeated{1, 2});
  CHECK(read_as<Unique>(Repeated{1, 2}) == Unique{1, 2});
  CHECK_THROWS_WITH(read_as<Unique>(Repeated{1, 1}), Catch::Contains("are there twice"));
  CHECK_THROWS_WITH(from_json<Unique>("[1,1]"),
                    Catch::Contains("some of its 2 elements are there twice, and each may be there once"));
  CHECK_THROWS_WITH(from_json<std::unordered_set<std::string>>(R"(["a","b","a"])"), Catch::Contains("there twice"));
  CHECK(epic::codec::examine(schema_of(type_of<Repeated>()), type_of<Unique>()).depends_on_values);
  CHECK_FALSE(epic::codec::examine(schema_of(type_of<Unique>()), type_of<Repeated>()).depends_on_values);
}

TEST_CASE("arrays: of everything come back", "[codec]") {
  const auto keeps = [](const auto& array) { return there_and_back(array) == array; };
  CHECK(keeps(std::array{true, false}));
  CHECK(keeps(std::array<std::array<double, 2>, 2>{{{0.1, -0.0}, {1e300, 5e-324}}}));
  CHECK(keeps(std::array<std::string, 2>{"a", ""}));
  CHECK(keeps(std::array<epic::Bytes, 2>{{{std::byte{1}}, {}}}));
  CHECK(keeps(std::array<std::filesystem::path, 2>{"a//b", "\xff"}));
  CHECK(keeps(std::array<std::optional<std::int32_t>, 2>{std::nullopt, 3}));
  CHECK(keeps(std::array<std::variant<std::monostate, std::string>, 2>{std::monostate(), "x"}));
  CHECK(keeps(std::array<std::expected<void, std::string>, 2>{std::unexpected("x"), {}}));
  CHECK(keeps(std::array<std::multimap<std::int32_t, bool>, 2>{{{{1, true}, {1, false}}, {}}}));
  CHECK(keeps(std::array<std::multiset<std::string>, 1>{{{"a", "a"}}}));
  CHECK(keeps(std::array<std::bitset<3>, 2>{5, 2}));
  CHECK(keeps(std::array<std::chrono::year_month_day, 2>{}));
  CHECK(keeps(std::array<std::chrono::sys_days, 1>{std::chrono::sys_days(std::chrono::days(3))}));
  CHECK(keeps(std::array<sample::Color, 2>{sample::Color::blue, static_cast<sample::Color>(77)}));
  CHECK(keeps(std::array<sample::Name, 2>{sample::Name("A/1"), sample::Name()}));
  CHECK(keeps(std::array<std::tuple<std::int32_t, std::string>, 1>{{{1, "x"}}}));
  CHECK(keeps(std::array<sample::Node, 1>{{{.label = "x", .children = {{}}, .named = {}}}}));
}

TEST_CASE("arrays: may become longer, and shorter only if there are fewer elements", "[codec]") {
  using Three = std::array<std::int32_t, 3>;
  CHECK(read_as<std::array<std::int64_t, 5>>(Three{1, 2, 3}) == std::array<std::int64_t, 5>{1, 2, 3, 0, 0});
  CHECK(read_as<std::vector<std::int32_t>>(Three{1, 2, 3}) == std::vector{1, 2, 3});
  CHECK(read_as<Three>(std::vector{1}) == Three{1, 0, 0});
  CHECK_THROWS_WITH((read_as<std::array<std::int32_t, 2>>(Three{1, 2, 3})),
                    ": there are 3 elements, and array<int32, 2> has room for 2");
  CHECK_THROWS_WITH(from_json<Three>("[1,2]"), ": expected 3 elements for array<int32, 3>, got 2");
  CHECK(epic::codec::examine(schema_of(type_of<Three>()), type_of<std::array<std::int32_t, 2>>()).depends_on_values);
}
