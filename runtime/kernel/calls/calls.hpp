#pragma once
// Calls: every call of this node from its beginning to its end.
//
//   begin ─▶ route ─┬▶ enter ─▶ (wait for the entity or its lock) ─▶ start ─▶ finish ─▶ conclude ─▶ close
//                   └▶ leave (the listener): activate the entity, or hold, park, send or refuse the call
//
// A call that is begun gets its number, its deadline and a place in the table (open). It enters an entity that is in
// memory, where it starts at once, or waits until the entity is active and its lock is free. Its caller gets its
// outcome when it is concluded: by the method's end, or by a failure, whichever comes first. A method whose caller has
// stopped waiting runs on; when it ends, the call is closed.
//
// Most calls take two short ways: begin starts the method in place, finish resumes its caller in place.
//
// Not here: what a call to another node looks like (frames/), where it goes (routing/), what must be durable
// before it is seen (saving/), activation and hooks (activations/).

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "epic/error.hpp"
#include "kernel/activations/activation_table.hpp"
#include "kernel/admission.hpp"
#include "kernel/calls/call_budget.hpp"
#include "kernel/calls/call_chains.hpp"
#include "kernel/calls/call_table.hpp"
#include "kernel/calls/call_words.hpp"
#include "kernel/calls/copies.hpp"
#include "kernel/calls/deadlock_probes.hpp"
#include "kernel/placement.hpp"
#include "kernel/routing/routing.hpp"
#include "kernel/saving/observations.hpp"
#include "kernel/scheduler.hpp"
#include "kernel/syscalls.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

struct CallOptions {
  const Placement& placement;
  std::uint64_t bytes_max = 0;            // of their frames and records; beyond it new ones are refused
  std::uint64_t memory_budget_bytes = 0;  // of the node; 0: none
  std::int64_t timeout_ns = 0;            // of calls that name none
  std::uint32_t direct_calls_max = 0;     // that start in place before the run queue has its turn
};

/// What Calls asks of the rest of the kernel.
class CallsListener {
 public:
  /// The entity is not in memory here: activates it, or holds, parks, sends or refuses the call.
  virtual void leave(RecordRef call, const TypeEntry& type, const Record* maker) = 0;
  /// A call of another node or of an outside caller is concluded: the outcome leaves once it may be seen.
  virtual void reply(Record& call) = 0;
  /// A turn has changed the entity for the first time since its last save.
  virtual void mark_dirty(Activation& activation) = 0;
  /// The turn that called epic::erase() is over.
  virtual void note_erased(Activation& activation) = 0;
  /// The entity is to leave memory, and one of its calls has ended.
  virtual void check_stop(Activation& activation) = 0;
  /// The entity has spawned a task of its own, which no call need wait for.
  virtual void on_lone_task(Activation& activation) = 0;
  /// The first turn of a message's method begins now, unless the call is failed.
  virtual void on_mail_begin(Record& call) = 0;
  /// A message's method has ended, or never began.
  virtual void on_mail_end(Record& call) = 0;
  /// The call that runs for an idempotency key begins its first turn, or has ended.
  virtual void on_answer_begin(Record& call) = 0;
  virtual void on_answer_end(Record& call) = 0;
  /// Calls waited for each other, and one of them has failed.
  virtual void on_deadlock(const DeadlockMessage& deadlock) = 0;

 protected:
  ~CallsListener() = default;
};

class Calls final : private DeadlockProbes::Listener {
 public:
  Calls(CallOptions options, Scheduler& scheduler, ActivationTable& activations, const Observations& observations,
        const Admission& admission, TypeTable& types, const CallWords& words, Routing& routing, Syscalls& syscalls,
        CallsListener& listener);
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  // ---- what entities' code does ----
  std::coroutine_handle<> begin(Record& record, detail::Waiter& waiter);
  void begin_detached(Record& record);
  /// begin(), when none of the entity's code has run since it has waited (detail::CallWindow).
  void begin_in_window(Record& record);
  std::coroutine_handle<> finish(Record& record);
  /// True if it has ended; otherwise `waiter` is resumed when it does.
  [[nodiscard]] bool has_ended(const Record& record) const;
  bool wait_for(Record& record, detail::Waiter& waiter);
  void stop_waiting(Record& record, detail::Waiter& waiter);
  std::coroutine_handle<> suspend_on(detail::Waiter& waiter);
  /// Resumes the waiter's frame when the run queue comes to it, whatever ends until then.
  void resume_soon(detail::Waiter& waiter) { scheduler_.queue.push_resume(waiter); }
  void forget_resume(detail::Waiter& waiter) { scheduler_.queue.drop(waiter); }
  /// The current execution goes on waiting.
  void pause() { scheduler_.current = nullptr; }
  /// The code of the current execution has reached a yield point.
  void end_turn();

