#include "rules.hpp"

#include <algorithm>
#include <cstddef>

namespace {

constexpr std::uint8_t kGrassMax = 12;
constexpr std::uint8_t kBite = 4;
constexpr std::int32_t kStepCosts = 2;
constexpr std::int32_t kStrong = 40;

// The finaliser of SplitMix64: every bit of the result depends on every bit of the numbers.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

template <class... Numbers>
std::uint64_t hash(Numbers... numbers) {
  std::uint64_t hash = 0;
  ((hash = mix(hash ^ static_cast<std::uint64_t>(numbers))), ...);
  return hash;
}

std::size_t cell_of(const Square& square, const Agent& agent) {
  return static_cast<std::size_t>(agent.y - square.y) * square.side + (agent.x - square.x);
}

}  // namespace

namespace rules {

Field make_field(const Plan& plan, const Square& square) {
  Field field;
  for (std::int32_t y = square.y; y < square.y + square.side; ++y)
    for (std::int32_t x = square.x; x < square.x + square.side; ++x) {
      const std::uint64_t chance = hash(plan.seed, x, y);
      field.grass.push_back(chance % (kGrassMax + 1));
      const std::uint64_t id = 1 + static_cast<std::uint64_t>(y) * plan.cells() + x;
      if (static_cast<std::int32_t>((chance >> 32) % 100) < plan.density)
        field.agents.push_back({.id = id, .x = x, .y = y, .energy = kStrong / 2});
    }
  return field;
}

Leavers move(const Plan& plan, const Square& square, std::int64_t step, Field& field) {
  static constexpr std::array<std::array<std::int32_t, 2>, 4> kWays = {{{1, 0}, {0, 1}, {-1, 0}, {0, -1}}};
  Leavers leavers;
  std::vector<Agent> stayed;
  stayed.reserve(field.agents.size());
  for (Agent& agent : field.agents) {
    if (field.grass[cell_of(square, agent)] >= kBite) {
      stayed.push_back(agent);
      continue;
    }
    const std::size_t way = hash(plan.seed, agent.id, step) % kWays.size();
    agent.x += kWays[way][0];
    agent.y += kWays[way][1];
    const bool is_inside = agent.x >= square.x && agent.x < square.x + square.side && agent.y >= square.y &&
                           agent.y < square.y + square.side;
    agent.x = (agent.x + plan.cells()) % plan.cells();
    agent.y = (agent.y + plan.cells()) % plan.cells();
    (is_inside ? stayed : leavers[way]).push_back(agent);
  }
  field.agents = std::move(stayed);
  return leavers;
}

void live(const Plan& plan, const Square& square, std::int64_t step, const std::vector<Agent>& arrivals, Field& field) {
  std::vector<Agent> all = std::move(field.agents);
  all.insert(all.end(), arrivals.begin(), arrivals.end());
  std::ranges::sort(all, {}, &Agent::id);

  std::vector<Agent> alive;
  alive.reserve(all.size());
  for (Agent& agent : all) {
    std::uint8_t& grass = field.grass[cell_of(square, agent)];
    const std::uint8_t bite = std::min(grass, kBite);
    grass -= bite;
    agent.energy += bite - kStepCosts;
    if (agent.energy <= 0) continue;
    if (agent.energy >= kStrong) {
      agent.energy /= 2;
      Agent child = agent;
      child.id = hash(plan.seed, agent.id, step, 1);
      alive.push_back(child);
    }
    alive.push_back(agent);
  }
  std::ranges::sort(alive, {}, &Agent::id);
  field.agents = std::move(alive);
  for (std::uint8_t& grass : field.grass) grass = std::min<std::uint8_t>(grass + 1, kGrassMax);
}

Tally count(const Plan& plan, const Square& square, const Field& field) {
  Tally tally{.agents = std::ssize(field.agents)};
  for (const Agent& agent : field.agents) {
    tally.energy += agent.energy;
    tally.digest += hash(agent.id, agent.x, agent.y, agent.energy);
  }
  for (std::size_t i = 0; i < field.grass.size(); ++i) {
    const std::uint64_t x = square.x + i % square.side;
    const std::uint64_t y = square.y + i / square.side;
    tally.grass += field.grass[i];
    tally.digest += hash(plan.seed, x, y, field.grass[i]);
  }
  return tally;
}

Tally add(Tally sum, const Tally& part) {
  sum.agents += part.agents;
  sum.energy += part.energy;
  sum.grass += part.grass;
  sum.digest += part.digest;
  return sum;
}

}  // namespace rules
