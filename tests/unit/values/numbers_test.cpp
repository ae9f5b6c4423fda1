#include "epic/values/numbers.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <optional>

#include "support/values.hpp"

using namespace epic::test;

TEST_CASE("bytes: one std::byte is a number, and a vector of them is base64", "[codec]") {
  CHECK(schema_text<std::byte>() == "uint8");
  CHECK(to_json(std::byte{200}) == "200");
  CHECK(there_and_back(std::byte{200}) == std::byte{200});
  CHECK(schema_text<std::vector<std::byte>>() == "bytes");
  CHECK(to_json(std::vector{std::byte{'h'}, std::byte{'i'}}) == R"("aGk=")");
  CHECK(read_as<std::uint16_t>(std::byte{200}) == 200);
}

TEST_CASE("bytes: an array of them is a list of numbers", "[codec]") {
  const std::array digest{std::byte{0}, std::byte{255}, std::byte{7}};
  CHECK(schema_text<std::array<std::byte, 3>>() == "list<uint8>");
  CHECK(to_json(digest) == "[0,255,7]");
  CHECK(there_and_back(digest) == digest);
  const std::map<std::byte, std::optional<std::byte>> inside{{std::byte{1}, std::nullopt},
                                                             {std::byte{2}, std::byte{3}}};
  CHECK(there_and_back(inside) == inside);
}

TEST_CASE("bytes: a number that is none is refused", "[codec]") {
  CHECK_THROWS_WITH(from_json<std::byte>("256"),
                    ": expected uint8, got the number 256, which is not a whole number from 0 to 255");
  CHECK_THROWS_WITH(from_json<std::byte>("-1"), Catch::Contains("from 0 to 255"));
  CHECK_THROWS_WITH(from_json<std::byte>(R"("x")"), R"(: expected uint8, got the string "x")");
}
