#pragma once
// Events: records what happens to entities, in words that `epic events` shows.
//
// Each step of an activation's life adds an event here, in one line; what follows from it (times, texts, the
// joining of saves) is decided here. An event is a plain value about a name: nothing here knows what an activation is.
//
// Invariant: memory is bounded, whatever happens (trail.hpp).
// Not here:  how an event looks outside (node/), what happens to processes (the supervisor).

#include <cstdint>
#include <optional>
#include <string>

#include "kernel/clock.hpp"
#include "kernel/events/trail.hpp"
#include "kernel/ids.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

/// What an event is about.
struct Subject {
  const detail::NamePtr& entity;
  Version version;
};

/// How an activation came about. Times are monotonic.
struct Birth {
  std::optional<Cause> cause;  // empty: no call asked for it, and no event is added
  std::int64_t asked_ns = 0;
  std::int64_t placed_ns = 0;  // its shard was this node's
  std::int64_t loaded_ns = 0;  // 0: it was not
};

/// How an activation left memory.
struct Departure {
  StopCause cause{};
  std::int64_t asked_ns = 0;
  std::int64_t last_used_ns = 0;
  ShardId shard;
};

class Events {
 public:
  Events(const Clock& clock, const TypeTable& types) : clock_(clock), types_(types) {}

  void add(Happening what, const Subject& subject, std::string why, std::int64_t since_ns);
  void add_activated(const Subject& subject, Birth birth);
  void add_failed(const Subject& subject, Birth birth, const std::string& why);
  void add_left(const Subject& subject, const Departure& departure);
  /// `newest`: what this returned for the entity's save before, or 0. Saves within kSavesWindow are one event.
  [[nodiscard]] std::uint64_t add_save(const Subject& subject, std::uint64_t newest, CommitNumber commit,
                                       std::uint64_t state_bytes);

  [[nodiscard]] const Trail& trail() const { return trail_; }

 private:
  [[nodiscard]] LifeEntry make_birth(Happening what, const Subject& subject, const Birth& birth) const;

  const Clock& clock_;
  const TypeTable& types_;
  Trail trail_;
};

}  // namespace epic::kernel
