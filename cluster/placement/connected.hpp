#pragma once
// Connected: which machines stay in the fabric when some of them cannot reach each other, as a pure function.
//
// Machines are vertices, and two that reach each other, in both directions, are joined by an edge. The machines that
// stay are the largest set in which every two are joined. Finding it is hard in general, but cuts are few: machines
// without a cut stay in any case, and the others are searched for the smallest part to leave out. If that takes more
// than kConnectedStepsMax, the set is fully connected, but a larger one may exist.
//
// Not here: who has noticed the cuts, and since when (supervisor/partitions.hpp).

#include <cstddef>
#include <set>
#include <span>
#include <string>
#include <utility>

namespace epic::cluster {

struct ConnectedMachine {
  std::string name;
  std::size_t shards = 0;
  bool leads = false;
};

/// Two machines, of which at least one cannot reach the other. Order does not matter.
using MachineCut = std::pair<std::string, std::string>;

inline constexpr std::size_t kConnectedStepsMax = 2'000;

/// The names that stay. Of sets of one size it is the one with the leader, then the one with the most shards, then the
/// one whose names come first. Cuts with other machines do not count. Equal arguments give equal results.
[[nodiscard]] std::set<std::string> find_connected(std::span<const ConnectedMachine> machines,
                                                   std::span<const MachineCut> cuts);

}  // namespace epic::cluster
