#include "reflect/try.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <string>

namespace {

std::expected<int, std::string> half(int number) {
  if (number % 2 != 0) return std::unexpected(std::to_string(number) + " is odd");
  return number / 2;
}

std::expected<int, std::string> quarter(int number) { return EPIC_TRY(half(EPIC_TRY(half(number)))); }

std::expected<void, std::string> check(int number) {
  static_cast<void>(EPIC_TRY(half(number)));
  return {};
}

std::expected<std::unique_ptr<int>, std::string> moved(int number) {
  EPIC_TRY(check(number));
  auto held = EPIC_TRY((std::expected<std::unique_ptr<int>, std::string>(std::make_unique<int>(number))));
  return held;
}

}  // namespace

TEST_CASE("try: gives the value, or the function returns the error", "[reflect]") {
  CHECK(quarter(12) == 3);
  CHECK(quarter(6).error() == "3 is odd");
  CHECK(check(2).has_value());
  CHECK(check(3).error() == "3 is odd");
}

TEST_CASE("try: a value that cannot be copied is moved out", "[reflect]") {
  CHECK(**moved(4) == 4);
  CHECK(moved(5).error() == "5 is odd");
}
