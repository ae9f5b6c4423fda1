#pragma once
// TurnWatch: detects from another thread that a turn takes long, and reports its entity.
//
// The execution thread counts its turns (turn_counter.hpp), at almost no cost. The watching thread checks the counter
// now and then: a turn that was already there is at least as old as the time in between. To learn whose turn it is
// without touching the execution thread's data, it sends that thread a signal, whose handler copies the names.
//
// The counter, and whose turn it is if that has gone on for more than one look, may lie in memory that the supervisor
// reads when the process has been killed (protocol/crash_report.hpp).
//
// Signal: SIGURG, which is ignored by default and not used by anything else in a node.

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "io/turn_counter.hpp"
#include "protocol/crash_report.hpp"

namespace epic::io {

class TurnWatch {
 public:
  /// Called on the watching thread, once for each turn longer than `report_ns`.
  using Report = std::function<void(const std::string& entity, const std::string& method, std::int64_t turn_ns)>;

  /// Created on the execution thread; one per process. `shared` may be null.
  TurnWatch(std::int64_t report_ns, Report report, protocol::CrashReport* shared = nullptr);
  ~TurnWatch();
  TurnWatch(const TurnWatch&) = delete;
  TurnWatch& operator=(const TurnWatch&) = delete;

  /// For the execution thread, which counts its turns here.
  [[nodiscard]] TurnCounter& counter() { return counter_; }

  // ---- watching thread
  /// The minimum duration of the current turn; 0 between turns.
  std::int64_t look(std::int64_t now_ns);

 private:
  static void on_signal(int);

  std::int64_t report_ns_;
  Report report_;
  pthread_t execution_thread_;
  std::atomic<std::uint64_t> own_counter_{0};
  TurnCounter counter_;

  std::uint64_t seen_ = 0;
  std::int64_t seen_since_ns_ = 0;
  std::uint64_t asked_for_ = 0;
  std::uint64_t reported_ = 0;
};

}  // namespace epic::io
