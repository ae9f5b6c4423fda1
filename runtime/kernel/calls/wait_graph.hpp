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

#include <array>
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
    const auto& made_by = made_by_.of(&record);
    const auto made = made_by.find(&record);
    if (made == made_by.end()) return;
    for (std::uint32_t at = made->second.first; at != kNone; at = calls_in_it_[at].next_of_caller)
      if (Record& call = *calls_in_it_[at].record; call.is_listed && call.caller == &record) visit(call);
  }
  /// A call of another node, or one that waits for a lock or a hook, by its maker's number; null: not in the graph.
  [[nodiscard]] Record* find(const CallId& id) const {
    const auto& by_id = by_id_.of(id);
    const auto found = by_id.find(id);
    return found == by_id.end() ? nullptr : calls_in_it_[found->second].record.get();
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
    std::size_t operator()(const Record* record) const {
      return reinterpret_cast<std::uintptr_t>(record) * 0x9e3779b97f4a7c15u;
    }
  };
  /// Many small hash tables, because one large one would hold up the node each time it grows.
  template <class Key, class Value>
  class Parts {
   public:
    using Part = boost::unordered_flat_map<Key, Value, Hash>;
    [[nodiscard]] Part& of(const Key& key) { return parts_[number_of(key)]; }
    [[nodiscard]] const Part& of(const Key& key) const { return parts_[number_of(key)]; }
    void clear() {
      for (Part& part : parts_) part = Part();
    }

   private:
    static constexpr std::size_t kCount = 64;
    static std::size_t number_of(const Key& key) { return (Hash()(key) >> 32) % kCount; }
    std::array<Part, kCount> parts_;
  };

  CallTable& calls_;
  CallTable::Look look_;
  const CallWords& words_;
  std::vector<Entry> calls_in_it_;
  Parts<const Record*, Made> made_by_;
  Parts<CallId, std::uint32_t> by_id_;
};

/// It may be made to fail: it has not started, and waits for a lock or a hook.
[[nodiscard]] inline bool is_waiting(const Record& record) {
  return record.state == Record::State::locked_out || record.state == Record::State::loading;
}

}  // namespace epic::kernel
