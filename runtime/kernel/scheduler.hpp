#pragma once
// Scheduler: what runs just now, by which clock, and what runs next. The kernel's parts share one.
//
// A turn belongs to a call's record: `current`. The clock stands still during a tick. What may run later stands in the
// run queue: calls to be started, and frames to be resumed.

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "kernel/activations/activation.hpp"
#include "kernel/clock.hpp"
#include "kernel/record.hpp"
#include "kernel/running_page.hpp"

namespace epic::kernel {

[[nodiscard]] inline Activation* activation_of(const Record* record) {
  return record == nullptr ? nullptr : static_cast<Activation*>(record->activation);
}

/// Calls to start and frames to resume, in order. A waiting frame knows its place, so that one that is destroyed before
/// its turn is dropped without a search.
class RunQueue {
 public:
  struct Item {
    RecordRef record;                  // to start, or whose execution continues
    detail::Waiter* waiter = nullptr;  // null: start
    [[nodiscard]] bool was_dropped() const { return !record && waiter == nullptr; }
  };

  void push_start(RecordRef record) {
    if (Activation* activation = activation_of(record.get())) ++activation->queued;
    record->state = Record::State::queued;
    items_.push_back({std::move(record), nullptr});
  }
  void push_resume(detail::Waiter& waiter) {
    if (next_place() == 0) {  // the number stands for no place
      if (items_.empty())
        first_place_ = 1;
      else
        items_.emplace_back();
    }
    waiter.queue_place = next_place();
    items_.push_back({waiter.execution == nullptr ? RecordRef() : RecordRef::share(*waiter.execution), &waiter});
  }
  [[nodiscard]] Item pop() {
    Item item = std::move(items_.front());
    items_.front() = {};
    remove_dropped();
    if (item.waiter != nullptr)
      item.waiter->queue_place = 0;
    else if (Activation* activation = activation_of(item.record.get()))
      --activation->queued;
    return item;
  }
  /// The waiting frame is destroyed before its turn.
  void drop(detail::Waiter& waiter) {
    if (waiter.queue_place == 0) return;
    items_[(waiter.queue_place - first_place_) & kPlaceMax] = {};
    waiter.queue_place = 0;
    remove_dropped();
  }
  /// Calls of an activation that goes away before they have begun.
  void drop_starts_of(const Activation& activation) {
    drop_if(
        [&](const Item& item) { return item.waiter == nullptr && activation_of(item.record.get()) == &activation; });
  }
  void clear() {
    drop_if([](const Item&) { return true; });
  }
  [[nodiscard]] bool empty() const { return items_.empty(); }

 private:
  static constexpr std::uint32_t kPlaceMax = INT32_MAX;  // then they begin again

  [[nodiscard]] std::uint32_t next_place() const {
    return (first_place_ + static_cast<std::uint32_t>(items_.size())) & kPlaceMax;
  }
  template <class Predicate>
  void drop_if(Predicate&& is_meant) {
    std::vector<RecordRef> dropped;  // with the last of them objects of the user's go, which may add to the queue
    for (Item& item : items_) {
      if (item.was_dropped() || !is_meant(std::as_const(item))) continue;
      if (item.waiter != nullptr) item.waiter->queue_place = 0;
      dropped.push_back(std::move(item.record));
      item = {};
    }
    remove_dropped();
  }
  void remove_dropped() {
    for (; !items_.empty() && items_.front().was_dropped(); first_place_ = (first_place_ + 1) & kPlaceMax)
      items_.pop_front();
  }

  std::deque<Item> items_;  // Invariant: the first was not dropped
  std::uint32_t first_place_ = 1;
};

/// Code of an entity that runs outside of its calls: its constructor or destructor.
struct InstanceStep {
  const detail::EntityName* entity = nullptr;  // null: none
  const char* name = nullptr;
};

/// The execution whose turn it is, as a pointer that is also shown in memory that outlives the process.
class CurrentExecution {
 public:
  explicit CurrentExecution(RunningWriter& shown) : shown_(shown) {}
  CurrentExecution(const CurrentExecution&) = delete;
  [[gnu::always_inline]] CurrentExecution& operator=(Record* execution) {
    execution_ = execution;
    shown_.show(execution);
    return *this;
  }
  [[gnu::always_inline]] operator Record*() const { return execution_; }
  [[gnu::always_inline]] Record* operator->() const { return execution_; }

 private:
  Record* execution_ = nullptr;
  RunningWriter& shown_;
};

struct Scheduler : Clock {
  RunningWriter shown;
  CurrentExecution current{shown};      // whose turn it is; null: nobody's
  InstanceStep step;                    // comes before `current`
  std::uint32_t direct_calls_left = 0;  // calls that may start in place before the run queue has its turn
  std::uint32_t reaping_count = 0;      // activations of which nothing may run any more (Activation::State::reaping)
  bool has_cancelled_tasks = false;     // some executions are to get epic::Cancelled at their next co_await (EarlyEnds)
  bool has_cancelled_calls = false;     // … by Cancellations
  RunQueue queue;

  void begin_step(const InstanceStep& next) {
    step = next;
    shown.show(step.entity->text, step.name);
  }
  void end_step() {
    step = {};
    shown.show(current);
  }
  /// Nobody's turn, until it is that of the one which this returns again.
  [[nodiscard]] Record* interrupt() {
    Record* const before = current;
    current = nullptr;
    return before;
  }

  /// True if resumptions of this execution are dropped.
  [[nodiscard]] bool is_reaped(const Record* execution) const {
    if (reaping_count == 0) [[likely]]
      return false;
    const Activation* const activation = activation_of(execution);
    return activation != nullptr && activation->state == Activation::State::reaping;
  }
};

}  // namespace epic::kernel
