// What is kept of the lives of activations. Whoever brings a life forward says so here, in one line.

#include <fmt/format.h>

#include <algorithm>
#include <map>

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
  if (caller == nullptr && record.site == nullptr) caller = current_;
  if (caller != nullptr && caller->callee && caller->method != nullptr) {
    cause.caller = caller->callee;
    cause.caller_method = caller->method->name;
  } else if (caller != nullptr) {
    cause.from = describe(*caller);
  } else if (record.site != nullptr && !record.site->chain.empty()) {
    cause.from = text_of(record.site->chain.back());
  } else if (record.site != nullptr && !record.site->label.empty()) {
    cause.from = record.site->label;
  } else if (record.site != nullptr && record.site->from.life != 0) {
    cause.from = fmt::format("a task on node-{}", record.site->from.node);
  } else {
    cause.from = current_ != nullptr ? describe(*current_) : "a task";
  }
  return cause;
}

std::int64_t Kernel::begun_ns_of(const Record& record) const {
  const std::int64_t patience = record.patience_ns != 0 ? record.patience_ns : options_.call_patience.count();
  if (record.deadline_ns != INT64_MAX) return record.deadline_ns - patience;
  return record.site != nullptr && record.site->begun_ns != 0 ? record.site->begun_ns : now_ns_;
}

void Kernel::tell(Happening what, const Activation& activation, std::string why, std::int64_t since_ns) {
  trail_.lives.add({.what = what,
                    .wall_ns = wall_ns_,
                    .entity = activation.name,
                    .why = shortened(std::move(why)),
                    .cause = {},
                    .version = activation.version,
                    .took_ns = now_ns_ - since_ns});
}

/// It is active, or never will be.
void Kernel::tell_begun(Happening what, Activation& activation, const std::string& failure) {
  if (activation.rare == nullptr || !activation.rare->cause) return;  // it was active before
  const Activation::Rare& birth = *activation.rare;
  const std::int64_t loaded_ns = birth.loaded_ns != 0 ? birth.loaded_ns : now_ns_;
  const std::int64_t asked_ns = std::min(birth.asked_ns, activation.activated_ns);
  trail_.lives.add({.what = what,
                    .wall_ns = wall_ns_,
                    .entity = activation.name,
                    .why = {},
                    .cause = std::exchange(activation.rare->cause, std::nullopt),
                    .version = activation.version,
                    .took_ns = now_ns_ - asked_ns,
                    .placement_ns = activation.activated_ns - asked_ns,
                    .load_ns = loaded_ns - activation.activated_ns,
                    .start_ns = now_ns_ - loaded_ns});
  if (failure.empty()) return;
  LifeEntry& entry = *trail_.lives.find(trail_.lives.newest());
  entry.why = shortened(fmt::format("{} ({})", failure, entry.why_text(types_)));
  entry.cause.reset();
}

void Kernel::tell_saved(Activation& activation, CommitNumber number) {
  SaveEntry* entry = trail_.saves.find(activation.save_entry);
  if (entry == nullptr || now_ns_ - entry->since_ns >= limits::kSavesWindow.count()) {
    activation.save_entry = trail_.saves.add(
        {.since_ns = now_ns_, .entity = activation.name, .version = activation.version, .commit = number});
    entry = trail_.saves.find(activation.save_entry);
  }
  entry->wall_ns = wall_ns_;
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

// ---- slow to stop ----

/// It is to go: remembers why and since when, and looks again in a while.
void Kernel::watch_stop(Activation& activation, StopCause cause) {
  if (activation.stop_asked_ns() != 0) return;
  activation.stop_cause = cause;
  activation.get_rare().stop_asked_ns = now_ns_;
  if (stops_watched_.size() < limits::kStopsWatchedMax)
    stops_watched_.emplace_back(now_ns_ + limits::kSlowToStop.count(), activation.id);
}

void Kernel::tell_slow_stops() {
  std::vector<Activation*> slow;
  for (; !stops_watched_.empty() && stops_watched_.front().first <= now_ns_; stops_watched_.pop_front())
    if (Activation* activation = activations_.find(stops_watched_.front().second);
        activation != nullptr && activation->stop_asked_ns() != 0 &&
        now_ns_ - activation->stop_asked_ns() >= limits::kSlowToStop.count())  // it may have been asked anew
      slow.push_back(activation);
  if (slow.empty()) return;
  std::map<const Activation*, std::vector<std::string>> running;
  for (const Activation* activation : slow) running[activation];
  calls_.for_each([&](const Record& record) {
    const auto found = running.find(activation_of(&record));
    if (found != running.end() && record.has_run && found->second.size() < kCallsNamedMax)
      found->second.push_back(record.method != nullptr ? std::string(record.method->name) : describe(record));
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
