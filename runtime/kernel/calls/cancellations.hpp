#pragma once
// Cancellations: calls and tasks whose caller no longer wants them (Spawned::cancel).
//
// The caller has its answer at once: epic::Cancelled, and if the code had begun, the outcome is unknown to it. What had
// not begun never does. Code that runs gets epic::Cancelled, once, at the co_await where it stands or at its next one;
// what it waits for there is cancelled as well, also on other nodes. It keeps its locks until it has unwound, and may
// catch the exception to clean up first.
//
// Where an execution stands is not known without looking: so what has been cancelled is gathered, and found together in
// a look through the calls and the frames that wait for something else, by slices. One that is not found there is about
// to resume, and its next wait fails at once (Calls, ParkedWait).
//
// Not here: an entity's own tasks, when it is to leave (early_ends.hpp).

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel/calls/calls.hpp"
#include "kernel/calls/parked_frames.hpp"
#include "kernel/peer_sends.hpp"

namespace epic::kernel {

class Cancellations {
 public:
  struct Uses {
    Scheduler& scheduler;
    const CallWords& words;
    Calls& calls;
    ParkedFrames& parked;
    PeerSends& sends;
  };

  explicit Cancellations(const Uses& uses) : uses_(uses) {}

  /// By the execution that runs just now.
  void cancel(Record& call);
  /// By a caller at `from`. One that has ended, or is not known here, is no error.
  void on_cancel(const PeerAddress& from, const CallId& id) { asked_.emplace(from, id); }

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    if (phase_ != Phase::idle) return 0;
    return running_.empty() && asked_.empty() ? std::nullopt : std::optional(next_look_ns_);
  }

 private:
  enum class Phase : std::uint8_t { idle, looking, waking, cancelling };

  void cancel(Record& call, const std::string& by);
  void look();
  [[nodiscard]] bool begin_look();
  void see(Record& record);
  [[nodiscard]] bool wake_some();
  [[nodiscard]] bool cancel_some();
  void end_look();

  Uses uses_;
  std::vector<RecordRef> running_;                  // to be found in the next look
  std::set<std::pair<PeerAddress, CallId>> asked_;  // the same, of other nodes
  std::int64_t next_look_ns_ = 0;

  // This look:
  Phase phase_ = Phase::idle;
  CallTable::Look look_;
  std::map<const Record*, RecordRef> sought_;                 // executions that have not got epic::Cancelled yet
  std::set<std::pair<PeerAddress, CallId>> asked_now_;        // by other nodes
  std::vector<std::pair<RecordRef, std::string>> to_cancel_;  // found, and on whose behalf
  ParkedFrames::Place woken_;                                 // up to which frames have been looked at
};

}  // namespace epic::kernel
