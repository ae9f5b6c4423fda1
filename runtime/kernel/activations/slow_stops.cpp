#include "kernel/activations/slow_stops.hpp"

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

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
  std::vector<Activation*> slow;
  for (; !watched_.empty() && watched_.front().first <= clock_.now_ns; watched_.pop_front())
    if (Activation* activation = table_.find(watched_.front().second);
        activation != nullptr && activation->stop_asked_ns() != 0 &&
        clock_.now_ns - activation->stop_asked_ns() >= limits::kSlowToStop.count())  // it may have been asked again
      slow.push_back(activation);
  if (slow.empty()) return;
  std::map<const Activation*, std::vector<std::string>> running;
  for (const Activation* activation : slow) running[activation];
  calls_.for_each([&](const Record& record) {
    const auto found = running.find(activation_of(&record));
    if (found != running.end() && record.has_run && found->second.size() < kCallsNamedMax)
      found->second.push_back(record.method != nullptr ? std::string(record.method->name) : words_.describe(record));
  });
  for (const Activation* activation : slow) {
    std::string why;
    switch (activation->state) {
      case Activation::State::loading:
      case Activation::State::starting:
        why = "it is still being activated";
        break;
      case Activation::State::active:
      case Activation::State::ending:
        why = fmt::format("{} of its calls run: {}", activation->running, fmt::join(running[activation], ", "));
        break;
      case Activation::State::stopping:
        why = "on_deactivate has not returned";
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
