#pragma once
// Kernel: a node without I/O. Events go in, syscalls come out.
//
// It runs the entities' code, one turn at a time. It reads no clock, has no source of chance, starts no thread and
// opens no file: the driver reports the time and carries out its syscalls. The same events in the same order give the
// same syscalls.
//
//     on_time, on_message, on_loaded, on_committed …  ─▶  run(), seal()  ─▶  Syscalls: send, load, commit, take …
//
// A driver's tick: on_time, events, run until it returns false or the tick is long enough, seal, carry out what was
// asked.
//
// One thread. What may run users' code makes this kernel the thread's current one meanwhile, for epic::log, self() and
// the like; what only looks does not. This class only connects the parts: calls/ a call from begin to close ·
// routing/ where it goes · frames/ calls between nodes · saving/ what must be durable first · activations/ what is in
// memory · mail/ messages that arrive · answers/ calls with idempotency keys · events/ what has lately happened.

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "epic/error.hpp"
#include "kernel/activations/activations.hpp"
#include "kernel/activations/entity_timers.hpp"
#include "kernel/admission.hpp"
#include "kernel/answers/answers.hpp"
#include "kernel/calls/blocking.hpp"
#include "kernel/calls/call_views.hpp"
#include "kernel/calls/calls.hpp"
#include "kernel/calls/cancellations.hpp"
#include "kernel/calls/early_ends.hpp"
#include "kernel/calls/outside_calls.hpp"
#include "kernel/calls/parked_frames.hpp"
#include "kernel/calls/shard_looks.hpp"
#include "kernel/codec.hpp"
#include "kernel/errors.hpp"
#include "kernel/frames/frames.hpp"
#include "kernel/limits.hpp"
#include "kernel/mail/inbox.hpp"
#include "kernel/mail/outbox.hpp"
#include "kernel/mail/reminders.hpp"
#include "kernel/messages.hpp"
#include "kernel/peer_sends.hpp"
#include "kernel/placement.hpp"
#include "kernel/record.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/saving/saving.hpp"
#include "kernel/stored_keys.hpp"
#include "kernel/syscalls.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

struct KernelOptions {
  PeerAddress self;                     // node and incarnation
  std::string fabric;                   // names the fabric in Hello
  Placement placement = ungrouped(64);  // that of the store
  std::chrono::nanoseconds call_timeout = limits::kCallTimeout;
  std::chrono::nanoseconds idle_age = limits::kIdleAge;
  std::chrono::nanoseconds grace = limits::kGrace;         // for running calls of a shard that is asked back
  std::uint64_t calls_bytes_max = limits::kCallsBytesMax;  // for the frames and records of calls in flight
  std::uint64_t memory_budget_bytes =
      0;  // of the node: beyond it the least recently used are deactivated, and then new work is refused; 0: no limit
  std::size_t blocking_max =
      limits::kBlockingThreads + limits::kBlockingQueueMax;  // functions of epic::blocking that run or wait at once
  bool has_shared_store = true;                              // with all nodes of the fabric; otherwise there is no mail
  std::uint32_t direct_calls_max = limits::kDirectCallsMax;
  LogLevel log_level = LogLevel::info;
  ListStoredKeys list_stored_keys = {};  // for epic::list; empty: nothing is stored
  RunningPage* running = nullptr;        // to show there what runs just now; null: nobody looks
};

/// Counts for heartbeats and `epic ps`.
struct KernelStats {
  std::size_t entities = 0;
  std::size_t entities_to_stop = 0;  // of them, those that a drain or a move waits for
  std::uint64_t memory_bytes = 0;    // of their instances, by their tables
  std::size_t calls_pending = 0;
  std::size_t messages_held = 0;
  std::size_t blocking = 0;  // functions of epic::blocking that run or wait
  std::uint64_t calls_started = 0;
  std::uint64_t batches = 0;  // closed; several may go into one commit
  std::uint64_t commits = 0;
  std::uint64_t rows = 0;
};

