#pragma once
// IdleQueue: activations in the order in which the collector last looked at them.
//
// A use costs nothing: it only sets Activation::last_used_ns. The first of the queue has waited the longest for a look.
// If it was used since the last one it goes to the end, as does what has not been idle for long enough. So a look at
// each entity a few times in an idle age finds what is too old, and when memory is short the first one that was not
// used since its last look is among the least recently used (the CLOCK algorithm).
//
// Not here: who may go, and why one must (kernel_life.cpp).

#include <cstdint>
#include <utility>

#include "kernel/activations/activation_table.hpp"

namespace epic::kernel {

/// Intrusive: an activation is in it once at most, and must be taken out before it is removed from its table.
class IdleQueue {
 public:
  explicit IdleQueue(const ActivationTable& table) : table_(table) {}

  /// Puts it at the end. `now_ns`, as each time here, is not before that of the one put there before.
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
  /// Null when it is empty.
  [[nodiscard]] Activation* first() const { return first_ == Activation::kNoSlot ? nullptr : table_.at(first_); }

 private:
  const ActivationTable& table_;
  std::uint32_t first_ = Activation::kNoSlot;
  std::uint32_t last_ = Activation::kNoSlot;
};

}  // namespace epic::kernel
