// What the kernel as a whole knows of an event: the call that caused an activation, the calls that waited for each
// other, and what keeps an activation that is slow to leave memory.

#include <fmt/format.h>

#include <map>
#include <set>

#include "kernel/kernel.hpp"

namespace epic::kernel {

namespace {

constexpr std::size_t kCallsNamedMax = 3;

std::string text_of(const ChainLink& link) {
  return link.method.empty() ? link.entity : link.entity + "." + link.method;
}

}  // namespace

Cause Kernel::cause_of(const Record& record) const {
  Cause cause;
  if (record.method != nullptr) cause.method = record.method->name;
  const Record* caller = record.caller;
  if (caller == nullptr && record.site == nullptr) caller = execution_.current;
  if (caller != nullptr && caller->callee && caller->method != nullptr) {
    cause.caller = caller->callee;
    cause.caller_method = caller->method->name;
  } else if (caller != nullptr) {
    cause.from = words_.describe(*caller);
  } else if (record.site != nullptr && !record.site->chain.empty()) {
    cause.from = text_of(record.site->chain.back());
  } else if (record.site != nullptr && !record.site->label.empty()) {
    cause.from = record.site->label;
  } else if (record.site != nullptr && record.site->from.life != 0) {
    cause.from = fmt::format("a task on node-{}", record.site->from.node);
  } else {
    cause.from = execution_.current != nullptr ? words_.describe(*execution_.current) : "a task";
  }
  return cause;
}

/// To the nodes that have a part in it, and for ours.
void Kernel::on_deadlock(const DeadlockMessage& deadlock) {
  std::set<NodeId> nodes;
  for (const WaitLink& link : deadlock.ring) nodes.insert(link.node);
  for (const NodeId node : nodes)
    if (const PeerAddress peer = routing_.address_of(node); node != options_.self.node && peer.life != 0)
      syscalls_.send(peer, deadlock);
  learn(deadlock);
}

/// For the log and the events of each of our entities in the ring.
void Kernel::learn(const DeadlockMessage& deadlock) {
  const std::string text = "calls waited for each other, and one had to fail: " + describe_ring(deadlock.ring);
  std::set<std::string_view> told;
  for (const WaitLink& link : deadlock.ring) {
    if (link.node != options_.self.node || !told.insert(link.entity).second) continue;
    syscalls_.log(LogLevel::warn, link.entity, text);
    if (const Activation* activation = activations_.find(types_.stored(link.entity)))
      events_.add(Happening::deadlocked, activation->subject(), text, execution_.now_ns);
  }
}

// ---- slow to stop ----

/// It is to leave: records why and since when, and checks again after a while.
void Kernel::watch_stop(Activation& activation, StopCause cause) {
  if (activation.stop_asked_ns() != 0) return;
  activation.stop_cause = cause;
  activation.get_rare().stop_asked_ns = execution_.now_ns;
  if (stops_watched_.size() < limits::kStopsWatchedMax)
    stops_watched_.emplace_back(execution_.now_ns + limits::kSlowToStop.count(), activation.id);
}

void Kernel::tell_slow_stops() {
  std::vector<Activation*> slow;
  for (; !stops_watched_.empty() && stops_watched_.front().first <= execution_.now_ns; stops_watched_.pop_front())
    if (Activation* activation = activations_.find(stops_watched_.front().second);
        activation != nullptr && activation->stop_asked_ns() != 0 &&
        execution_.now_ns - activation->stop_asked_ns() >= limits::kSlowToStop.count())  // it may have been asked again
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
        why = blocked_.empty() ? "its last change is not saved yet" : "its last change cannot be saved: " + blocked_;
        break;
    }
    events_.add(Happening::slow_to_stop, activation->subject(), std::move(why), activation->stop_asked_ns());
  }
}

}  // namespace epic::kernel
