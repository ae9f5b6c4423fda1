#pragma once
// WaitGraph: which calls have made which, as DeadlockProbes follows them; gathered while everything else goes on.
//
// A call knows its caller, but not the calls that it has made; the table knows all of them. Looking through a large
// table at once would hold up every other call, so it is done in slices, over several ticks. Calls that wait for each
// other in a ring stay in the table as they are, so the graph has all of them; what begins or ends meanwhile may be in
// it or not.
//
// Invariant: a call in the graph is kept alive, and visited only while it waits for its caller's benefit.
// Not here:  when to look, and what is followed (deadlock_probes.cpp).

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernel/calls/call_table.hpp"
#include "kernel/calls/call_words.hpp"

namespace epic::kernel {

class WaitGraph {
 public:
  WaitGraph(CallTable& calls, const CallWords& words) : calls_(calls), words_(words) {}

  /// Starts to look through the table. The graph is empty.
  void begin();
  /// Looks at up to `count` calls more. True: that was all.
  [[nodiscard]] bool gather(std::size_t count);
  /// Removes up to `count` calls. True: the graph is empty.
  [[nodiscard]] bool forget(std::size_t count);

  /// The calls that `record` has made and waits for, in the order of the table.
  template <class Visit>
  void for_each_made_by(const Record& record, Visit&& visit) const {
    const auto made = made_by_.find(&record);
    if (made == made_by_.end()) return;
    for (std::uint32_t at = made->second.first; at != kNone; at = calls_in_it_[at].next_of_caller)
      if (Record& call = *calls_in_it_[at].record; call.is_listed && call.caller == &record) visit(call);
  }
  /// A call of another node, or one that waits for a lock or a hook, by its maker's number; null: not in the graph.
  [[nodiscard]] Record* find(const CallId& id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : calls_in_it_[found->second].record.get();
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  struct Entry {
    RecordRef record;
    std::uint32_t next_of_caller = kNone;
  };
  struct Made {
    std::uint32_t first;
    std::uint32_t last;
  };
  struct Hash {
    std::size_t operator()(const CallId& id) const { return id.sequence * 0x9e3779b97f4a7c15u ^ id.life; }
  };
  CallTable& calls_;
  CallTable::Look look_;
  const CallWords& words_;
  std::vector<Entry> calls_in_it_;
  // With room for all calls from the beginning: growing would hold up the node.
  boost::unordered_flat_map<const Record*, Made> made_by_;
  boost::unordered_flat_map<CallId, std::uint32_t, Hash> by_id_;
};

/// True if the call may be made to fail: it has not started, and waits for a lock or a hook.
[[nodiscard]] inline bool is_waiting(const Record& record) {
  return record.state == Record::State::locked_out || record.state == Record::State::loading;
}

}  // namespace epic::kernel