class Kernel : private Routing::Listener, private CallsListener, private Saving::Listener, private Answers::Listener {
 public:
  Kernel(KernelOptions options, const Codec& codec, Syscalls& syscalls);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  /// Before the first event. The error is a sentence for the module's author.
  [[nodiscard]] std::expected<void, std::string> add_module(const ModuleInfo& module);

  // ---- events ----
  /// Monotonic and wall clock, both in nanoseconds; the former never goes back. Expires deadlines and timers.
  void on_time(std::int64_t monotonic_ns, std::int64_t wall_ns);
  void on_hello(const PeerAddress& from, const HelloMessage& hello);
  void on_message(const PeerAddress& from, Message message);
  /// Unanswered messages to it will not be answered.
  /// `running`: "Type/Key.method", which it was running when it died; empty: unknown.
  void on_peer_lost(const PeerAddress& peer, std::string_view running = {});
  /// Calls may be sent to it again, for which there was no room (Syscalls::has_room).
  void on_room(const PeerAddress& peer);
  void on_loaded(ActivationId activation, LoadResult result);
  /// Answers Syscalls::load_mail.
  void on_mail_loaded(const ShardEpoch& tenure, std::expected<MailPage, std::string> page);
  /// Answers Syscalls::load_reminders.
  void on_reminders_loaded(const ShardEpoch& tenure, std::expected<ReminderPage, std::string> page);
  /// Every batch up to this one is durable.
  void on_committed(CommitNumber number);
  /// Answers Syscalls::load_answer and load_oldest_answer.
  void on_answer_loaded(const ShardEpoch& tenure, const AnswerId& id, AnswerLoad load);
  void on_oldest_answer(const ShardEpoch& tenure, std::expected<std::optional<std::int64_t>, std::string> begun_at_ns);
  /// The store has taken everything sent so far and is writing it: what is sent from here on waits for its next turn.
  void on_store_writing(bool is_writing) { saving_.on_store_writing(is_writing); }
  /// Answers Syscalls::start_blocking.
  void on_blocking_ended(std::shared_ptr<detail::BlockingWork> work);
  /// In use by entities, calls and messages, if the driver measures it. Otherwise only what the kernel counts itself is
  /// known: the listed state of entities.
  void on_memory(std::uint64_t bytes) {
    activations_.on_memory(bytes);
    calls_.on_memory(bytes);
  }
  /// The store cannot write at the moment (full disk): refuse new work until on_store_unblocked.
  void on_store_blocked(std::string reason) { admission_.blocked = std::move(reason); }
  /// The store can write again.
  void on_store_unblocked() { admission_.blocked.clear(); }
  /// Calls to these are refused until their time has come; the newest list counts.
  void set_quarantined(std::map<std::string, Quarantined, std::less<>> entities) {
    admission_.quarantined = std::move(entities);
  }
  void on_taken(std::span<const ShardEpoch> epochs);
  void on_shard_map(ShardMap map);
  /// Coordination wants these back: drain, save, then Syscalls::released for each. What runs there has the grace to
  /// end, which began `announced_ago`.
  void on_release(std::span<const ShardId> shards, std::chrono::nanoseconds announced_ago = {});
  /// All shards will be asked back before long: entities learn that they are stopping.
  void on_stop_announced();
  /// Accept no new work from outside; deactivate all. is_drained() reports when it is done.
  void on_drain();
  [[nodiscard]] bool is_drained() const;
  /// Ends whatever still runs with Unavailable, so that a drain ends.
  void abort_running(const std::string& reason);

  // ---- driving ----
  /// Runs up to `items` from the run queue. True if there is more.
  bool run(std::size_t items);
  /// Closes the forming batch if it is not empty, unless the store is writing; sends what has gathered for other nodes.
  void seal();
  /// When on_time must be called at the latest; empty: only when something happens.
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

