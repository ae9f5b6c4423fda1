#pragma once
// IdleQueue: activations in the order in which the collector last looked at them.
//
// A use costs nothing: it only sets Activation::last_used_ns. The first in the queue has waited longest for a look. If
// it was used since, or has not been idle for long enough, it goes to the end. So a few looks at each entity per idle
// age find those that are too old, and when memory is short the first one not used since its last look is among the
// least recently used (the CLOCK algorithm).
//
// Not here: which ones may be deactivated, and why (collector.hpp).

#include <cstdint>
#include <utility>

#include "kernel/activations/activation_table.hpp"

namespace epic::kernel {

/// Intrusive: an activation is in it at most once, and must be removed before it is removed from its table.
class IdleQueue {
 public:
  explicit IdleQueue(const ActivationTable& table) : table_(table) {}

  /// Moves it to the end. `now_ns`, like each time here, is not earlier than that of the one moved before.
  void add(Activation& activation, std::int64_t now_ns) {
    remove(activation);
    activation.is_in_queue = true;
    activation.queued_ns = now_ns;
    activation.in_queue = {.previous = last_, .next = Activation::kNoSlot};
    (last_ == Activation::kNoSlot ? first_ : table_.at(last_)->in_queue.next) = activation.id.slot;
    last_ = activation.id.slot;
  }
  /// Does nothing for one that is not in it.
  void remove(Activation& activation) {
    if (!std::exchange(activation.is_in_queue, false)) return;
    const auto [previous, next] = activation.in_queue;
    (previous == Activation::kNoSlot ? first_ : table_.at(previous)->in_queue.next) = next;
    (next == Activation::kNoSlot ? last_ : table_.at(next)->in_queue.previous) = previous;
  }
  /// Null if it is empty.
  [[nodiscard]] Activation* first() const { return first_ == Activation::kNoSlot ? nullptr : table_.at(first_); }

 private:
  const ActivationTable& table_;
  std::uint32_t first_ = Activation::kNoSlot;
  std::uint32_t last_ = Activation::kNoSlot;
};

}  // namespace epic::kernel
