#pragma once
// SlowStops: records why an activation that is to leave memory has not left after kSlowToStop, for `epic events`.

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernel/activations/activation_table.hpp"
#include "kernel/admission.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/events/events.hpp"

namespace epic::kernel {

class SlowStops {
 public:
  SlowStops(const Clock& clock, const ActivationTable& table, Calls& calls, const CallWords& words,
            const Admission& admission, Events& events)
      : clock_(clock), table_(table), calls_(calls), words_(words), admission_(admission), events_(events) {}

  /// The activation is to leave; further calls of this change nothing.
  void watch(Activation& activation, StopCause cause);
  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    if (look_.is_on()) return 0;
    return watched_.empty() ? std::nullopt : std::optional(watched_.front().first);
  }

 private:
  void report();

  const Clock& clock_;
  const ActivationTable& table_;
  Calls& calls_;
  const CallWords& words_;
  const Admission& admission_;
  Events& events_;
  std::deque<std::pair<std::int64_t, ActivationId>> watched_;  // by when they should be gone
  std::map<ActivationId, std::vector<std::string>> slow_;      // … and are not, with some of their running calls
  CallTable::Look look_;                                       // for those calls
};

}  // namespace epic::kernel