  // ---- from outside: see OutsideCalls, Activations::replace ----
  [[nodiscard]] std::expected<RecordRef, Error> make_call(std::string_view type, std::string_view key,
                                                          std::string_view method) {
    return outside_.make(type, key, method);
  }
  void submit(RecordRef call, std::chrono::nanoseconds timeout, OutsideCalls::OnEnd on_end);
  void submit_task(Task<void> task, std::string label, OutsideCalls::OnEnd on_end);
  /// Replaces the entity's state. Running calls of a live instance end first; new calls wait, and find a new instance.
  /// `on_end` runs once, when it is durable or has failed.
  void replace(NewState state, OnReplaced on_end);
  /// Dead letters: see Inbox.
  void settle_mail(const std::vector<Mail>& dead, Inbox::Settle how, std::function<void(std::size_t)> on_end);
  /// Runs `work` with this kernel as the thread's current one: for code that runs users' constructors.
  void enter(const std::function<void()>& work);

  // ---- inspection, without activating anything ----
  [[nodiscard]] HelloMessage hello() const;
  [[nodiscard]] TypeTable& types() { return types_; }
  [[nodiscard]] const TypeTable& types() const { return types_; }
  [[nodiscard]] ActivationTable& activations() { return activations_.table(); }
  [[nodiscard]] const Routing& routing() const { return routing_; }
  [[nodiscard]] const Inbox::Counts& mail_counts() const { return inbox_.counts(); }
  [[nodiscard]] const Answers& answers() const { return answers_; }
  [[nodiscard]] KernelStats stats() const;
  /// Turns that have ended. Any thread, and signal handlers.
  [[nodiscard]] std::uint64_t turns_count() const { return calls_.turns_count(); }
  [[nodiscard]] std::vector<CallView> calls(std::string_view entity) const { return views_.list(entity); }
  [[nodiscard]] const Trail& trail() const { return events_.trail(); }
  /// Why the store cannot write; empty: it can.
  [[nodiscard]] const std::string& blocked() const { return admission_.blocked; }
  /// The newest durable commit.
  [[nodiscard]] CommitNumber durable() const { return saving_.durable(); }
  [[nodiscard]] bool is_unsaved(const Activation& activation) const { return saving_.is_unsaved(activation); }
  [[nodiscard]] std::int64_t now_ns() const { return scheduler_.now_ns; }
  [[nodiscard]] std::int64_t wall_ns() const { return scheduler_.wall_ns; }
  [[nodiscard]] std::int64_t ns_from_now(std::int64_t duration_ns) const { return scheduler_.ns_from_now(duration_ns); }
  [[nodiscard]] const KernelOptions& options() const { return options_; }
  [[nodiscard]] const Codec& codec() const { return codec_; }

  // ---- for user_api.cpp: operations on behalf of entities ----
  /// Frames that wait for something other than calls.
  [[nodiscard]] ParkedFrames& parked() { return parked_; }
  [[nodiscard]] std::uint64_t random();
  [[nodiscard]] Blocking& blocking() { return blocking_; }
  [[nodiscard]] const Blocking& blocking() const { return blocking_; }
  [[nodiscard]] EntityTimers& timers() { return timers_; }
  [[nodiscard]] Cancellations& cancellations() { return cancellations_; }
  /// The current execution's entity is about to leave this node; outside of entities: this node is about to stop.
  [[nodiscard]] bool is_stopping() const { return is_stopping(scheduler_.current); }
  [[nodiscard]] Saving& saving() { return saving_; }
  [[nodiscard]] Outbox& outbox() { return outbox_; }
  [[nodiscard]] Reminders& reminders() { return reminders_; }
  [[nodiscard]] Record* current() const { return scheduler_.current; }
  [[nodiscard]] CallId id_of(const Record& record) const { return words_.id_of(record); }
  /// The code of an entity that runs just now; empty: none. Signal handlers, too.
  struct Running {
    std::string_view entity;  // "Type/Key" as in the store
    std::string_view method;  // or hook, or "constructor"
  };
  [[nodiscard]] Running running() const;
  /// The current execution, in words.
  [[nodiscard]] std::string describe_current() const;
  void log(LogLevel level, std::string_view message);
  /// The current execution has made this call and not awaited it: logged once for each method.
  void note_dropped(const Record& call);
  [[nodiscard]] static Kernel* current_kernel() { return t_current_; }
  struct Scope;  // kernel_scope.hpp

 private:
  static inline constinit thread_local Kernel* t_current_ = nullptr;