  // ---- a call's way ----
  /// Gives it its number, its deadline and a place in the table. False: it has failed.
  bool open(Record& record);
  /// Sends an open call on its way. What it returns runs next: the method's frame if it may start now, or nothing.
  /// `maker`: the execution that makes the call just now; null: it has been under way, or comes from outside.
  std::coroutine_handle<> route(RecordRef record, bool may_run_now = false, const Record* maker = nullptr);
  /// The entity is in memory.
  std::coroutine_handle<> enter(RecordRef record, Activation& activation, bool may_run_now = false);
  /// A call that has waited for the entity enters; if the entity has gone, or is to go, the call is routed anew.
  void admit(RecordRef record, Activation& activation);
  /// Starts the call when the run queue comes to it.
  void start_soon(RecordRef record) { scheduler_.queue.push_start(std::move(record)); }
  /// The call's result has come from another node.
  void receive_result(Record& record);
  /// Ends the wait for the call. A method that runs goes on; one that has not begun never will.
  void fail(Record& record, ErrorCode code, const std::string& message);
  void fail(Record& record, std::exception_ptr failure);
  /// Running executions that have observed this batch fail; not those of `own` (sorted), whose change is in it, nor
  /// those of whom `knows` is true.
  void fail_observers(CommitNumber number, std::span<const ActivationId> own, ErrorCode code, const std::string& why,
                      const std::function<bool(const Record&)>& knows);
  /// The execution is over, or never began: gives back the lock, the table's place and the entity's pin.
  void end_execution(Record& record);
  /// Removes the call from the table.
  void close(Record& record) {
    if (!record.is_listed) return;
    table_.remove(record);
    record.release();
  }
  /// Destroys all executions; nothing hears of it.
  void end_all();
  [[nodiscard]] bool holds_up_a_move(const Record& record) const { return chains_.holds_up_a_move(record); }

  /// In use by the whole node just now. Above the limit nothing starts but what running calls wait for, and hooks.
  void on_memory(std::uint64_t bytes) { budget_.on_memory(bytes); }
  [[nodiscard]] const Copies& copies() const { return copies_; }

  // ---- driving ----
  bool run(std::size_t items);
  void on_time();
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;
  /// A hook that starts: what waits for its end may be what it waits for.
  void suspect(RecordRef hook) { probes_.suspect(std::move(hook)); }
  void on_probe(ProbeMessage probe) { probes_.on_probe(std::move(probe)); }

  [[nodiscard]] std::size_t size() const { return table_.size(); }
  /// For looks at all calls, which go on by slices.
  [[nodiscard]] CallTable& table() { return table_; }
  [[nodiscard]] const CallTable& table() const { return table_; }
  template <class Visit>
  void for_each(Visit&& visit) const {
    table_.for_each(std::forward<Visit>(visit));
  }
  [[nodiscard]] std::uint64_t started_count() const { return started_count_; }
  /// Turns that have ended. Any thread, and signal handlers.
  [[nodiscard]] std::uint64_t turns_count() const { return turns_count_.load(std::memory_order_relaxed); }

  /// The Calls of the thread's current kernel.
  [[nodiscard]] static Calls* current() { return t_current_; }
  static Calls* exchange_current(Calls* calls) { return std::exchange(t_current_, calls); }

 private:
  static inline constinit thread_local Calls* t_current_ = nullptr;

  [[nodiscard]] bool may_start_now(const Record& record, const Activation& activation) const;
  std::coroutine_handle<> start(Record& record, Activation* activation);
  std::coroutine_handle<> finish_plain(Record& record);
  detail::Waiter* conclude(Record& record);
  [[nodiscard]] bool refuse_for_load(Record& record);
  /// The current execution is to get epic::Cancelled at its next co_await.
  [[nodiscard]] bool is_cancelled() const {
    return scheduler_.current != nullptr && scheduler_.current->cancel == Record::Cancel::asked;
  }
  bool fail_if_cancelled(Record& record);
  /// True if the call must not enter, as its entity is to move: a busy entity would otherwise never move.
  [[nodiscard]] bool must_pass_by(const Record& record, const Activation& activation) const {
    return activation.must_stop && routing_.is_closed(activation.shard) && !chains_.holds_up_a_move(record);
  }
  std::coroutine_handle<> let_in(RecordRef record, Activation& activation, bool may_run_now);
  // Of calls that copies may answer: cached_calls.cpp.
  std::coroutine_handle<> go_on_answered(Record& record, detail::Waiter& waiter);
  void settle_shared();
  void ask_anew(Record& record);
  bool take_lock(RecordRef& record, Activation& activation);
  void pass_lock(Activation& activation, std::vector<RecordRef> granted, const Record* former);
  void suspect_first(Activation& activation, const Record* former) {
    if (Record* const first = activation.lock.first_waiting(); first != nullptr && first != former)
      probes_.suspect(RecordRef::share(*first));
  }
  void run_one(RunQueue::Item item);
  void read_arguments(Record& record);
  [[nodiscard]] std::string describe_doing(const Record& record);
  void expire(Record& record);
  void check_stop(Activation& activation) {
    if (activation.is_to_leave()) [[unlikely]]
      listener_.check_stop(activation);
  }
  [[nodiscard]] bool has_method(Record& record, const TypeEntry& type);
  void on_ring(Record& victim, const DeadlockMessage& deadlock, const std::string& message) override;

  CallOptions options_;
  CallBudget budget_;
  Scheduler& scheduler_;
  ActivationTable& activations_;
  const Observations& observations_;
  const Admission& admission_;
  TypeTable& types_;
  const CallWords& words_;
  Routing& routing_;
  Syscalls& syscalls_;
  CallsListener& listener_;
  CallTable table_;
  CallChains chains_;
  DeadlockProbes probes_;
  Copies copies_;
  std::size_t visits_left_ = 0;  // of calls in this tick, to name what timed-out ones wait for
  std::uint64_t next_sequence_ = 1;
  std::uint64_t started_count_ = 0;
  std::atomic<std::uint64_t> turns_count_{0};  // only the execution thread changes it
};

[[noreturn, gnu::cold]] void die_without_kernel(const char* what);

/// The calls of the thread's current kernel, for `what` of the user's that needs one.
inline Calls& calls_here(const char* what) {
  Calls* const calls = Calls::current();
  if (calls == nullptr) [[unlikely]]
    die_without_kernel(what);
  return *calls;
}

}  // namespace epic::kernel
