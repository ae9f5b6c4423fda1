#include "algorithms.hpp"

#include <algorithm>

namespace {

/// The share of a random surfer's time: Page, Brin, Motwani and Winograd, 1999. Who is at a vertex without edges goes
/// anywhere.
class PageRank final : public Algorithm {
  static constexpr double kDamping = 0.85;

 public:
  [[nodiscard]] bool is_undirected() const override { return false; }
  [[nodiscard]] bool sends_always() const override { return true; }
  [[nodiscard]] double change_min() const override { return 1e-10; }
  [[nodiscard]] double first(std::uint64_t, const GraphFacts& facts) const override { return 1 / facts.vertices; }
  [[nodiscard]] double message(double value, double edges) const override { return value / edges; }
  [[nodiscard]] double combine(double left, double right) const override { return left + right; }
  [[nodiscard]] double next(double, std::optional<double> received, const GraphFacts& facts) const override {
    return (1 - kDamping) / facts.vertices + kDamping * (received.value_or(0) + facts.dangling / facts.vertices);
  }
};

/// Each vertex takes the smallest number that it hears of.
class Components final : public Algorithm {
 public:
  [[nodiscard]] bool is_undirected() const override { return true; }
  [[nodiscard]] bool sends_always() const override { return false; }
  [[nodiscard]] double change_min() const override { return 0.5; }
  [[nodiscard]] double first(std::uint64_t vertex, const GraphFacts&) const override {
    return static_cast<double>(vertex);
  }
  [[nodiscard]] double message(double value, double) const override { return value; }
  [[nodiscard]] double combine(double left, double right) const override { return std::min(left, right); }
  [[nodiscard]] double next(double value, std::optional<double> received, const GraphFacts&) const override {
    return std::min(value, received.value_or(value));
  }
};

}  // namespace

std::unique_ptr<const Algorithm> make_algorithm(AlgorithmName name) {
  if (name == AlgorithmName::rank) return std::make_unique<PageRank>();
  return std::make_unique<Components>();
}
