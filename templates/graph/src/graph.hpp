#pragma once
// Graph: reads an edge list from a file, cuts it into partitions, and has workers compute over them.
//
// A job is a series of steps. In each, first all workers send, then all take their new values: the graph waits for
// both. If a worker loses its values, because its node died or it left memory, the job begins anew; only its result is
// saved.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <epic/epic.hpp>
#include <optional>
#include <string>
#include <vector>

#include "worker.hpp"

struct Summary {
  std::string file;
  std::int64_t vertices = 0;
  std::int64_t edges = 0;
  std::uint32_t parts = 0;
  std::int64_t jobs = 0;        // begun, those that had to begin anew included
  std::vector<Finding> top;     // by rank; empty: not computed
  std::int64_t components = 0;  // 0: not computed
};
BOOST_DESCRIBE_STRUCT(Summary, (), (file, vertices, edges, parts, jobs, top, components))

class Graph : public epic::Entity {
  Summary summary;

 public:
  static constexpr std::uint32_t kPartsMax = 256;
  static constexpr std::int64_t kStepsMax = 10'000;

  // Exclusive: one after another. All of them may be repeated.

  /// Reads "data/<file>" into so many partitions. Some hundred thousand edges are enough for one.
  epic::Task<Summary> load(std::string file, std::uint32_t parts);
  /// PageRank. Returns the ten largest.
  epic::Task<std::vector<Finding>> rank();
  /// Connected components. Returns their number.
  epic::Task<std::int64_t> find_components();

  epic::Task<Summary> get_summary() const;
  /// Empty: not computed, or no such vertex.
  epic::Task<std::optional<double>> get_rank(std::uint32_t vertex) const;
  /// The smallest vertex of its component.
  epic::Task<std::optional<std::uint32_t>> get_component(std::uint32_t vertex) const;

  EPIC_ENTITY(Graph, state(summary), exclusive(load, rank, find_components),
              methods(get_summary, get_rank, get_component))

 private:
  epic::Task<Result> compute(AlgorithmName algorithm);
  epic::Task<Result> try_to_compute(Job job) const;
  epic::Task<std::optional<double>> get_value(AlgorithmName algorithm, std::uint32_t vertex) const;
};
