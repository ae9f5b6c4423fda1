// What is kept of the lives of activations. Whoever brings a life forward says so here, in one line.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "kernel/kernel.hpp"

namespace epic::kernel {

namespace {

constexpr std::size_t kCallsNamedMax = 3;

std::string shortened(std::string why) {
  if (why.size() > limits::kTrailWhyBytesMax) {
    why.resize(limits::kTrailWhyBytesMax);
    why += " …";
  }
  return why;
}

std::string text_of(const ChainLink& link) {
  return link.method.empty() ? link.entity : link.entity + "." + link.method;
}

}  // namespace

/// "get_score, called by Match/7.play".
std::string LifeEntry::why_text(const TypeTable& types) const {
  if (!cause) return why;
  std::string text = fmt::format("{}, called by ", cause->method.empty() ? "a task" : cause->method);
  if (cause->caller)
    text += fmt::format("{}.{}", types.shown(cause->caller->text), cause->caller_method);
  else
    text += cause->from;
  return shortened(std::move(text));
}

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

void Kernel::tell(Happening what, const Activation& activation, std::string why, std::int64_t since_ns) {
  trail_.lives.add({.what = what,
                    .wall_ns = execution_.wall_ns,
                    .entity = activation.name,
                    .why = shortened(std::move(why)),
                    .cause = {},
                    .version = activation.version,
                    .took_ns = execution_.now_ns - since_ns});
}

/// It is active, or never will be.
void Kernel::tell_begun(Happening what, Activation& activation, const std::string& failure) {
  if (activation.rare == nullptr || !activation.rare->cause) return;  // it was active before
  const Activation::Rare& birth = *activation.rare;
  const std::int64_t loaded_ns = birth.loaded_ns != 0 ? birth.loaded_ns : execution_.now_ns;
  const std::int64_t asked_ns = std::min(birth.asked_ns, activation.activated_ns);
  trail_.lives.add({.what = what,
                    .wall_ns = execution_.wall_ns,
                    .entity = activation.name,
                    .why = {},
                    .cause = std::exchange(activation.rare->cause, std::nullopt),
                    .version = activation.version,
                    .took_ns = execution_.now_ns - asked_ns,
                    .placement_ns = activation.activated_ns - asked_ns,
                    .load_ns = loaded_ns - activation.activated_ns,
                    .start_ns = execution_.now_ns - loaded_ns});
  if (failure.empty()) return;
  LifeEntry& entry = *trail_.lives.find(trail_.lives.newest());
  entry.why = shortened(fmt::format("{} ({})", failure, entry.why_text(types_)));
  entry.cause.reset();
}

void Kernel::tell_saved(Activation& activation, CommitNumber number) {
  SaveEntry* entry = trail_.saves.find(activation.save_entry);
  if (entry == nullptr || execution_.now_ns - entry->since_ns >= limits::kSavesWindow.count()) {
    activation.save_entry = trail_.saves.add(
        {.since_ns = execution_.now_ns, .entity = activation.name, .version = activation.version, .commit = number});
    entry = trail_.saves.find(activation.save_entry);
  }
  entry->wall_ns = execution_.wall_ns;
  entry->version = activation.version;
  entry->commit = number;
  entry->state_bytes = activation.state_bytes;
  ++entry->count;
}

/// It is out of memory, and all of it is saved.
void Kernel::tell_left(const Activation& activation) {
  const std::int64_t asked_ns = activation.stop_asked_ns();
  const auto idle_s = (asked_ns - activation.last_used_ns) / 1'000'000'000;
  switch (activation.stop_cause) {
    case StopCause::idle:
      return tell(Happening::collected, activation, fmt::format("idle for {} s", idle_s), asked_ns);
    case StopCause::memory:
      return tell(Happening::collected, activation, fmt::format("to make room in memory; idle for {} s", idle_s),
                  asked_ns);
    case StopCause::moved:
      return tell(Happening::moved, activation, fmt::format("shard {} goes to another node", activation.shard),
                  asked_ns);
    case StopCause::stopped:
      return tell(Happening::stopped, activation, "the node stops", asked_ns);
    case StopCause::replaced:
      return tell(Happening::replaced, activation, "its state came from outside", asked_ns);
  }
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

/// For the log and the trail of each entity of ours that had a part in it.
void Kernel::learn(const DeadlockMessage& deadlock) {
  const std::string text = "calls waited for each other, and one had to fail: " + describe_ring(deadlock.ring);
  std::set<std::string_view> told;
  for (const WaitLink& link : deadlock.ring) {
    if (link.node != options_.self.node || !told.insert(link.entity).second) continue;
    syscalls_.log(LogLevel::warn, link.entity, text);
    if (const Activation* activation = activations_.find(types_.stored(link.entity)))
      tell(Happening::deadlocked, *activation, text, execution_.now_ns);
  }
}

// ---- slow to stop ----

/// It is to go: remembers why and since when, and looks again in a while.
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
        execution_.now_ns - activation->stop_asked_ns() >= limits::kSlowToStop.count())  // it may have been asked anew
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
    tell(Happening::slow_to_stop, *activation, std::move(why), activation->stop_asked_ns());
  }
}

}  // namespace epic::kernel
