#pragma once
// Kernel: a node without I/O. Events go in, syscalls come out.
//
// It holds activations, calls, gates, locks, the collector and the shard map, and runs the entities' code, one turn at
// a time. It reads no clock, draws no random number, starts no thread and opens no file: the driver tells it the time
// and carries out its syscalls. The same events in the same order give the same syscalls.
//
//     on_time, on_message, on_loaded, on_committed …  ─▶  run(), seal()  ─▶  Syscalls: send, load, commit, take …
//
// A driver's tick: on_time, events, run until it returns false or the tick is long enough, seal, carry out what was
// asked.
//
// One thread. Every entry point makes this kernel the thread's current one while it runs, for epic::log, self() and the
// like.
//
// Where: calls/ a call from begin to close · routing/ where it goes · kernel_remote.cpp frames · kernel_state.cpp
// saving and the gate · kernel_life.cpp activation, collection, drain · kernel_events.cpp what it reports of itself ·
// kernel_replace.cpp states from outside · kernel_outside.cpp outside callers and the inspector · user_api.cpp what
// entities call.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "epic/error.hpp"
#include "kernel/activations/activation_table.hpp"
#include "kernel/activations/idle_queue.hpp"
#include "kernel/batcher.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/calls/timers.hpp"
#include "kernel/codec.hpp"
#include "kernel/gate.hpp"
#include "kernel/limits.hpp"
#include "kernel/messages.hpp"
#include "kernel/record.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/syscalls.hpp"
#include "kernel/type_table.hpp"
#include "reflect/schema_of.hpp"

namespace epic::kernel {

struct KernelOptions {
  PeerAddress self;    // node and incarnation
  std::string fabric;  // names the fabric in Hello
  std::uint32_t shard_count = 64;
  std::chrono::nanoseconds call_patience = limits::kCallPatience;
  std::chrono::nanoseconds idle_age = limits::kIdleAge;
  std::uint64_t calls_bytes_max = limits::kCallsBytesMax;  // for the frames and records of calls in flight
  std::uint64_t memory_budget_bytes =
      0;  // for activations: beyond it the least recently used are deactivated; 0: no limit
  std::uint32_t direct_calls_max = limits::kDirectCallsMax;
  LogLevel log_level = LogLevel::info;
};

/// Counts for heartbeats and `epic ps`.
struct KernelStats {
  std::size_t entities = 0;
  std::size_t entities_to_stop = 0;  // of them, those that a drain or a move waits for
  std::uint64_t memory_bytes = 0;    // of their instances, by their tables
  std::size_t calls_pending = 0;
  std::size_t messages_held = 0;
  std::uint64_t calls_started = 0;
  std::uint64_t batches = 0;  // closed; several may go into one commit
  std::uint64_t commits = 0;
  std::uint64_t rows = 0;
  std::uint64_t turns = 0;
};

/// A call in flight, for the inspector.
struct CallView {
  CallId id;
  std::string entity;  // callee
  std::string method;
  std::string caller;  // "Type/Key.method", "setup", "client" …
  std::string state;   // "queued", "waiting for the lock of …", "running", "sent to node-3" …
  std::int64_t age_ns = 0;
  NodeId sent_to;                  // unanswered at this node; 0: it is not
  std::vector<ChainLink> waiting;  // its callers, outermost first
};

class Kernel : private Routing::Listener, private CallsListener {
 public:
  Kernel(KernelOptions options, const Codec& codec, Syscalls& syscalls);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Before the first event. The error is a sentence for the module's author.
  [[nodiscard]] std::expected<void, std::string> add_module(const ModuleInfo& module) { return types_.add(module); }

