#pragma once
// Execution: what runs just now, by which clock, and what runs next. The kernel's parts share one.
//
// A turn belongs to a call's record: `current`. The clock stands still during a tick. What may run later stands in the
// run queue: calls to be started, and frames to be resumed.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <utility>

#include "kernel/activations/activation.hpp"
#include "kernel/clock.hpp"
#include "kernel/record.hpp"

namespace epic::kernel {

[[nodiscard]] inline Activation* activation_of(const Record* record) {
  return record == nullptr ? nullptr : static_cast<Activation*>(record->activation);
}

/// Calls to start and frames to resume, in order.
class RunQueue {
 public:
  struct Item {
    RecordRef record;        // to start, or whose execution continues
    detail::Waiter* waiter;  // null: start
  };

  void push_start(RecordRef record) {
    if (Activation* activation = activation_of(record.get())) ++activation->queued;
    record->state = Record::State::queued;
    items_.push_back({std::move(record), nullptr});
  }
  void push_resume(detail::Waiter& waiter) {
    waiter.is_queued = true;
    waiter.remaining = 0;
    items_.push_back({waiter.execution == nullptr ? RecordRef() : RecordRef::share(*waiter.execution), &waiter});
  }
  [[nodiscard]] Item pop() {
    Item item = std::move(items_.front());
    items_.pop_front();
    if (item.waiter != nullptr)
      item.waiter->is_queued = false;
    else if (Activation* activation = activation_of(item.record.get()))
      --activation->queued;
    return item;
  }
  /// The waiting frame is destroyed before its turn.
  void drop(detail::Waiter& waiter) {
    if (!std::exchange(waiter.is_queued, false)) return;
    std::erase_if(items_, [&](const Item& item) { return item.waiter == &waiter; });
  }
  /// Calls of an activation that goes away before they have begun.
  void drop_starts_of(const Activation& activation) {
    std::erase_if(items_, [&](const Item& item) {
      return item.waiter == nullptr && activation_of(item.record.get()) == &activation;
    });
  }
  /// Those, and the frames of what has begun.
  void drop_all_of(const Activation& activation) {
    std::erase_if(items_, [&](const Item& item) {
      if (activation_of(item.record.get()) != &activation) return false;
      if (item.waiter != nullptr) item.waiter->is_queued = false;
      return true;
    });
  }
  void clear() { items_.clear(); }
  [[nodiscard]] bool empty() const { return items_.empty(); }

 private:
  std::deque<Item> items_;
};

struct Execution : Clock {
  Record* current = nullptr;            // whose turn it is; null: nobody's
  std::uint32_t direct_calls_left = 0;  // calls that may start in place before the run queue has its turn
  RunQueue queue;
};

}  // namespace epic::kernel
