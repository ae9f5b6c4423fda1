#pragma once
// Activation: an entity's one live instance, and what the kernel knows about it.
//
// There may be millions that only wait for their next call, so an idle one is small: what few entities need at a time
// (waiting calls, why it was activated, a replacement) is in a separate part, and the lock allocates when it is taken.
// The first cache line holds what a call inside the node touches.
//
// Not here: finding one (activation_table.hpp).

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "epic/entity.hpp"
#include "epic/entity_info.hpp"
#include "kernel/entity_lock.hpp"
#include "kernel/events/events.hpp"
#include "kernel/hash128.hpp"
#include "kernel/ids.hpp"
#include "kernel/messages.hpp"
#include "kernel/reminder_names.hpp"
#include "kernel/syscalls.hpp"

namespace epic::kernel {

struct TypeEntry;
struct TimersOf;
/// TimersOf is complete only where timers are.
struct DeleteTimers {
  void operator()(TimersOf* timers) const noexcept;
};

/// How replacing an entity's state from outside ended.
enum class Replaced : std::uint8_t {
  done,         // durable
  equal,        // it already had that state
  passed_over,  // it has another version than the one to be replaced
};
using OnReplaced = std::function<void(std::expected<Replaced, ErrorPart>)>;

/// A state from outside, about to replace an entity's state (replacements.hpp).
struct Replacement {
  std::optional<std::vector<std::byte>> state;  // by the class's current schema; empty: the entity starts afresh
  std::optional<Version> only_if;               // another version is left alone
  OnReplaced on_end;
  std::int64_t deadline_ns = 0;  // running calls must have ended by then
  bool is_written = false;       // goes into the forming batch, or is in one
  bool is_encoded = false;
  bool is_damaged = false;  // what is stored cannot be read
};

struct alignas(64) Activation {
  enum class State : std::uint8_t {
    loading,   // the load has been requested
    starting,  // on_activate is running
    active,
    ending,     // like active, but only for calls that its running calls wait for: a replacement waits for their end
    stopping,   // on_deactivate is running
    leaving,    // waits for its last save
    replacing,  // the instance is gone; its replacement waits for the commit
    reaping,    // the instance must not be kept: nothing of it runs any more, and its executions are being ended
    gone,       // out of memory, but calls that have waited for it are still to be routed anew (WaitEnds)
  };

  /// Fields that few activations need, and most of those only for a short time (not timers and reminders).
  struct Rare {
    std::vector<RecordRef> waiting;  // calls, until it is active
    std::unique_ptr<Replacement> replacement;
    std::optional<Hash128> erased_hash;  // of the state that the last erasing turn left; a different one is saved again
    std::int64_t save_due_ns = 0;        // interval(…): changes until then are saved then
    std::int64_t stop_asked_ns = 0;      // 0: it was not
    Birth birth;                         // until it is active
    const Record* hook = nullptr;        // on_activate or on_deactivate, while it runs
    std::unique_ptr<TimersOf, DeleteTimers> timers;  // null: none
    std::vector<Operation> mail;  // that go with its next save: what it sends, what becomes of what it has received,
                                  // and what it does to its reminders
    ReminderNames reminders;
  };

  ActivationId id;  // generation 0: a free slot
  const TypeEntry* type = nullptr;
  Entity* entity = nullptr;
  std::unique_ptr<Rare> rare;  // null if nothing of it is needed
  CommitNumber observed;       // newest commit observed, apart from its own unsaved change
  std::uint32_t running = 0;   // executions that have started and not ended
  std::uint32_t queued = 0;    // of its calls, those in the run queue
  State state = State::loading;
  bool is_dirty = false;   // a turn has changed it since it was last encoded
  bool has_row = false;    // the store has a state of it, at `version`, or will have
  bool has_saved = false;  // saved_hash is what the store has, or will have, with the current schema
  bool is_erased = false;  // erase() was called since the last save
  bool must_stop = false;  // deactivated as soon as nothing runs
  StopCause stop_cause{};  // with Rare::stop_asked_ns
  ActivationCause cause{};
  bool is_in_queue = false;  // the collector's
  std::int64_t last_used_ns = 0;

  detail::NamePtr name;
  std::uint64_t calls_count = 0;
  EntityLock lock;
  ShardId shard;
  std::uint32_t state_bytes = 0;   // encoded
  std::uint64_t memory_bytes = 0;  // of the instance, from its table; counted in the node's sum until it is to leave
  Version version;
  Hash128 saved_hash;
  CommitNumber saved_in;         // the batch that carried its last change
  std::int64_t saved_at_ns = 0;  // wall clock; 0: nothing of it is saved
  std::int64_t activated_ns = 0;
  std::uint64_t save_event = 0;  // of its newest save

  // ActivationTable's and IdleQueue's:
  struct Links {
    std::uint32_t previous = kNoSlot;
    std::uint32_t next = kNoSlot;
  };
  static constexpr std::uint32_t kNoSlot = UINT32_MAX;
  Links in_shard;
  Links in_queue;
  std::int64_t queued_ns = 0;  // when the collector last looked at it

  [[nodiscard]] Subject subject() const { return {name, version}; }
  [[nodiscard]] bool has_waiting() const { return rare != nullptr && !rare->waiting.empty(); }
  [[nodiscard]] std::size_t waiting_count() const { return rare == nullptr ? 0 : rare->waiting.size(); }
  [[nodiscard]] Replacement* replacement() const { return rare == nullptr ? nullptr : rare->replacement.get(); }
  /// As soon as nothing of it runs.
  [[nodiscard]] bool is_to_leave() const { return must_stop || replacement() != nullptr; }
  [[nodiscard]] TimersOf* timers() const { return rare == nullptr ? nullptr : rare->timers.get(); }
  [[nodiscard]] const Record* hook() const { return rare == nullptr ? nullptr : rare->hook; }
  [[nodiscard]] std::int64_t stop_asked_ns() const { return rare == nullptr ? 0 : rare->stop_asked_ns; }
  [[nodiscard]] const Hash128* erased_hash() const {
    return rare != nullptr && rare->erased_hash ? &*rare->erased_hash : nullptr;
  }
  /// Frees the rare part if nothing of it is in use.
  void trim() {
    if (rare != nullptr && rare->waiting.empty() && rare->replacement == nullptr && !rare->erased_hash &&
        !rare->birth.cause && rare->save_due_ns == 0 && rare->stop_asked_ns == 0 && rare->hook == nullptr &&
        rare->timers == nullptr && rare->mail.empty() && rare->reminders.empty())
      rare.reset();
  }
  Rare& get_rare() {
    if (rare == nullptr) rare = std::make_unique<Rare>();
    return *rare;
  }
};

static_assert(sizeof(Activation) <= 192);

}  // namespace epic::kernel
