#include "epic/values/bitset.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <vector>

#include "codec/conversion.hpp"
#include "support/values.hpp"

using namespace epic::test;

TEST_CASE("bitset: is a list of bools, from bit 0", "[codec]") {
  CHECK(schema_text<std::bitset<3>>() == "list<bool>");
  CHECK(epic::reflect::type_text(epic::reflect::type_of<std::bitset<3>>()) == "array<bool, 3>");
  CHECK(to_json(std::bitset<3>("001")) == "[true,false,false]");
  CHECK(from_json<std::bitset<3>>("[true,false,false]").to_ulong() == 1);
}

TEST_CASE("bitset: one of any size comes back, in a bit for each", "[codec]") {
  std::bitset<1'000> large;
  for (std::size_t i = 0; i < large.size(); i += 7) large.set(i);
  CHECK(there_and_back(large) == large);
  CHECK(to_bytes(large).size() < 1'000 / 8 + 64);
  CHECK(there_and_back(std::bitset<1>(1)) == std::bitset<1>(1));
  CHECK(there_and_back(std::bitset<64>()).none());
  CHECK(there_and_back(~std::bitset<65>()).all());
}

TEST_CASE("bitset: may become wider, and other lists of bools", "[codec]") {
  const std::bitset<3> saved("101");
  CHECK(read_as<std::bitset<5>>(saved) == std::bitset<5>("00101"));
  CHECK(read_as<std::vector<bool>>(saved) == std::vector{true, false, true});
  CHECK(read_as<std::array<bool, 3>>(saved) == std::array{true, false, true});
  CHECK(read_as<std::bitset<3>>(std::vector{true, false, true}) == saved);
  CHECK_THROWS_WITH(read_as<std::bitset<2>>(saved), ": there are 3 elements, and array<bool, 2> has room for 2");
  const auto conversion = epic::codec::examine(epic::reflect::schema_of(epic::reflect::type_of<std::bitset<3>>()),
                                               epic::reflect::type_of<std::bitset<2>>());
  CHECK(conversion.depends_on_values);
}

TEST_CASE("bitset: JSON has a bool for each bit", "[codec]") {
  CHECK_THROWS_WITH(from_json<std::bitset<3>>("[true]"), ": expected 3 elements for array<bool, 3>, got 1");
  CHECK_THROWS_WITH(from_json<std::bitset<3>>(R"("101")"), Catch::Contains("expected a list for array<bool, 3>"));
  CHECK_THROWS_WITH(from_json<std::bitset<2>>("[true,1]"), "[1]: expected true or false, got the number 1");
}