  // What a part asks of another.
  void leave(RecordRef call, const TypeEntry& type, const Record* maker) override {
    frames_.leave(std::move(call), type, maker);
  }
  void reply(Record& call) override { frames_.reply(call); }
  void on_mail_begin(Record& call) override { inbox_.on_begin(call); }
  void on_mail_end(Record& call) override { inbox_.on_end(call); }
  void on_answer_begin(Record& call) override { answers_.on_begin(call); }
  void on_answer_end(Record& call) override { answers_.on_end(call); }
  void on_answer_undone(const AnswerId& id, UndoneAnswer what) override { answers_.on_undone(id, what); }
  void route_again(RecordRef call) override { frames_.route(std::move(call)); }
  void on_deadlock(const DeadlockMessage& deadlock) override { frames_.on_deadlock(deadlock); }
  void mark_dirty(Activation& activation) override { saving_.mark_dirty(activation); }
  void note_erased(Activation& activation) override { saving_.note_erased(activation); }
  void check_stop(Activation& activation) override { activations_.check_stop(activation); }
  void on_lone_task(Activation& activation) override { activations_.on_lone_task(activation); }
  void release(Outgoing item) override {
    if (item.kind == Outgoing::Kind::write) return blocking_.on_released(std::move(item.write));
    frames_.release(std::move(item));
  }
  void release_with_error(Outgoing item, ErrorCode code, const std::string& message) override {
    if (item.kind == Outgoing::Kind::write) return blocking_.on_refused(item.write, make_exception(code, message));
    frames_.release_with_error(std::move(item), code, message);
  }
  void discard(Activation& activation, ErrorCode code, const std::string& why, Reported reported) override {
    activations_.discard(activation, code, why, reported);
  }
  void fail_observers(CommitNumber number, std::span<const ActivationId> own, ErrorCode code, const std::string& why,
                      const std::function<bool(const Record&)>& knows) override {
    calls_.fail_observers(number, own, code, why, knows);
  }
  void measure(Activation& activation) override { activations_.measure(activation); }
  void on_mail_sealed(CommitNumber number, std::vector<Mail> sent) override {
    inbox_.on_sealed(number, std::move(sent));
  }
  void on_mail_refused(const MailId& id, const std::string& why) override { inbox_.on_refused(id, why); }
  void on_mail_undone(const std::vector<MailId>& ids) override { inbox_.on_undone(ids); }
  void on_reminders_sealed(CommitNumber number, const std::vector<Operation>& changes) override {
    reminders_.on_sealed(number, changes);
  }
  bool may_have_reminders(const Activation& activation) override { return reminders_.may_have(activation); }
  void on_durable() override;
  void route(RoutedCall& call) override;
  void on_closed(ShardId shard) override { activations_.on_closed(shard); }
  void on_reopened(ShardId shard) override { activations_.on_reopened(shard); }
  void look_for_waits(ShardId shard) override { looks_.look_for_waits(shard); }
  void end_running(ShardId shard, const Overdue& overdue) override { looks_.end_running(shard, overdue); }
  [[nodiscard]] bool is_stopping(const Record* execution) const;
  void resume_stopping();
  void check_written();

  KernelOptions options_;
  std::set<const reflect::MethodInfo*> dropped_;  // of which a call was never awaited
  std::uint64_t random_state_;                    // begins with the incarnation
  const Codec& codec_;
  Syscalls& syscalls_;
  Admission admission_;
  TypeTable types_;
  Scheduler scheduler_;
  ParkedFrames parked_{scheduler_};
  Blocking blocking_;
  Events events_{scheduler_, types_};
  CallWords words_;
  Routing routing_;
  Activations activations_;
  Saving saving_;
  Calls calls_;
  PeerSends sends_{syscalls_};
  EntityTimers timers_;
  EarlyEnds ends_;
  Cancellations cancellations_;
  Outbox outbox_;
  Reminders reminders_;
  Inbox inbox_;
  Answers answers_;
  ShardLooks looks_;
  Frames frames_;
  OutsideCalls outside_;
  CallViews views_;
};

}  // namespace epic::kernel
