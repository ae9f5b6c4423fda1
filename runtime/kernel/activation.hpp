#pragma once
// Activation: an entity's one live instance, and what the kernel knows of it.
//
// ActivationTable finds it by name. A name carries a shortcut (slot and generation), so a call between two live
// entities looks nothing up; a shortcut to an instance that has gone is noticed by its generation.
//
// Invariant: at most one activation of a name in a table.

#include <cstddef>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "epic/entity.hpp"
#include "epic/entity_info.hpp"
#include "kernel/entity_lock.hpp"
#include "kernel/hash128.hpp"
#include "kernel/ids.hpp"
#include "kernel/messages.hpp"
#include "kernel/syscalls.hpp"
#include "kernel/trail.hpp"

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
};

struct Activation {
  enum class State : std::uint8_t {
    loading,   // the store has been asked
    starting,  // on_activate runs
    active,
    ending,     // as active, but only for calls that what runs of it waits for: a replacement waits for its end
    stopping,   // on_deactivate runs
    leaving,    // waits for its last save
    replacing,  // the instance has gone; its replacement waits for the commit
  };

  ActivationId id;
  State state = State::loading;
  detail::NamePtr name;
  const TypeEntry* type = nullptr;
  ShardId shard;
  Entity* entity = nullptr;

  bool is_dirty = false;               // in the batcher's list
  bool has_saved = false;              // saved_hash is what the store has, by today's schema, or will have
  bool is_erased = false;              // erase() was called since the last save
  std::optional<Hash128> erased_hash;  // of the state that the last erasing turn has left; another one is saved anew
  bool must_stop = false;              // goes away as soon as nothing runs
  Version version;
  Hash128 saved_hash;
  std::size_t state_bytes = 0;   // encoded
  std::size_t memory_bytes = 0;  // of the instance, by its table; counted in the node's sum until it is to leave
  std::int64_t save_due_ns = 0;  // interval(…): what changes until then is saved then
  CommitNumber observed;         // newest commit observed, without its own unsaved change
  CommitNumber saved_in;         // the batch that carried its last change
  std::unique_ptr<Replacement> replacement;

  std::uint32_t running = 0;      // executions that have started and not ended
  std::uint32_t queued = 0;       // of its calls, those in the run queue
  std::deque<RecordRef> waiting;  // until it is active
  EntityLock lock;

  std::int64_t activated_ns = 0;
  std::int64_t last_used_ns = 0;
  std::uint64_t calls_count = 0;
  std::int64_t saved_at_ns = 0;  // wall clock; 0: nothing of it is saved

  // for the trail
  struct Birth {
    std::string why;
    std::int64_t asked_ns = 0;
    std::int64_t loaded_ns = 0;
  };
  std::unique_ptr<Birth> birth;    // until it is active
  std::uint64_t save_entry = 0;    // of its newest save
  std::int64_t stop_asked_ns = 0;  // 0: it was not
  StopCause stop_cause{};
};

class ActivationTable {
 public:
  explicit ActivationTable(std::uint64_t kernel_tag) : kernel_tag_(kernel_tag) {}

  /// By the name's shortcut, or else by its text. Null when the entity is not in memory here.
  [[nodiscard]] Activation* find(detail::EntityName& name) {
    if (name.kernel_tag == kernel_tag_) {
      Activation* activation = slots_[name.slot].get();
      if (activation != nullptr && activation->id.generation == name.generation) return activation;
    }
    return find_by_text(name);
  }
  [[nodiscard]] Activation* find(std::string_view name);
  [[nodiscard]] Activation* find(ActivationId id);
  Activation& add(detail::NamePtr name);
  void remove(Activation& activation);

  [[nodiscard]] std::size_t size() const { return by_name_.size(); }
  [[nodiscard]] std::size_t slot_count() const { return slots_.size(); }
  /// Null for a slot that is free.
  [[nodiscard]] Activation* at(std::size_t slot) { return slots_[slot].get(); }

 private:
  [[nodiscard]] Activation* find_by_text(detail::EntityName& name);

  std::uint64_t kernel_tag_;
  std::uint32_t next_generation_ = 1;
  std::vector<std::unique_ptr<Activation>> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::unordered_map<std::string_view, Activation*> by_name_;  // keys live in Activation::name
};

}  // namespace epic::kernel
