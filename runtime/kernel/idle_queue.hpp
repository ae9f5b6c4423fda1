#pragma once
// IdleQueue: activations by when they were last used, the longest ago first.
//
// A use costs nothing: it only sets Activation::last_used_ns. What the queue has is a time not after that. The first
// one whose time is still true has been idle the longest; one that was used since goes back to its true place. So each
// activation is looked at about once in each idle age, and not at every use.
//
// Not here: who may go, and why one must (kernel_life.cpp).

#include <cstdint>
#include <queue>
#include <vector>

#include "kernel/activation.hpp"

namespace epic::kernel {

class IdleQueue {
 public:
  struct Entry {
    std::int64_t used_ns;  // at least then
    ActivationId id;
    bool operator>(const Entry& other) const { return used_ns > other.used_ns; }
  };

  void add(ActivationId id, std::int64_t used_ns) { entries_.push({used_ns, id}); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] const Entry& first() const { return entries_.top(); }
  void drop_first() { entries_.pop(); }

 private:
  std::priority_queue<Entry, std::vector<Entry>, std::greater<>> entries_;
};

}  // namespace epic::kernel
