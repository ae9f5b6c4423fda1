#pragma once
// StopWaits: frames that wait for epic::stopping(), in the order in which they came.

#include <cstdint>
#include <map>
#include <vector>

#include "kernel/execution.hpp"

namespace epic::kernel {

class StopWaits {
 public:
  explicit StopWaits(Execution& execution) : execution_(execution) {}

  /// Returns its place, for forget().
  std::uint64_t add(detail::Waiter& waiter) {
    waiter.execution = execution_.current;
    waiter.remaining = 1;
    waiting_.emplace(next_place_, &waiter);
    return next_place_++;
  }
  /// The waiting frame goes away.
  void forget(std::uint64_t place, detail::Waiter& waiter) {
    execution_.queue.drop(waiter);
    waiting_.erase(place);
  }
  /// Resumes those whose entity is stopping.
  template <class Predicate>
  void resume(Predicate&& is_stopping) {
    std::erase_if(waiting_, [&](const auto& one) {
      if (!is_stopping(one.second->execution)) return false;
      execution_.queue.push_resume(*one.second);
      return true;
    });
  }

 private:
  Execution& execution_;
  std::map<std::uint64_t, detail::Waiter*> waiting_;
  std::uint64_t next_place_ = 1;
};

}  // namespace epic::kernel
