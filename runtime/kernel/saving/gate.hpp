#pragma once
// Gate: what leaves the node waits until the state that it has observed is durable.
//
// An entity changes in memory at once, and calls inside the node run at memory speed. The outside must never see a
// change that a crash could undo. So whatever leaves carries the newest commit that its sender has observed, and the
// gate releases it when the store has confirmed that commit. An item that has observed nothing new passes at once.
//
// Invariant: a released item never depends on a commit greater than durable().
// Order:     items of one activation leave in their order of arrival: what an activation has observed only grows.
// Not here:  what an activation has observed (activation.hpp), how batches are formed (batcher.hpp).

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "kernel/assert.hpp"
#include "kernel/ids.hpp"

namespace epic::kernel {

/// Holds items back until the commit that they depend on is durable. Execution thread only.
template <class Item>
class Gate {
 public:
  /// True if an item that has observed `needs` may leave now.
  [[nodiscard]] bool is_open(CommitNumber needs) const { return needs <= durable_; }

  void hold(CommitNumber needs, Item item) {
    EPIC_ASSERT(!is_open(needs), "an item held for commit {} need not wait, {} is durable", needs, durable_);
    held_[needs].push_back(std::move(item));
    ++held_count_;
  }

  /// The store has made every commit up to `commit` durable. Returns what may leave now, in order.
  [[nodiscard]] std::vector<Item> on_durable(CommitNumber commit) {
    EPIC_ASSERT(commit >= durable_, "commit {} confirmed after {}", commit, durable_);
    durable_ = commit;
    std::vector<Item> released;
    const auto end = held_.upper_bound(durable_);
    for (auto held = held_.begin(); held != end; ++held) {
      if (released.empty())
        released = std::move(held->second);
      else
        std::ranges::move(held->second, std::back_inserter(released));
    }
    held_.erase(held_.begin(), end);
    held_count_ -= released.size();
    return released;
  }

  /// Removes the items that are to leave in another way, in order.
  template <class Predicate>
  [[nodiscard]] std::vector<Item> take_if(Predicate&& is_meant) {
    std::vector<Item> taken;
    for (auto& [needs, items] : held_)
      std::erase_if(items, [&](Item& item) {
        if (!is_meant(std::as_const(item))) return false;
        taken.push_back(std::move(item));
        return true;
      });
    std::erase_if(held_, [](const auto& held) { return held.second.empty(); });
    held_count_ -= taken.size();
    return taken;
  }

  [[nodiscard]] CommitNumber durable() const { return durable_; }
  [[nodiscard]] std::size_t held_count() const { return held_count_; }

 private:
  CommitNumber durable_{0};
  std::map<CommitNumber, std::vector<Item>> held_;  // those of one commit in order of arrival
  std::size_t held_count_ = 0;
};

}  // namespace epic::kernel