  // ---- events ----
  /// Monotonic and wall clock, both in nanoseconds. Never goes back. Expires deadlines and timers.
  void on_time(std::int64_t monotonic_ns, std::int64_t wall_ns);
  void on_hello(const PeerAddress& from, const HelloMessage& hello);
  void on_message(const PeerAddress& from, Message message);
  /// Unanswered messages to it will not be answered.
  void on_peer_lost(const PeerAddress& peer);
  void on_loaded(ActivationId activation, LoadResult result);
  /// Every batch up to this one is durable.
  void on_committed(CommitNumber number);
  /// The store has taken everything sent so far and is writing it: what is sent from here on waits for its next turn.
  void on_store_writing(bool is_writing);
  /// The store cannot write at the moment (full disk): refuse new work until on_store_unblocked.
  void on_store_blocked(std::string reason);
  /// It can again.
  void on_store_unblocked() { blocked_.clear(); }
  void on_taken(std::span<const ShardEpoch> epochs);
  void on_shard_map(ShardMap map);
  /// Coordination wants these back: drain, save, then Syscalls::released for each.
  void on_release(std::span<const ShardId> shards);
  /// Accept no new work from outside; deactivate all. is_drained() reports when it is done.
  void on_drain();
  [[nodiscard]] bool is_drained() const;
  /// Ends whatever still runs with Unavailable, so that a drain ends.
  void abort_running(const std::string& reason);

  // ---- driving ----
  /// Runs up to `items` from the run queue. True if there is more.
  bool run(std::size_t items);
  /// Closes the forming batch if it is not empty, unless the store is writing.
  void seal();
  /// When on_time must be called at the latest; empty: only when something happens.
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

  // ---- calls from outside ----
  /// An empty record for a method by name, whose arguments the caller fills in; the error is one of the family.
  [[nodiscard]] std::expected<RecordRef, Error> make_call(std::string_view type, std::string_view key,
                                                          std::string_view method);
  /// Starts it, on whichever node owns the entity. `on_end` runs once, when the result may be observed.
  void submit(RecordRef call, std::chrono::nanoseconds patience, std::function<void(Record&)> on_end);
  /// Runs a Task that belongs to no entity, such as a module's setup. No deadline.
  void submit_task(Task<void> task, std::string label, std::function<void(Record&)> on_end);

  // ---- states from outside ----
  /// Runs `work` with this kernel as the thread's current one: for code that runs users' constructors.
  void enter(const std::function<void()>& work);
  /// Replaces the entity's state by `state`, in the encoding of the class's current schema; without one, the entity
  /// starts afresh. Running calls of a live instance end first; new calls wait, and find a new instance. With
  /// `only_if`, only that version is replaced. `on_end` runs once, when it is durable or has failed.
  void replace(std::string_view type, std::string_view key, std::optional<std::vector<std::byte>> state,
               std::optional<Version> only_if, OnReplaced on_end);

  // ---- inspection, without activating anything ----
  [[nodiscard]] HelloMessage hello() const;
  [[nodiscard]] TypeTable& types() { return types_; }
  [[nodiscard]] const TypeTable& types() const { return types_; }
  [[nodiscard]] ActivationTable& activations() { return activations_; }
  [[nodiscard]] const Routing& routing() const { return routing_; }
  [[nodiscard]] KernelStats stats() const;
  /// Calls in flight of one entity as callee or caller, or of all if `entity` is empty; the oldest kCallViewsMax.
  [[nodiscard]] std::vector<CallView> calls(std::string_view entity) const;
  [[nodiscard]] const Trail& trail() const { return events_.trail(); }
  /// Why the store cannot write; empty: it can.
  [[nodiscard]] const std::string& blocked() const override { return blocked_; }
  /// The newest durable commit.
  [[nodiscard]] CommitNumber durable() const { return gate_.durable(); }
  [[nodiscard]] bool is_unsaved(const Activation& activation) const;
  [[nodiscard]] std::int64_t now_ns() const { return execution_.now_ns; }
  [[nodiscard]] std::int64_t wall_ns() const { return execution_.wall_ns; }
  [[nodiscard]] const KernelOptions& options() const { return options_; }
  [[nodiscard]] const Codec& codec() const { return codec_; }

