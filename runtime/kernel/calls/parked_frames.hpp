#pragma once
// ParkedFrames: frames that wait neither for a call nor for a time, but until something happens in their node: that
// their entity is to leave (epic::stopping), or that an epic::Event is set. In the order in which they came.

#include <cstddef>
#include <cstdint>
#include <map>

#include "kernel/saving/observations.hpp"
#include "kernel/scheduler.hpp"

namespace epic::kernel {

class ParkedFrames {
 public:
  explicit ParkedFrames(Scheduler& scheduler) : scheduler_(scheduler) {}

  /// A place is never 0.
  using Place = std::uint64_t;

  Place add(detail::Waiter& waiter) {
    waiter.execution = scheduler_.current;
    waiter.remaining = 1;
    parked_.emplace(next_place_, &waiter);
    return next_place_++;
  }
  /// The waiting frame goes away.
  void forget(Place place, detail::Waiter& waiter) {
    scheduler_.queue.drop(waiter);
    parked_.erase(place);
  }
  /// It goes on; nothing happens if it does already.
  void resume(Place place) {
    const auto parked = parked_.find(place);
    if (parked == parked_.end()) return;
    scheduler_.queue.push_resume(*parked->second);
    parked_.erase(parked);
  }
  /// All whose execution is meant go on.
  template <class Predicate>
  void resume_if(Predicate&& is_meant) {
    std::erase_if(parked_, [&](const auto& one) {
      if (!is_meant(one.second->execution)) return false;
      scheduler_.queue.push_resume(*one.second);
      return true;
    });
  }
  /// Looks at up to `count` of them, those after `place`, which moves on. Executions that are meant go on with
  /// epic::Cancelled. True: those were the last.
  template <class Predicate>
  [[nodiscard]] bool cut_short(Place& place, std::size_t& count, Predicate&& is_meant) {
    auto parked = parked_.upper_bound(place);
    for (; parked != parked_.end() && count > 0; --count) {
      place = parked->first;
      detail::Waiter& waiter = *parked->second;
      if (waiter.execution == nullptr || !is_meant(*waiter.execution)) {
        ++parked;
        continue;
      }
      parked = parked_.erase(parked);
      waiter.is_cancelled = true;
      scheduler_.queue.push_resume(waiter);
    }
    return parked == parked_.end();
  }
  template <class Visit>
  void for_each_execution(Visit&& visit) const {
    for (const auto& [place, waiter] : parked_) visit(waiter->execution);
  }

 private:
  Scheduler& scheduler_;
  std::map<Place, detail::Waiter*> parked_;
  Place next_place_ = 1;
};

}  // namespace epic::kernel
