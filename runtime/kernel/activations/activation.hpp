#pragma once
// Activation: an entity's one live instance, and what the kernel knows of it.
//
// There may be millions that only wait for their next call, so an idle one is small: what few entities need at a time
// (calls that wait, why it was activated, a replacement) is in a part of its own, and the lock allocates when it is
// taken. The first cache line holds what a call inside the node touches.
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
#include "kernel/syscalls.hpp"

namespace epic::kernel {

struct TypeEntry;

/// What replacing an entity's state from outside ended in.
enum class Replaced : std::uint8_t {
  done,         // durable
  equal,        // it had that state
  passed_over,  // it has another version than the one to be replaced
};
using OnReplaced = std::function<void(std::expected<Replaced, ErrorPart>)>;

/// A state from outside on its way into an entity's place (kernel_replace.cpp).
struct Replacement {
  std::optional<std::vector<std::byte>> state;  // by the class's present schema; empty: the entity starts anew
  std::optional<Version> only_if;               // nothing happens to another version
  OnReplaced on_end;
  std::int64_t deadline_ns = 0;  // by then what runs must have ended
  bool is_written = false;       // goes into the forming batch, or is in one
  bool is_encoded = false;
  bool is_damaged = false;  // what is stored cannot be read
};

struct alignas(64) Activation {
  enum class State : std::uint8_t {
    loading,   // the store has been asked
    starting,  // on_activate runs
    active,
    ending,     // as active, but only for calls that what runs of it waits for: a replacement waits for its end
    stopping,   // on_deactivate runs
    leaving,    // waits for its last save
    replacing,  // the instance has gone; its replacement waits for the commit
  };

  /// What few activations need, and none for long.
  struct Rare {
    std::vector<RecordRef> waiting;  // calls, until it is active
    std::unique_ptr<Replacement> replacement;
    std::optional<Hash128> erased_hash;  // of the state that the last erasing turn has left; another one is saved anew
    std::int64_t save_due_ns = 0;        // interval(…): what changes until then is saved then
    std::int64_t stop_asked_ns = 0;      // 0: it was not
    Birth birth;                         // until it is active
  };

  ActivationId id;  // generation 0: a free slot
  const TypeEntry* type = nullptr;
  Entity* entity = nullptr;
  std::unique_ptr<Rare> rare;  // null when nothing of it is needed
  CommitNumber observed;       // newest commit observed, without its own unsaved change
  std::uint32_t running = 0;   // executions that have started and not ended
  std::uint32_t queued = 0;    // of its calls, those in the run queue
  State state = State::loading;
  bool is_dirty = false;     // in the batcher's list
  bool has_row = false;      // the store has a state of it, at `version`, or will have
  bool has_saved = false;    // saved_hash is what the store has, by today's schema, or will have
  bool is_erased = false;    // erase() was called since the last save
  bool must_stop = false;    // goes away as soon as nothing runs
  StopCause stop_cause{};    // with Rare::stop_asked_ns
  bool is_in_queue = false;  // the collector's
  std::int64_t last_used_ns = 0;

  detail::NamePtr name;
  std::uint64_t calls_count = 0;
  EntityLock lock;
  ShardId shard;
  std::uint32_t state_bytes = 0;   // encoded
  std::uint64_t memory_bytes = 0;  // of the instance, by its table; counted in the node's sum until it is to leave
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
  std::int64_t queued_ns = 0;  // when the collector has looked at it

  [[nodiscard]] Subject subject() const { return {name, version}; }
  [[nodiscard]] bool has_waiting() const { return rare != nullptr && !rare->waiting.empty(); }
  [[nodiscard]] std::size_t waiting_count() const { return rare == nullptr ? 0 : rare->waiting.size(); }
  [[nodiscard]] Replacement* replacement() const { return rare == nullptr ? nullptr : rare->replacement.get(); }
  [[nodiscard]] std::int64_t stop_asked_ns() const { return rare == nullptr ? 0 : rare->stop_asked_ns; }
  [[nodiscard]] const Hash128* erased_hash() const {
    return rare != nullptr && rare->erased_hash ? &*rare->erased_hash : nullptr;
  }
  /// Frees the rare part when nothing of it is in use.
  void trim() {
    if (rare != nullptr && rare->waiting.empty() && rare->replacement == nullptr && !rare->erased_hash &&
        !rare->birth.cause && rare->save_due_ns == 0 && rare->stop_asked_ns == 0)
      rare.reset();
  }
  Rare& get_rare() {
    if (rare == nullptr) rare = std::make_unique<Rare>();
    return *rare;
  }
};

static_assert(sizeof(Activation) <= 192);

}  // namespace epic::kernel
