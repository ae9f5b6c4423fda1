#pragma once
// LocalInstances: the instances of the entities of local classes (`local(n)`), of which a node may have several.
//
// A call goes to an instance that has nothing to do. If none has, a further one is made, up to the class's number, and
// then it goes to the one with the fewest calls. The oldest comes first, so that those which are not needed stay idle,
// and are collected.
//
// Invariant: it holds exactly the instances that are in the activation table.
// Not here:  how an instance is made, and how it ends (activations.cpp, leaving.cpp).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernel/activations/activation.hpp"

namespace epic::kernel {

class LocalInstances {
 public:
  void add(Activation& instance);
  void remove(const Activation& instance);
  /// The instance that should take the next call; null if a new one should be made.
  [[nodiscard]] Activation* choose(std::string_view name, std::uint32_t max) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
  };
  std::unordered_map<std::string, std::vector<Activation*>, Hash, std::equal_to<>>
      instances_by_name_;  // the oldest first
};

}  // namespace epic::kernel
