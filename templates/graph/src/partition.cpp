#include "partition.hpp"

#include <utility>

epic::Task<void> Partition::load(Part new_part) {
  part = std::move(new_part);
  ranks.clear();
  components.clear();
  co_return;
}

epic::Task<void> Partition::keep(AlgorithmName algorithm, std::vector<double> values) {
  (algorithm == AlgorithmName::rank ? ranks : components) = std::move(values);
  co_return;
}

epic::Task<Part> Partition::get_part() const { co_return part; }

epic::Task<std::optional<double>> Partition::get_value(AlgorithmName algorithm, std::uint32_t vertex) const {
  const auto& values = algorithm == AlgorithmName::rank ? ranks : components;
  if (vertex >= values.size() || values[vertex] < 0) co_return std::nullopt;
  co_return values[vertex];
}
