#include "kernel/activations/local_instances.hpp"

#include <algorithm>

namespace epic::kernel {

namespace {

/// Calls that run or wait in it. One that is about to leave comes last: its calls wait until it has left.
std::size_t load_of(const Activation& instance) {
  const bool is_up = instance.state <= Activation::State::active;
  return instance.running + instance.queued + instance.waiting_count() + instance.lock.waiting_count() +
         (is_up ? 0 : std::size_t{1} << 32);
}

}  // namespace

void LocalInstances::add(Activation& instance) {
  instances_by_name_[std::string(instance.name->text)].push_back(&instance);
}

void LocalInstances::remove(const Activation& instance) {
  const auto found = instances_by_name_.find(instance.name->text);
  if (found == instances_by_name_.end()) return;
  std::erase(found->second, &instance);
  if (found->second.empty()) instances_by_name_.erase(found);
}

Activation* LocalInstances::choose(std::string_view name, std::uint32_t max) const {
  const auto found = instances_by_name_.find(name);
  if (found == instances_by_name_.end()) return nullptr;
  Activation* best = nullptr;
  std::size_t least = SIZE_MAX;
  for (Activation* const instance : found->second) {
    const std::size_t load = load_of(*instance);
    if (load < least) best = instance, least = load;
    if (load == 0) return best;
  }
  return found->second.size() < max ? nullptr : best;
}

}  // namespace epic::kernel
