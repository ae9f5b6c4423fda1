#pragma once
// rules: what happens in a step. Pure functions of the world as it was: no clock, no chance, and nothing of epic.
//
// Agents wander over a meadow that has no edges: who leaves it on one side comes back on the other. An agent in a cell
// with enough grass stays and eats; another one moves on. It starves, or divides when it is strong.
//
// Chance is a hash of the seed, the agent and the step, and the agents of a cell eat in the order of their ids. So the
// world becomes the same one whatever part of it is computed where, and in whatever order. Keep it so: the whole
// synchronisation relies on it that a step computed again is the same step.

#include <array>
#include <boost/describe/class.hpp>
#include <cstdint>
#include <string>
#include <vector>

struct Agent {
  std::uint64_t id = 0;
  std::int32_t x = 0;  // cells, in the world
  std::int32_t y = 0;
  std::int32_t energy = 0;

  friend bool operator==(const Agent&, const Agent&) = default;
};
BOOST_DESCRIBE_STRUCT(Agent, (), (id, x, y, energy))

/// How a world begins.
struct Plan {
  std::string world = "main";
  std::uint64_t seed = 1;
  std::int32_t regions = 4;   // along each side of the world: 2 … 64
  std::int32_t side = 32;     // cells along each side of a region: 1 … 256
  std::int32_t density = 25;  // of 100 cells, how many have an agent at first

  [[nodiscard]] std::int32_t cells() const { return regions * side; }
  friend bool operator==(const Plan&, const Plan&) = default;
};
BOOST_DESCRIBE_STRUCT(Plan, (), (world, seed, regions, side, density))

/// A square of the world.
struct Square {
  std::int32_t x = 0;  // its first cell
  std::int32_t y = 0;
  std::int32_t side = 0;
};

struct Field {
  std::vector<std::uint8_t> grass;  // of each cell, row by row
  std::vector<Agent> agents;        // by id
};
BOOST_DESCRIBE_STRUCT(Field, (), (grass, agents))

/// What sums up a field. Sums of fields are those of the whole, in any order.
struct Tally {
  std::int64_t step = 0;
  std::int64_t agents = 0;
  std::int64_t energy = 0;
  std::int64_t grass = 0;
  std::uint64_t digest = 0;  // of every cell and agent: equal ones mean equal worlds
};
BOOST_DESCRIBE_STRUCT(Tally, (), (step, agents, energy, grass, digest))

/// Those who have left a field, by direction: east, south, west, north.
using Leavers = std::array<std::vector<Agent>, 4>;

namespace rules {

Field make_field(const Plan& plan, const Square& square);
/// The first half of a step: agents move; those who leave the square are taken out.
Leavers move(const Plan& plan, const Square& square, std::int64_t step, Field& field);
/// The second half: `arrivals` come in, all eat, divide and starve, and grass grows.
void live(const Plan& plan, const Square& square, std::int64_t step, const std::vector<Agent>& arrivals, Field& field);

[[nodiscard]] Tally count(const Plan& plan, const Square& square, const Field& field);
[[nodiscard]] Tally add(Tally sum, const Tally& part);

}  // namespace rules
