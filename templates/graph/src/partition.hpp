#pragma once
// Partition: a part of a graph as it is saved: its edges, and what was computed. Partition/web-3 is part 3 of
// Graph/web. It changes when a file is loaded and when a result is there; what happens in between is a worker's
// business.

#include <cstdint>
#include <epic/epic.hpp>
#include <optional>
#include <vector>

#include "algorithms.hpp"
#include "edge_list.hpp"

class Partition : public epic::Entity {
  Part part;
  std::vector<double> ranks;       // of its vertices; -1: no vertex has this number
  std::vector<double> components;  // likewise

 public:
  /// Replaces what was there.
  epic::Task<void> load(Part new_part);
  epic::Task<void> keep(AlgorithmName algorithm, std::vector<double> values);

  epic::Task<Part> get_part() const;
  /// Empty: it has not been computed, or there is no such vertex.
  epic::Task<std::optional<double>> get_value(AlgorithmName algorithm, std::uint32_t vertex) const;

  EPIC_ENTITY(Partition, state(part, ranks, components), methods(load, keep, get_part, get_value))
};
