#pragma once
// Place: where a region or a block is, and what it is called. Region/main/3-5 is region (3, 5) of World/main. A block
// of level 1 covers two by two regions, one of level 2 two by two of those, and so on: Block/main/2/0-1.

#include <fmt/core.h>

#include <array>
#include <boost/describe/class.hpp>
#include <cstdint>
#include <string>

#include "rules.hpp"

struct Place {
  std::int32_t level = 0;  // 0: a region
  std::int32_t x = 0;      // of 2^(levels - level) along each side
  std::int32_t y = 0;

  /// The four places of the level below that make it up.
  [[nodiscard]] std::array<Place, 4> quarters() const {
    return {{{level - 1, 2 * x, 2 * y},
             {level - 1, 2 * x + 1, 2 * y},
             {level - 1, 2 * x, 2 * y + 1},
             {level - 1, 2 * x + 1, 2 * y + 1}}};
  }
};
BOOST_DESCRIBE_STRUCT(Place, (), (level, x, y))

inline Square square_of(const Plan& plan, const Place& place) {
  const std::int32_t side = plan.side << place.level;
  return {.x = place.x * side, .y = place.y * side, .side = side};
}

inline std::string region_key(const Plan& plan, std::int32_t x, std::int32_t y) {
  return fmt::format("{}/{}-{}", plan.world, x, y);
}

inline std::string block_key(const Plan& plan, const Place& place) {
  return fmt::format("{}/{}/{}-{}", plan.world, place.level, place.x, place.y);
}
