#pragma once
// TurnWatch: detects from another thread that a turn takes long, and reports its entity.
//
// The execution thread counts in two atomics, at almost no cost: the engine what it lets the kernel do
// (turn_counter.hpp), the kernel the turns of entities that end meanwhile, because a call inside the node goes from one
// entity to the next at once. The watching thread checks both now and then: a turn during which neither has changed is
// at least as old as the time in between. To learn whose turn it is without touching the execution thread's data, it
// sends that thread a signal, whose handler copies the names, unless another turn has begun by then.
//
// The engine's count, and whose turn it is if that has gone on for more than one look, may lie in memory that the
// supervisor reads when the process has been killed (protocol/crash_report.hpp).
//
// Invariant: an entity is named only for a turn that has been its own from one look to the next.
// Signal: SIGURG, which is ignored by default and not used by anything else in a node.

#include <pthread.h>

#include <array>
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
  /// The minimum duration of the current turn; 0 between turns. `ended_turns`: Kernel::turns_count(); 0 without one.
  std::int64_t look(std::int64_t now_ns, std::uint64_t ended_turns);

 private:
  struct Turn {
    std::uint64_t counter = 0;  // of the engine; odd: within a turn
    std::uint64_t ended = 0;    // of the kernel
    bool operator==(const Turn&) const = default;
  };
  static void on_signal(int);
  void note_names();

  std::int64_t report_ns_;
  Report report_;
  pthread_t execution_thread_;
  std::atomic<std::uint64_t> own_counter_{0};
  TurnCounter counter_;
  protocol::CrashReport* shared_;

  Turn seen_;
  std::int64_t seen_since_ns_ = 0;
  bool is_asked_ = false;  // whose turn it is
  bool is_reported_ = false;

  // Between the watching thread and the signal's handler.
  std::atomic<std::uint64_t> asked_counter_{0};  // of the turn in question
  std::atomic<std::uint64_t> asked_ended_{0};
  std::atomic<bool> is_answered_{false};
  std::array<char, 256> entity_{};
  std::array<char, 128> method_{};
};

}  // namespace epic::io