  // ---- for user_api.cpp: operations on behalf of entities ----
  [[nodiscard]] Timers& timers() { return timers_; }
  /// False: everything observed is durable already, and `waiter` is not kept.
  bool wait_saved(detail::Waiter& waiter);
  void cancel_saved(detail::Waiter& waiter);
  void erase_current();
  [[nodiscard]] Record* current() const { return execution_.current; }
  [[nodiscard]] CallId id_of(const Record& record) const { return words_.id_of(record); }
  void log(LogLevel level, std::string_view message);
  [[nodiscard]] static Kernel* current_kernel() { return t_current_; }
  struct Scope;  // kernel_scope.hpp

 private:
  static inline constinit thread_local Kernel* t_current_ = nullptr;
  struct HeldCall {
    RecordRef record;
  };
  struct HeldReply {
    PeerAddress to;
    ReplyMessage reply;
    RecordRef record;
  };
  struct HeldEnd {
    RecordRef record;
  };
  using Outgoing = std::variant<HeldCall, HeldReply, HeldEnd>;
  /// Depends on the forming batch; settled when that is sealed.
  struct Provisional {
    ActivationId origin;     // whose own unsaved change it depends on; generation 0: others' changes
    CommitNumber otherwise;  // what it needs if the origin's bytes turn out unchanged
    Outgoing item;
  };

  void fail(Record& record, ErrorCode code, const std::string& message) { calls_.fail(record, code, message); }
  void on_deadlock(const DeadlockMessage& deadlock) override;
  void learn(const DeadlockMessage& deadlock);

  // kernel_remote.cpp
  void leave(RecordRef record, const TypeEntry& type, const Record* maker) override;
  [[nodiscard]] bool may_be_seen(const Record& record) const;
  [[nodiscard]] detail::CallSite& site_of(Record& record) const;
  void refuse(Record& record);
  void send(RecordRef record, const TypeEntry& type, const PeerAddress& to);
  void receive(const PeerAddress& from, CallMessage call);
  void receive(const PeerAddress& from, ReplyMessage reply);
  void on_refused(Record& record);
  void take_back(const PeerAddress& peer);
  [[nodiscard]] std::vector<RecordRef> list_sent(const PeerAddress& peer) const;
  void read_result(Record& record, const ResultPart& result);
  void route(RoutedCall& call) override;
  void reply(Record& record) override;
  [[nodiscard]] ReplyMessage make_reply(Record& record);
  void reply_error(const PeerAddress& to, std::uint64_t sequence, ErrorCode code, const std::string& message);

  // kernel_state.cpp
  void release_when_durable(const Record* origin, Outgoing item);
  void release(Outgoing item);
  void hold(CommitNumber needs, const Activation* own, Outgoing item);
  void park_held();
  enum class Sealed : std::uint8_t { changed, unchanged, too_large };
  using NotSealed = std::map<ActivationId, Sealed>;  // those that were to be, and are not `changed`
  Sealed encode_into(Batch& batch, Activation& activation);
  void add_operation(Batch& batch, Activation& activation, std::optional<std::vector<std::byte>> state);
  void settle(CommitNumber number, const NotSealed& not_sealed);
  void mark_dirty(Activation& activation) override;
  void note_erased(Activation& activation) override;
  void become_durable(CommitNumber number);
  void release_with_error(Outgoing item, ErrorCode code, const std::string& message);
  void expire_held();

