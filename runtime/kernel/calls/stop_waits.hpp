#pragma once
// StopWaits: frames that wait for epic::stopping(), in the order in which they came.

#include <cstdint>
#include <map>
#include <vector>

#include "kernel/scheduler.hpp"

namespace epic::kernel {

class StopWaits {
 public:
  explicit StopWaits(Scheduler& scheduler) : scheduler_(scheduler) {}

  /// Returns its place, for forget().
  std::uint64_t add(detail::Waiter& waiter) {
    waiter.execution = scheduler_.current;
    waiter.remaining = 1;
    waiting_.emplace(next_place_, &waiter);
    return next_place_++;
  }
  /// The waiting frame goes away.
  void forget(std::uint64_t place, detail::Waiter& waiter) {
    scheduler_.queue.drop(waiter);
    waiting_.erase(place);
  }
  /// Resumes those whose entity is stopping.
  template <class Predicate>
  void resume(Predicate&& is_stopping) {
    std::erase_if(waiting_, [&](const auto& one) {
      if (!is_stopping(one.second->execution)) return false;
      scheduler_.queue.push_resume(*one.second);
      return true;
    });
  }

 private:
  Scheduler& scheduler_;
  std::map<std::uint64_t, detail::Waiter*> waiting_;
  std::uint64_t next_place_ = 1;
};

}  // namespace epic::kernel
