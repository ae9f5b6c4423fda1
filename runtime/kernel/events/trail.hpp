#pragma once
// Trail: recent events of this node's entities, for `epic events`.
//
// Two rings, each bounded by count and by bytes: one of lifecycle events (activated, deactivated, failed …), one of
// saves, so that a counter that is saved all the time does not push out why it was activated. Saves of one activation
// within kSavesWindow are one entry, changed in place: a save costs a look-up by number, and nothing is allocated.
//
// Entries are numbered from 1, separately in each ring; a follower asks for what came after the last number that it has
// seen. Windows of saves close in the order in which they were opened, so that a follower gets each once.
//
// Times are those of the kernel's ticks: code that never yields takes none. The reason for an activation is put into
// words only on request: a million activations would spend half of their time on it.
//
// Not here: what an entry looks like outside (node/events_answer.cpp), events of processes (the supervisor).

#include <algorithm>
#include <boost/circular_buffer.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "epic/entity.hpp"
#include "kernel/ids.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class TypeTable;

/// Numbered entries. The oldest are dropped when there are too many, or too many bytes.
template <class Entry>
class TrailRing {
 public:
  TrailRing(std::size_t count_max, std::size_t bytes_max) : count_max_(count_max), bytes_max_(bytes_max) {}

  /// Assigns the entry its number.
  std::uint64_t add(Entry entry) {
    entry.number = ++newest_;
    bytes_ += entry.bytes_held();
    if (entries_.full())
      entries_.set_capacity(std::min(std::max<std::size_t>(64, entries_.size() * 2), count_max_ + 1));
    entries_.push_back(std::move(entry));
    while (entries_.size() > count_max_ || (bytes_ > bytes_max_ && entries_.size() > 1)) {
      bytes_ -= entries_.front().bytes_held();
      entries_.pop_front();
    }
    return newest_;
  }
  /// Null if it was dropped, and for 0. Changes in place must keep bytes_held().
  [[nodiscard]] Entry* find(std::uint64_t number) {
    const std::uint64_t gone = newest_ - entries_.size();
    return number > gone && number <= newest_ ? &entries_[number - gone - 1] : nullptr;
  }
  [[nodiscard]] const boost::circular_buffer<Entry>& entries() const { return entries_; }
  /// The number of the newest entry; 0 before the first.
  [[nodiscard]] std::uint64_t newest() const { return newest_; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::size_t count_max_;
  std::size_t bytes_max_;
  boost::circular_buffer<Entry> entries_;
  std::uint64_t newest_ = 0;
  std::size_t bytes_ = 0;
};

enum class Happening : std::uint8_t {
  activated,
  failed,  // could not be activated; `why` is the reason
  erased,
  collected,     // idle, or the least recently used when memory was short
  moved,         // its shard goes to another node
  stopped,       // its node stops
  replaced,      // a state from outside replaced it
  discarded,     // its memory could not be kept; `why` is the reason
  deadlocked,    // calls of it and of others waited for each other; `why` is the ring
  slow_to_stop,  // should have been deactivated a while ago, and has not
};

/// Why an activation is deactivated.
enum class StopCause : std::uint8_t { idle, memory, moved, stopped, replaced };

/// The call that made the kernel activate an entity.
struct Cause {
  std::string_view method;  // empty: a task
  detail::NamePtr caller;   // null: `from` made the call
  std::string_view caller_method;
  std::string from;
};

struct LifeEntry {
  std::uint64_t number = 0;
  Happening what{};
  std::int64_t wall_ns = 0;
  detail::NamePtr entity;
  std::string why;
  std::optional<Cause> cause;  // replaces `why`
  Version version;
  std::int64_t took_ns = 0;  // from the cause to the event
  // parts of took_ns, when it was activated (or failed to be):
  std::int64_t placement_ns = 0;  // its shard was not owned by this node yet
  std::int64_t load_ns = 0;
  std::int64_t start_ns = 0;  // on_activate
  [[nodiscard]] std::size_t bytes_held() const { return sizeof *this + entity->text.size() + why.size(); }
  [[nodiscard]] std::string why_text(const TypeTable& types) const;
};

struct SaveEntry {
  std::uint64_t number = 0;
  std::int64_t since_ns = 0;  // monotonic: when the window was opened
  std::int64_t wall_ns = 0;   // of the newest
  detail::NamePtr entity;
  Version version;
  CommitNumber commit;
  std::uint64_t state_bytes = 0;
  std::uint64_t count = 0;
  [[nodiscard]] std::size_t bytes_held() const { return sizeof *this + entity->text.size(); }
};

struct Trail {
  TrailRing<LifeEntry> lives{limits::kTrailLivesMax, limits::kTrailBytesMax};
  TrailRing<SaveEntry> saves{limits::kTrailSavesMax, limits::kTrailBytesMax};
};

}  // namespace epic::kernel
