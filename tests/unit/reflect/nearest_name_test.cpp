#include "reflect/nearest_name.hpp"

#include <catch2/catch.hpp>

#include <array>

using namespace epic::reflect;

TEST_CASE("nearest name: found when near, and none otherwise", "[reflect]") {
  constexpr std::array<std::string_view, 4> kNames = {"get_score", "enter_level", "on_hit", "x"};
  CHECK(find_nearest("get_scroe", kNames) == "get_score");
  CHECK(find_nearest("Get_Score", kNames) == "get_score");
  CHECK(find_nearest("onhit", kNames) == "on_hit");
  CHECK_FALSE(find_nearest("banana", kNames));
  CHECK_FALSE(find_nearest("y", kNames));
  CHECK_FALSE(find_nearest("", kNames));
  CHECK_FALSE(find_nearest(std::string(1000, 'x'), kNames));
}
