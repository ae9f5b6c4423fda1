#include "kernel/events/events.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace epic::kernel {

namespace {

std::string shortened(std::string why) {
  if (why.size() > limits::kTrailWhyBytesMax) {
    why.resize(limits::kTrailWhyBytesMax);
    why += " …";
  }
  return why;
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

void Events::add(Happening what, const Subject& subject, std::string why, std::int64_t since_ns) {
  trail_.lives.add({.what = what,
                    .wall_ns = clock_.wall_ns,
                    .entity = subject.entity,
                    .why = shortened(std::move(why)),
                    .cause = {},
                    .version = subject.version,
                    .took_ns = clock_.now_ns - since_ns});
}

LifeEntry Events::make_birth(Happening what, const Subject& subject, const Birth& birth) const {
  const std::int64_t loaded_ns = birth.loaded_ns != 0 ? birth.loaded_ns : clock_.now_ns;
  const std::int64_t asked_ns = std::min(birth.asked_ns, birth.placed_ns);
  return {.what = what,
          .wall_ns = clock_.wall_ns,
          .entity = subject.entity,
          .why = {},
          .cause = {},
          .version = subject.version,
          .took_ns = clock_.now_ns - asked_ns,
          .placement_ns = birth.placed_ns - asked_ns,
          .load_ns = loaded_ns - birth.placed_ns,
          .start_ns = clock_.now_ns - loaded_ns};
}

void Events::add_activated(const Subject& subject, Birth birth) {
  if (!birth.cause) return;
  LifeEntry entry = make_birth(Happening::activated, subject, birth);
  entry.cause = std::move(birth.cause);
  trail_.lives.add(std::move(entry));
}

void Events::add_failed(const Subject& subject, Birth birth, const std::string& why) {
  if (!birth.cause) return;
  LifeEntry entry = make_birth(Happening::failed, subject, birth);
  entry.cause = std::move(birth.cause);
  entry.why = shortened(fmt::format("{} ({})", why, entry.why_text(types_)));
  entry.cause.reset();
  trail_.lives.add(std::move(entry));
}

void Events::add_left(const Subject& subject, const Departure& departure) {
  // A call may have come between the decision and the stop.
  const auto idle_s = std::max<std::int64_t>(0, departure.asked_ns - departure.last_used_ns) / 1'000'000'000;
  switch (departure.cause) {
    case StopCause::idle:
      return add(Happening::collected, subject, fmt::format("idle for {} s", idle_s), departure.asked_ns);
    case StopCause::memory:
      return add(Happening::collected, subject, fmt::format("to make room in memory; idle for {} s", idle_s),
                 departure.asked_ns);
    case StopCause::moved:
      return add(Happening::moved, subject, fmt::format("shard {} goes to another node", departure.shard),
                 departure.asked_ns);
    case StopCause::stopped:
      return add(Happening::stopped, subject, "the node stops", departure.asked_ns);
    case StopCause::replaced:
      return add(Happening::replaced, subject, "its state came from outside", departure.asked_ns);
  }
}

std::uint64_t Events::add_save(const Subject& subject, std::uint64_t newest, CommitNumber commit,
                               std::uint64_t state_bytes) {
  SaveEntry* entry = trail_.saves.find(newest);
  if (entry == nullptr || clock_.now_ns - entry->since_ns >= limits::kSavesWindow.count()) {
    newest = trail_.saves.add(
        {.since_ns = clock_.now_ns, .entity = subject.entity, .version = subject.version, .commit = commit});
    entry = trail_.saves.find(newest);
  }
  entry->wall_ns = clock_.wall_ns;
  entry->version = subject.version;
  entry->commit = commit;
  entry->state_bytes = state_bytes;
  ++entry->count;
  return newest;
}

}  // namespace epic::kernel
