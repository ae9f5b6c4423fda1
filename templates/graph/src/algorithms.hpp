#pragma once
// Algorithm: what the vertices of a graph do, step by step. Each has a value. In a step it combines what its neighbours
// have sent, takes a new value, and may send that on. Nothing else: who computes which vertex is not its business.
//
// Values are doubles in both of them. The numbers of vertices that components are named after are exact up to 2^53.
//
// After Pregel (Malewicz et al., 2010).

#include <boost/describe/enum.hpp>
#include <cstdint>
#include <memory>
#include <optional>

enum class AlgorithmName : std::uint8_t { rank, components };
BOOST_DESCRIBE_ENUM(AlgorithmName, rank, components)

/// Of the whole graph.
struct GraphFacts {
  double vertices = 0;
  double dangling = 0;  // the sum of values of vertices without an edge to send along, in the step before
};

class Algorithm {
 public:
  virtual ~Algorithm() = default;
  /// Whether values are sent against the direction of edges, too.
  [[nodiscard]] virtual bool is_undirected() const = 0;
  /// Whether a vertex sends also if its value is the same as in the step before.
  [[nodiscard]] virtual bool sends_always() const = 0;
  /// Less change than this, of all values together: done.
  [[nodiscard]] virtual double change_min() const = 0;
  [[nodiscard]] virtual double first(std::uint64_t vertex, const GraphFacts& facts) const = 0;
  /// What goes along each of `edges`.
  [[nodiscard]] virtual double message(double value, double edges) const = 0;
  [[nodiscard]] virtual double combine(double left, double right) const = 0;
  /// `received`: nothing if nobody has sent.
  [[nodiscard]] virtual double next(double value, std::optional<double> received, const GraphFacts& facts) const = 0;
};

std::unique_ptr<const Algorithm> make_algorithm(AlgorithmName name);
