#include "kernel/activations/slow_stops.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

constexpr std::size_t kCallsNamedMax = 3;

}  // namespace

void SlowStops::watch(Activation& activation, StopCause cause) {
  if (activation.stop_asked_ns() != 0) return;
  activation.stop_cause = cause;
  activation.get_rare().stop_asked_ns = clock_.now_ns;
  if (watched_.size() < limits::kStopsWatchedMax)
    watched_.emplace_back(clock_.now_ns + limits::kSlowToStop.count(), activation.id);
}

void SlowStops::on_time() {
  if (!look_.is_on()) {
    for (; !watched_.empty() && watched_.front().first <= clock_.now_ns; watched_.pop_front())
      if (const Activation* activation = table_.find(watched_.front().second);
          activation != nullptr && activation->stop_asked_ns() != 0 &&
          clock_.now_ns - activation->stop_asked_ns() >= limits::kSlowToStop.count())  // it may have been asked again
        slow_[activation->id];
    if (slow_.empty()) return;
    look_.begin(calls_.table());
  }
  std::size_t visits_left = limits::kLookSlice;
  const bool is_over = look_.go_on(visits_left, [this](const Record& record) {
    const Activation* const activation = activation_of(&record);
    if (activation == nullptr || activation->stop_asked_ns() == 0 || !record.has_run) return;
    const auto found = slow_.find(activation->id);
    if (found != slow_.end() && found->second.size() < kCallsNamedMax)
      found->second.push_back(record.method != nullptr ? std::string(record.method->name) : words_.describe(record));
  });
  if (is_over) report();
}

void SlowStops::report() {
  for (const auto& [id, running] : std::exchange(slow_, {})) {
    const Activation* const activation = table_.find(id);
    if (activation == nullptr || activation->stop_asked_ns() == 0) continue;  // it has left, or may stay
    std::string why;
    switch (activation->state) {
      case Activation::State::loading:
      case Activation::State::starting:
        why = "it is still being activated";
        break;
      case Activation::State::active:
      case Activation::State::ending:
        why = fmt::format("{} of its calls run: {}", activation->running, fmt::join(running, ", "));
        break;
      case Activation::State::stopping:
        why = "on_deactivate has not returned";
        break;
      case Activation::State::gone:
        why = fmt::format("{} calls that waited for it are being routed", activation->waiting_count());
        break;
      case Activation::State::reaping:
        why = "its executions are being ended";
        break;
      case Activation::State::leaving:
      case Activation::State::replacing:
        why = admission_.blocked.empty() ? "its last change is not saved yet"
                                         : "its last change cannot be saved: " + admission_.blocked;
        break;
    }
    events_.add(Happening::slow_to_stop, activation->subject(), std::move(why), activation->stop_asked_ns());
  }
}

}  // namespace epic::kernel
