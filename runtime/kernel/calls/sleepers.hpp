#pragma once
// Sleepers: frames that sleep, by the time at which they go on.
//
// Cost: nothing here moves or looks through all of them at once; there may be a million.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "kernel/limits.hpp"
#include "kernel/scheduler.hpp"

namespace epic::kernel {

class Sleepers {
 public:
  explicit Sleepers(Scheduler& scheduler) : scheduler_(scheduler) {}

  /// Returns its number, for forget().
  std::uint64_t add(std::int64_t duration_ns, detail::Waiter& waiter) {
    waiter.execution = scheduler_.current;
    waiter.remaining = 1;
    const std::uint64_t number = next_number_++;
    const std::int64_t due_ns = scheduler_.ns_from_now(std::max<std::int64_t>(duration_ns, 0));
    by_due_.emplace(std::pair{due_ns, number}, &waiter);
    due_ns_.emplace(number, due_ns);
    return number;
  }
  /// The sleeping frame goes away.
  void forget(std::uint64_t number, detail::Waiter& waiter) {
    scheduler_.queue.drop(waiter);
    const auto due = due_ns_.find(number);
    if (due == due_ns_.end()) return;
    by_due_.erase({due->second, number});
    due_ns_.erase(due);
  }
  /// By when a frame sleeps, and its number.
  using Place = std::pair<std::int64_t, std::uint64_t>;
  /// Looks at up to `count` sleepers, those after `place`, which moves on. Executions for which `is_meant` is true wake
  /// now, with epic::Cancelled. True: those were the last.
  template <class Predicate>
  [[nodiscard]] bool cut_short(Place& place, std::size_t& count, Predicate&& is_meant) {
    auto sleeping = by_due_.upper_bound(place);
    for (; sleeping != by_due_.end() && count > 0; --count) {
      place = sleeping->first;
      detail::Waiter& waiter = *sleeping->second;
      if (waiter.execution == nullptr || !is_meant(*waiter.execution)) {
        ++sleeping;
        continue;
      }
      sleeping = by_due_.erase(sleeping);
      due_ns_.erase(place.second);
      waiter.is_cancelled = true;
      scheduler_.queue.push_resume(waiter);
    }
    return sleeping == by_due_.end();
  }
  void on_time() {
    for (std::size_t i = 0; i < limits::kWokenPerTick; ++i) {
      if (by_due_.empty() || by_due_.begin()->first.first > scheduler_.now_ns) return;
      detail::Waiter* waiter = by_due_.begin()->second;
      due_ns_.erase(by_due_.begin()->first.second);
      by_due_.erase(by_due_.begin());
      scheduler_.queue.push_resume(*waiter);
    }
  }
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return by_due_.empty() ? std::nullopt : std::optional(by_due_.begin()->first.first);
  }
  template <class Visit>
  void for_each_execution(Visit&& visit) const {
    for (const auto& [due, waiter] : by_due_) visit(waiter->execution);
  }

 private:
  Scheduler& scheduler_;
  std::map<Place, detail::Waiter*> by_due_;
  std::map<std::uint64_t, std::int64_t> due_ns_;  // not a hash table, which would hold up the node each time it grows
  std::uint64_t next_number_ = 1;
};

}  // namespace epic::kernel
