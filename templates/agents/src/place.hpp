#pragma once
// Place: where a region is, and what it is called: Region/main/3-5 is region (3, 5) of World/main.

#include <fmt/core.h>

#include <boost/describe/class.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "rules.hpp"

struct Place {
  std::int32_t x = 0;  // regions, in the world
  std::int32_t y = 0;
};
BOOST_DESCRIBE_STRUCT(Place, (), (x, y))

inline Square square_of(const Plan& plan, const Place& place) {
  return {.x = place.x * plan.side, .y = place.y * plan.side, .side = plan.side};
}

inline std::string key_of(const Plan& plan, const Place& place) {
  return fmt::format("{}/{}-{}", plan.world, place.x, place.y);
}

/// Of all regions, row by row.
inline std::vector<Place> places_of(const Plan& plan) {
  std::vector<Place> places;
  for (std::int32_t y = 0; y < plan.regions; ++y)
    for (std::int32_t x = 0; x < plan.regions; ++x) places.push_back({.x = x, .y = y});
  return places;
}
