#pragma once
// CallBudget: whether there is memory for one more call.
//
// Two limits. The frames and records of calls in flight have one of their own: at it every call is refused. The memory
// of the whole node, if it has a budget, is measured by the driver: well above that budget new work is refused, but not
// what running calls wait for, nor hooks, because that is what frees memory.
//
// Cost: a comparison for each call, as long as neither limit is near.

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "kernel/frame_pool.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class CallBudget {
 public:
  /// `memory_bytes`: of the node; 0: no limit.
  CallBudget(std::uint64_t calls_bytes, std::uint64_t memory_bytes)
      : calls_bytes_(calls_bytes), memory_bytes_(memory_bytes), look_from_bytes_(calls_bytes) {}

  /// True: there may be too little; why_refused() says.
  [[nodiscard]] bool may_be_short() const { return frame_bytes_at_most() >= look_from_bytes_; }
  /// Empty: there is room, the memory is only kept for later calls, or it is no new work.
  [[nodiscard]] std::string why_refused(std::size_t calls_count, bool is_new_work) const {
    if (const std::uint64_t bytes = frame_bytes(); bytes >= calls_bytes_)
      return fmt::format("the {} calls in flight on this node take {} MiB of memory, and the limit is {} MiB",
                         calls_count, bytes >> 20, calls_bytes_ >> 20);
    if (is_memory_short() && is_new_work)
      return fmt::format("this node uses {} MiB of memory, and memory_budget is {} MiB", used_bytes_ >> 20,
                         memory_bytes_ >> 20);
    return {};
  }
  /// In use by the whole node just now.
  void on_memory(std::uint64_t bytes) {
    used_bytes_ = bytes;
    look_from_bytes_ = is_memory_short() ? 0 : calls_bytes_;
  }

 private:
  [[nodiscard]] bool is_memory_short() const {
    return memory_bytes_ > 0 && used_bytes_ > memory_bytes_ + std::max(memory_bytes_ / 4, limits::kMemorySlackMin);
  }

  std::uint64_t calls_bytes_;
  std::uint64_t memory_bytes_;
  std::uint64_t used_bytes_ = 0;
  std::uint64_t look_from_bytes_;  // of frames and records
};

}  // namespace epic::kernel
