#include "cluster/placement/connected.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>
#include <vector>

using epic::cluster::ConnectedMachine;
using epic::cluster::find_connected;
using epic::cluster::MachineCut;

namespace {

using Names = std::set<std::string>;

std::vector<ConnectedMachine> machines(const std::vector<std::string>& names) {
  std::vector<ConnectedMachine> all;
  for (const std::string& name : names) all.push_back({.name = name});
  return all;
}

bool is_connected(const Names& names, const std::vector<MachineCut>& cuts) {
  return std::ranges::none_of(cuts, [&](const MachineCut& cut) {
    return cut.first != cut.second && names.contains(cut.first) && names.contains(cut.second);
  });
}

/// By trying all sets.
std::size_t size_of_largest(const std::vector<ConnectedMachine>& all, const std::vector<MachineCut>& cuts) {
  std::size_t largest = 0;
  for (std::size_t set = 0; set < std::size_t{1} << all.size(); ++set) {
    Names names;
    for (std::size_t i = 0; i < all.size(); ++i)
      if ((set >> i & 1U) != 0) names.insert(all[i].name);
    if (is_connected(names, cuts)) largest = std::max(largest, names.size());
  }
  return largest;
}

}  // namespace

TEST_CASE("connected: without cuts all machines stay", "[cluster]") {
  CHECK(find_connected(machines({"oak", "elm", "ash"}), {}) == Names{"ash", "elm", "oak"});
  CHECK(find_connected({}, {}).empty());
}

TEST_CASE("connected: the machine that most cannot reach goes", "[cluster]") {
  const std::vector<MachineCut> cuts{{"elm", "oak"}, {"ash", "elm"}};
  CHECK(find_connected(machines({"oak", "elm", "ash", "fir"}), cuts) == Names{"ash", "fir", "oak"});
}

TEST_CASE("connected: of two halves the larger stays, also without the leader", "[cluster]") {
  auto all = machines({"oak", "elm", "ash"});
  all[0].leads = true;
  const std::vector<MachineCut> cuts{{"oak", "elm"}, {"oak", "ash"}};
  CHECK(find_connected(all, cuts) == Names{"ash", "elm"});
}

TEST_CASE("connected: of equal sets that with the leader stays, then that with more shards, then the first names",
          "[cluster]") {
  auto all = machines({"oak", "elm", "ash"});
  const std::vector<MachineCut> cuts{{"oak", "elm"}};
  CHECK(find_connected(all, cuts) == Names{"ash", "elm"});
  all[0].shards = 7;
  all[1].shards = 6;
  CHECK(find_connected(all, cuts) == Names{"ash", "oak"});
  all[1].leads = true;
  CHECK(find_connected(all, cuts) == Names{"ash", "elm"});
}

TEST_CASE("connected: cuts with machines that are not there, or with itself, do not count", "[cluster]") {
  const std::vector<MachineCut> cuts{{"oak", "gone"}, {"oak", "oak"}};
  CHECK(find_connected(machines({"oak", "elm"}), cuts) == Names{"elm", "oak"});
}

TEST_CASE("connected: whatever is cut, the set is connected and none is larger", "[cluster]") {
  std::mt19937 random(17);
  for (int round = 0; round < 400; ++round) {
    const std::size_t count = 1 + random() % 8;
    std::vector<ConnectedMachine> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({.name = std::string(1, static_cast<char>('a' + i))});
    std::vector<MachineCut> cuts;
    for (std::size_t i = random() % (2 * count); i > 0; --i)
      cuts.emplace_back(all[random() % count].name, all[random() % count].name);
    CAPTURE(round, cuts);
    const Names kept = find_connected(all, cuts);
    CHECK(is_connected(kept, cuts));
    CHECK(kept.size() == size_of_largest(all, cuts));
    std::ranges::shuffle(all, random);
    for (auto& cut : cuts)
      if (random() % 2 == 0) std::swap(cut.first, cut.second);
    std::ranges::shuffle(cuts, random);
    CHECK(find_connected(all, cuts) == kept);
  }
}

TEST_CASE("connected: a hundred machines, each cut from many, still give a connected set", "[cluster]") {
  std::mt19937 random(4);
  std::vector<ConnectedMachine> all;
  for (int i = 0; i < 100; ++i) all.push_back({.name = std::to_string(i)});
  std::vector<MachineCut> cuts;
  for (int i = 0; i < 1500; ++i) cuts.emplace_back(all[random() % 100].name, all[random() % 100].name);
  const Names kept = find_connected(all, cuts);
  CHECK(is_connected(kept, cuts));
  CHECK(kept.size() >= 5);
}