  // kernel_life.cpp
  Activation& add_activation(const detail::NamePtr& name, const TypeEntry& type, ShardId shard);
  void activate(RecordRef call, const TypeEntry& type, ShardId shard);
  void construct(Activation& activation, const LoadedState& loaded);
  void become_active(Activation& activation);
  void fail_activation(Activation& activation, const std::string& why);
  void stop(Activation& activation, StopCause cause);
  void leave_memory(Activation& activation);
  void drop(Activation& activation);
  void drop_when_saved(Activation& activation);
  void end_suspended(Activation& activation);
  void discard(Activation& activation, ErrorCode code, const std::string& why);
  /// Deactivates it, if it must leave and nothing of it runs or waits.
  void check_stop(Activation& activation) override {
    if (activation.replacement() != nullptr && is_idle(activation))
      stop(activation, StopCause::replaced);
    else if (activation.must_stop && is_idle(activation))
      stop(activation, activation.stop_cause);
  }
  void ask_to_stop(Activation& activation, StopCause cause);
  void take_back_stop(Activation& activation);
  [[nodiscard]] bool is_idle(const Activation& activation) const;
  [[nodiscard]] bool may_end_as_it_is(const Activation& activation) const;
  [[nodiscard]] static bool is_in_use(const Activation& activation) {
    return activation.running > 0 || activation.queued > 0;
  }
  [[nodiscard]] static std::vector<RecordRef> take_waiting(Activation& activation);
  [[nodiscard]] static Birth take_birth(Activation& activation);
  void run_hook(Activation& activation, Task<void> task, const char* label, std::function<void(Record&)> on_end);
  void lose_shard(ShardId shard);
  void sweep_leaving();
  void collect();
  [[nodiscard]] bool is_over_budget() const {
    return options_.memory_budget_bytes > 0 && memory_bytes_ > options_.memory_budget_bytes;
  }
  void measure(Activation& activation);
  void forget_memory(Activation& activation);
  void check_released(ShardId shard);
  void on_closed(ShardId shard) override;
  void on_reopened(ShardId shard) override;
  [[nodiscard]] bool waits_for_calls(ShardId shard) override;
  void end_running(ShardId shard) override;

  // kernel_outside.cpp
  [[nodiscard]] CallView view_of(const Record& record, const char* running) const;
  [[nodiscard]] std::string_view describe_queue(const Record& record) const;

  // kernel_events.cpp
  [[nodiscard]] Cause cause_of(const Record& record) const;
  void add_left(const Activation& activation) {
    events_.add_left(activation.subject(), {.cause = activation.stop_cause,
                                            .asked_ns = activation.stop_asked_ns(),
                                            .last_used_ns = activation.last_used_ns,
                                            .shard = activation.shard});
  }
  void watch_stop(Activation& activation, StopCause cause);
  void tell_slow_stops();
  // kernel_replace.cpp
  void begin_replacing(Activation& activation);
  void write_replacement(Activation& activation);
  Sealed encode_replacement(Batch& batch, Activation& activation);
  void end_replacing(Activation& activation, std::expected<Replaced, ErrorPart> outcome);
  void call_off_replacements();

  [[nodiscard]] ShardId shard_of(std::string_view name) const;
  KernelOptions options_;
  const Codec& codec_;
  Syscalls& syscalls_;
  TypeTable types_;
  reflect::SchemaCache schemas_;
  Execution execution_;
  Events events_{execution_, types_};
  ActivationTable activations_;
  Routing routing_;
  Batcher batcher_;
  Observations observations_{batcher_};
  CallWords words_;
  Calls calls_;
  Timers timers_{execution_};
  Gate<Outgoing> gate_;
  std::vector<Provisional> provisional_;
  std::map<PeerAddress, PeerTable> peers_;
  std::vector<ActivationId> leaving_;  // wait for their last save
  std::multimap<CommitNumber, detail::Waiter*> saved_waiters_;
  std::multimap<std::int64_t, ActivationId> interval_saves_;         // dirty ones of interval classes, by due time
  std::set<std::pair<std::int64_t, ActivationId>> replacements_;     // in progress, by their deadlines
  std::deque<std::pair<std::int64_t, ActivationId>> stops_watched_;  // by when they should be gone
  std::string blocked_;                                              // why new work is refused; empty: it is not
  std::int64_t next_held_check_ns_ = 0;                              // while it is
  bool is_draining_ = false;
  bool must_sweep_leaving_ = false;

  std::int64_t next_collect_ns_ = 0;
  IdleQueue idle_queue_{activations_};
  std::size_t must_stop_count_ = 0;
  std::uint64_t memory_bytes_ = 0;  // of those that are not about to leave
  KernelStats stats_;
};

}  // namespace epic::kernel
