#pragma once
// CallChains: which calls wait for a call, here and on other nodes, and what follows from that.
//
// A call's callers on this node are its records' `caller` links; the outermost of them, if it came from another node,
// brings the links from there. A call from inside a chain enters where a stranger waits: what it would wait for is
// waiting for it.

#include "kernel/calls/call_words.hpp"
#include "kernel/placement.hpp"
#include "kernel/routing/routing.hpp"

namespace epic::kernel {

class CallChains {
 public:
  CallChains(const Placement& placement, const TypeTable& types, const CallWords& words, const Routing& routing)
      : placement_(placement), types_(types), words_(words), routing_(routing) {}

  /// The one that holds the entity's lock and waits for this very call; null if there is none.
  [[nodiscard]] const Record* find_holder(const Record& record, const Activation& activation) const;
  /// True when what waits for this call, directly or not, is an entity of a closed shard: that shard cannot leave
  /// before the call has ended.
  [[nodiscard]] bool holds_up_a_move(const Record& record) const;
  /// True for a call without which the activation's running calls cannot end: one from inside its own chain.
  [[nodiscard]] bool is_awaited_by(const Record& record, const Activation& activation) const;

 private:
  const Placement& placement_;
  const TypeTable& types_;
  const CallWords& words_;
  const Routing& routing_;
};

}  // namespace epic::kernel
