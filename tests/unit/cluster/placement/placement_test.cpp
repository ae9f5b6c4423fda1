#include "cluster/placement/placement.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>

#include "support/frames.hpp"

using namespace epic::cluster;
using epic::kernel::NodeId;

namespace {

std::vector<NodeId> nodes(std::initializer_list<int> ids) {
  std::vector<NodeId> out;
  for (const int id : ids) out.push_back(NodeId{static_cast<std::uint16_t>(id)});
  return out;
}

std::map<NodeId, std::size_t> count(const std::vector<NodeId>& owners) {
  std::map<NodeId, std::size_t> counts;
  for (const NodeId owner : owners) ++counts[owner];
  return counts;
}

std::size_t count_moves(const std::vector<NodeId>& from, const std::vector<NodeId>& to) {
  std::size_t moves = 0;
  for (std::size_t i = 0; i < from.size(); ++i) moves += from[i] != to[i];
  return moves;
}

/// The smallest number of shards that any balanced placement must move.
std::size_t fewest_moves(const std::vector<NodeId>& members, const std::vector<NodeId>& current) {
  auto counts = count(current);
  std::vector<std::size_t> owned;
  for (const NodeId member : members) owned.push_back(counts[member]);
  std::sort(owned.rbegin(), owned.rend());
  std::size_t kept = 0;
  for (std::size_t i = 0; i < owned.size(); ++i)
    kept += std::min(owned[i], current.size() / owned.size() + (i < current.size() % owned.size() ? 1 : 0));
  return current.size() - kept;
}

}  // namespace

TEST_CASE("placement: a fresh fabric of four nodes has sixteen shards on each", "[cluster]") {
  const auto owners = place(nodes({1, 2, 3, 4}), std::vector<NodeId>(64));
  for (const auto& [node, shards] : count(owners)) CHECK(shards == 16);
  CHECK(owners[0] != owners[1]);
}

TEST_CASE("placement: a crash moves the dead node's shards, and nothing else", "[cluster]") {
  const auto before = place(nodes({1, 2, 3, 4}), std::vector<NodeId>(64));
  for (const auto& after :
       {place(nodes({1, 2, 4}), before), place_ownerless(nodes({1, 2, 4}), nodes({1, 2, 4}), before)}) {
    CHECK(count_moves(before, after) == 16);
    for (const auto& [node, shards] : count(after)) CHECK(shards <= 22);
  }
}

TEST_CASE("placement: a node that returns gets its share, taken from all others", "[cluster]") {
  const auto before = place(nodes({1, 2, 4}), std::vector<NodeId>(64));
  const auto after = place(nodes({1, 2, 3, 4}), before);
  CHECK(count_moves(before, after) == 16);
  CHECK(count(after)[NodeId{3}] == 16);
}

TEST_CASE("placement: shards without an owner do not move those that have one", "[cluster]") {
  const auto current = nodes({1, 1, 1, 1, 0, 9});
  CHECK(place_ownerless(nodes({1, 2}), nodes({1, 2}), current) == nodes({1, 1, 1, 1, 2, 2}));
}

TEST_CASE("placement: without members, no shard has an owner", "[cluster]") {
  CHECK(place({}, nodes({1, 2})) == nodes({0, 0}));
  CHECK(place_ownerless({}, {}, nodes({1, 2})) == nodes({0, 0}));
  CHECK(place(nodes({1}), {}).empty());
}

TEST_CASE("placement: over many changes it stays balanced, moves as little as possible, and ignores order",
          "[cluster]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int fabric = 0; fabric < 60; ++fabric) {
    const std::size_t shard_count = 1 + random() % 300;
    std::vector<NodeId> owners(shard_count);
    for (int change = 0; change < 25; ++change) {
      std::vector<NodeId> members;
      for (std::uint16_t id = 1; id <= 12; ++id)
        if (random() % 2) members.push_back(NodeId{id});
      if (members.empty()) continue;

      const auto next = place(members, owners);
      const double mean = static_cast<double>(shard_count) / static_cast<double>(members.size());
      for (const auto& [node, shards] : count(next)) {
        CHECK(std::ranges::count(members, node) == 1);
        CHECK(static_cast<double>(shards) <= std::max(1.15 * mean, std::ceil(mean)));
      }
      CHECK(count_moves(owners, next) == fewest_moves(members, owners));
      CHECK(place(members, next) == next);

      std::ranges::shuffle(members, random);
      CHECK(place(members, owners) == next);
      owners = next;
    }
  }
}
