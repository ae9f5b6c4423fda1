#include "kernel/activation.hpp"

#include "kernel/assert.hpp"

namespace epic::kernel {

Activation* ActivationTable::find(std::string_view name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

Activation* ActivationTable::find(ActivationId id) {
  if (id.slot >= slots_.size()) return nullptr;
  Activation* activation = slots_[id.slot].get();
  return activation != nullptr && activation->id == id ? activation : nullptr;
}

Activation* ActivationTable::find_by_text(detail::EntityName& name) {
  Activation* activation = find(std::string_view(name.text));
  if (activation != nullptr) {
    name.kernel_tag = kernel_tag_;
    name.slot = activation->id.slot;
    name.generation = activation->id.generation;
  }
  return activation;
}

Activation& ActivationTable::add(detail::NamePtr name) {
  EPIC_ASSERT(find(std::string_view(name->text)) == nullptr, "{} would be activated twice", name->text);
  std::uint32_t slot = 0;
  if (free_slots_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot] = std::make_unique<Activation>();
  Activation& activation = *slots_[slot];
  activation.id = {slot, next_generation_++};
  activation.name = std::move(name);
  by_name_.emplace(activation.name->text, &activation);
  return activation;
}

void ActivationTable::remove(Activation& activation) {
  const std::uint32_t slot = activation.id.slot;
  by_name_.erase(activation.name->text);
  slots_[slot].reset();
  free_slots_.push_back(slot);
}

}  // namespace epic::kernel
