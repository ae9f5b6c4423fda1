#pragma once
// Departures: which entities have lately left this node's memory, so that their next activation knows why it is one
// (epic::activation_cause).
//
// Bounded: the oldest are forgotten. An entity that is forgotten counts as one that this owner never had in memory, so
// it may be told of a crash that came before its last activation, but never the other way round.

#include <cstdint>
#include <deque>
#include <functional>
#include <string_view>

#include <boost/unordered/unordered_flat_map.hpp>

#include "kernel/ids.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class Departures {
 public:
  enum class How : std::uint8_t { unknown, in_order, discarded };

  /// `epoch`: of its shard, whose next owner (even if it is this node again) knows nothing of it.
  void note(std::string_view entity, Epoch epoch, How how) {
    const std::uint64_t name = hash(entity, epoch);
    if (how_.insert_or_assign(name, how).second) order_.push_back(name);
    if (order_.size() <= limits::kDepartedMax) return;
    how_.erase(order_.front());
    order_.pop_front();
  }
  [[nodiscard]] How find(std::string_view entity, Epoch epoch) const {
    const auto found = how_.find(hash(entity, epoch));
    return found == how_.end() ? How::unknown : found->second;
  }

 private:
  static std::uint64_t hash(std::string_view entity, Epoch epoch) {
    constexpr std::uint64_t kGoldenRatio = 0x9e37'79b9'7f4a'7c15;  // spreads small numbers over all bits
    return std::hash<std::string_view>{}(entity) ^ (epoch.value * kGoldenRatio);
  }

  boost::unordered_flat_map<std::uint64_t, How> how_;
  std::deque<std::uint64_t> order_;
};

}  // namespace epic::kernel
