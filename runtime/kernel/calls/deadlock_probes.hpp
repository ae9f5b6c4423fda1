#pragma once
// DeadlockProbes: finds calls that wait for each other in a ring, through locks and hooks of entities here and on other
// nodes.
//
// When the first call in a lock's queue has stood there for kDeadlockSuspicion, it is followed to whatever it waits
// for: to the calls that hold the lock, from each to the calls that it has made itself, and from these to the locks
// that they wait for. Where a call was sent to another node, the path so far goes there as a probe and is continued. A
// path that comes back to one of its own calls has found a ring, and as every step waits for its next one, nothing in
// it can ever move. (Edge chasing as in Chandy, Misra and Haas, "Distributed deadlock detection", 1983.)
//
// A call also waits for the on_activate or on_deactivate of its entity. That is followed like a lock's holder, and
// looked into itself when it has run for kDeadlockSuspicion.
//
// Each lock in a ring has a first waiter, so each node in the ring finds it, and all pick the same victim: the call
// that came last. Only the victim's node fails it, and then reports the ring to the others. A lock that is handed on in
// time is never followed, so a long queue costs nothing.
//
// A call that ends by its deadline while a probe is on its way can make a ring of what was none any more; then a call
// gets Deadlock that might have waited. It has not started, so it can be made again.
//
// Cost: following calls takes one look through the table of calls, by slices of kLookSlice with a pause after each, so
// that many calls delay the answer and not each other.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/activations/activation_table.hpp"
#include "kernel/calls/call_table.hpp"
#include "kernel/calls/call_words.hpp"
#include "kernel/calls/wait_graph.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/syscalls.hpp"

namespace epic::kernel {

class DeadlockProbes {
 public:
  class Listener {
   public:
    /// `victim` waits for a lock, or for a hook, in a ring of calls that all wait.
    virtual void on_ring(Record& victim, const DeadlockMessage& deadlock, const std::string& message) = 0;

   protected:
    ~Listener() = default;
  };

  DeadlockProbes(CallTable& calls, const ActivationTable& activations, const CallWords& words, Scheduler& scheduler,
                 Syscalls& syscalls, Listener& listener)
      : graph_(calls, words),
        activations_(activations),
        words_(words),
        scheduler_(scheduler),
        syscalls_(syscalls),
        listener_(listener) {}

  /// The call has become the first that waits for its lock, or is a hook that starts.
  void suspect(RecordRef record);
  void on_probe(ProbeMessage probe);
  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;
  void clear() {
    suspects_.clear();
    due_.clear();
    static_cast<void>(graph_.forget(SIZE_MAX));
  }

 private:
  enum class Phase : std::uint8_t { idle, gathering, following, forgetting };
  struct Probing;
  bool begin();
  bool follow_due();
  void follow(Probing& probing, const Record& record);
  [[nodiscard]] std::vector<WaitLink> links_of(const Probing& probing, std::size_t begin) const;
  [[nodiscard]] WaitLink link_of(const Record& record) const;
  void resolve(const std::vector<WaitLink>& ring);

  WaitGraph graph_;
  const ActivationTable& activations_;
  const CallWords& words_;
  Scheduler& scheduler_;
  Syscalls& syscalls_;
  Listener& listener_;
  std::deque<std::pair<std::int64_t, RecordRef>> suspects_;  // by when to look (again)
  std::deque<ProbeMessage> probes_;                          // have come, to be followed together
  std::int64_t probes_due_ns_ = 0;

  Phase phase_ = Phase::idle;
  std::int64_t resume_ns_ = 0;
  std::deque<RecordRef> due_;  // to be followed when the graph is complete
  std::deque<ProbeMessage> due_probes_;
  std::size_t followed_ = 0;    // in this slice
  std::size_t sends_left_ = 0;  // in this look
};

/// For the log: "A.take on node-1 waits for the lock of A, which goes to …".
[[nodiscard]] std::string describe_ring(const std::vector<WaitLink>& ring);

}  // namespace epic::kernel
