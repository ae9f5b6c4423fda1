#pragma once
// Activations: the life of an entity's instance, from the first call that needs it until its memory is free again.
//
//   activate ─▶ loading ─▶ starting (on_activate) ─▶ active ─▶ stopping (on_deactivate) ─▶ leaving ─▶ drop
//                  └──────────── fail ─────────────────┴──────── discard ─────────────────────┘
//
// Calls wait in an activation until it is active. It is stopped when it has been idle for long or memory is short, when
// its shard moves, when its node stops, or when a state from outside replaces its own: always after its running calls
// have ended. It leaves memory when its last change is durable, so that the next instance, here or elsewhere, reads
// that. Only what must not be kept is discarded at once, with its executions.
//
// Invariant: an entity has at most one activation, and no call enters one whose shard is not this node's.
// Not here:  which calls may enter (calls/), what is saved when (saving/), who owns a shard (routing/).

#include <cstdint>
#include <exception>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernel/activations/collector.hpp"
#include "kernel/activations/departures.hpp"
#include "kernel/activations/entity_timers.hpp"
#include "kernel/activations/local_instances.hpp"
#include "kernel/activations/replacements.hpp"
#include "kernel/activations/slow_stops.hpp"
#include "kernel/activations/undone_changes.hpp"
#include "kernel/activations/wait_ends.hpp"
#include "kernel/calls/blocking.hpp"
#include "kernel/calls/early_ends.hpp"
#include "kernel/calls/reaper.hpp"
#include "kernel/placement.hpp"
#include "kernel/saving/saving.hpp"

namespace epic::kernel {

class Activations final : private Collector::Listener, private WaitEnds::Listener {
 public:
  struct Uses {
    const Placement& placement;
    Collector::Limits limits;
    const Codec& codec;
    const Admission& admission;
    Scheduler& scheduler;
    TypeTable& types;
    const CallWords& words;
    Routing& routing;
    Events& events;
    Saving& saving;
    Calls& calls;
    const Blocking& blocking;
    EntityTimers& timers;
    EarlyEnds& ends;
    Syscalls& syscalls;
  };

  explicit Activations(const Uses& uses);
  Activations(const Activations&) = delete;
  Activations& operator=(const Activations&) = delete;
  /// Destroys all instances, when no execution is left.
  void end_all();

  // ---- into memory ----
  /// For a call to an entity that is not in memory, in an own shard. The call waits until it is active.
  void activate(RecordRef call, const TypeEntry& type, ShardId shard);
  /// For a call to an entity of a local class, whichever node owns the shard of its name.
  void enter_local(RecordRef call, const TypeEntry& type);
  void on_loaded(ActivationId id, LoadResult result);

  // ---- out of memory ----
  /// Stops it, if it must leave and nothing of it runs or waits.
  void check_stop(Activation& activation);
  /// The entity has spawned a task. If it would have ended with its node without being stopped, it must now be stopped.
  void on_lone_task(Activation& activation);
  /// Ends an activation whose memory must not be kept: nothing of it runs any more, and its executions are destroyed
  /// where they are suspended. If nobody has the error yet, the next call to the entity gets it.
  void discard(Activation& activation, ErrorCode code, const std::string& why, Reported reported);
  /// Drops those whose last change is durable by now.
  void sweep();
  /// sweep(), if an activation that is to leave has been added since the last one.
  void sweep_new() {
    if (must_sweep_) sweep();
  }
  /// The node stops: all leave memory but those that are saved and idle.
  void drain();
  [[nodiscard]] std::size_t to_stop_count() const { return must_stop_count_; }

  // ---- shards ----
  void on_closed(ShardId shard);
  void on_reopened(ShardId shard);
  void on_lost(ShardId shard);
  /// Gives the shard back if it is closed, and nothing of it is left in memory, to be saved, or being written to a
  /// file.
  void check_released(ShardId shard);
  /// True if the entity is about to leave its node, or its state is about to be replaced.
  [[nodiscard]] bool is_stopping(const Activation& activation) const;

  // ---- states from outside ----
  void replace(NewState state, OnReplaced on_end);

  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

  [[nodiscard]] ActivationTable& table() { return table_; }
  [[nodiscard]] const ActivationTable& table() const { return table_; }
  void measure(Activation& activation) { collector_.measure(activation); }
  void on_memory(std::uint64_t bytes) { collector_.on_memory(bytes); }
  [[nodiscard]] std::uint64_t memory_bytes() const { return collector_.memory_bytes(); }

 private:
  Activation& add(const detail::NamePtr& name, const TypeEntry& type, ShardId shard);
  void construct(Activation& activation, const LoadedState& loaded);
  /// The error is a sentence.
  [[nodiscard]] std::expected<void, std::string> create(Activation& activation);
  /// The error is a sentence: its saved state cannot be used.
  [[nodiscard]] std::expected<void, std::string> read_state(Activation& activation, const LoadedState& loaded);
  using Hook = Task<void> (Entity::*)();
  void run_hook(Activation& activation, Hook hook, const char* label);
  void end_hook(ActivationId id, const Record& hook);
  void become_active(Activation& activation);
  void on_line_empty(Activation& activation) override;
  void fail(Activation& activation, const std::string& why);

  [[nodiscard]] bool is_idle(const Activation& activation) const;
  [[nodiscard]] bool may_collect(const Activation& activation) const override;
  [[nodiscard]] bool is_any_leaving() const override { return !leaving_.empty(); }
  [[nodiscard]] bool may_end_as_it_is(const Activation& activation) const;
  void ask_to_stop(Activation& activation, StopCause cause);
  void take_back_stop(Activation& activation);
  void stop(Activation& activation, StopCause cause) override;
  void leave_memory(Activation& activation);
  void drop_when_saved(Activation& activation);
  void drop(Activation& activation);
  void remove(Activation& activation);
  void end_executions(Activation& activation, std::exception_ptr failure, Reaper::OnEnd then);
  [[nodiscard]] std::exception_ptr left_memory(const Activation& activation) const;
  void destroy(Activation& activation);
  void add_left(const Activation& activation);
  [[nodiscard]] ActivationCause cause_of(const Activation& activation) const;
  [[nodiscard]] bool is_local(const Activation& activation) const { return activation.shard == table_.no_shard(); }

  void begin_replacing(Activation& activation);
  void write_replacement(Activation& activation);
  void call_off_replacements();

  Uses uses_;
  ActivationTable table_;
  LocalInstances local_;
  Collector collector_;
  SlowStops slow_stops_;
  Replacements replacements_;
  UndoneChanges undone_;
  Departures departures_;
  Reaper reaper_;
  WaitEnds wait_ends_;
  std::vector<ActivationId> leaving_;  // wait for their last save
  bool must_sweep_ = false;            // something left since the last look
  std::size_t must_stop_count_ = 0;
  std::size_t gone_count_ = 0;  // with calls that are still to be routed
};

}  // namespace epic::kernel
