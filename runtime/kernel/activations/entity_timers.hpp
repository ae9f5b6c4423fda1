#pragma once
// EntityTimers: the timers that entities have started, and their ticks.
//
// A timer belongs to an activation, which holds it (TimersOf), and stands in a queue by its next due time. A tick is an
// execution of the entity like one of its own tasks: nothing waits for it, so it holds up no stop (EarlyEnds). One
// whose entity is to leave does not start: it is due again soon, in case the entity stays after all.
//
// The schedule is a grid: due times are multiples of the interval from the first, and what the node misses is skipped.
// Firsts are spread over the interval, by multiples of the golden ratio: any number of them are nearly even (Knuth, The
// Art of Computer Programming, 6.4, theorem S).
//
// Not here: frames that sleep (calls/parked_frames.hpp), how users start a timer (epic/timer.hpp).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "epic/timer.hpp"
#include "kernel/activations/activation_table.hpp"
#include "kernel/admission.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/scheduler.hpp"

namespace epic::kernel {

struct EntityTimer {
  ActivationId activation;
  std::unique_ptr<detail::TickSource> source;
  std::string method = "timer";  // its name, if it is listed
  bool is_exclusive = false;
  bool is_pinning = true;
  std::int64_t due_ns = 0;
  std::int64_t interval_ns = 0;  // 0: once
  std::uint64_t skipped = 0;     // since the last tick
  RecordRef tick = {};           // the last one
};

/// The timers of one activation, by number.
struct TimersOf {
  std::map<std::uint64_t, EntityTimer> list;
  std::size_t pinning_count = 0;
  std::uint64_t phase = 0;  // of its first ticks, in 2^-64 of the interval
};

class EntityTimers {
 public:
  EntityTimers(Scheduler& scheduler, ActivationTable& table, const Admission& admission, Calls& calls)
      : scheduler_(scheduler), table_(table), admission_(admission), calls_(calls) {}

  /// `interval_ns`: 0: once, after the delay.
  detail::TimerId start(Activation& activation, std::unique_ptr<detail::TickSource> source, std::int64_t delay_ns,
                        std::int64_t interval_ns);
  /// A timer that is gone is no error here.
  void stop(const detail::TimerId& timer);
  void unpin(const detail::TimerId& timer);
  [[nodiscard]] bool has(const detail::TimerId& timer) { return find(timer) != nullptr; }
  /// The activation leaves memory.
  void stop_all(Activation& activation);

  /// The timer that is due next; null: there is none.
  [[nodiscard]] const EntityTimer* first() const { return by_due_.empty() ? nullptr : by_due_.begin()->second; }

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return by_due_.empty() ? std::nullopt : std::optional(by_due_.begin()->first.first);
  }

 private:
  using Place = std::pair<std::int64_t, std::uint64_t>;  // when it is due, and its number

  [[nodiscard]] EntityTimer* find(const detail::TimerId& timer);
  [[nodiscard]] std::int64_t first_due_ns(TimersOf& timers, std::int64_t interval_ns);
  void remove(Activation& activation, std::uint64_t number);
  void fire(EntityTimer& timer, std::uint64_t number);
  void begin_tick(EntityTimer& timer, Activation& activation);

  Scheduler& scheduler_;
  ActivationTable& table_;
  const Admission& admission_;
  Calls& calls_;
  std::map<Place, EntityTimer*> by_due_;
  std::uint64_t next_number_ = 1;
  std::uint64_t next_phase_ = 0;
};

}  // namespace epic::kernel
