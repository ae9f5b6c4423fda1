#include "kernel/calls/calls.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/arrived_arguments.hpp"
#include "kernel/errors.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

Copies::Limits limits_of_copies(std::uint64_t budget_bytes) {
  const std::uint64_t share = budget_bytes == 0 ? UINT64_MAX : budget_bytes / limits::kCopiesShareOfBudget;
  return {.count = limits::kCopiesMax, .bytes = std::min(limits::kCopiesBytesMax, share)};
}

}  // namespace

Calls::Calls(CallOptions options, Scheduler& scheduler, ActivationTable& activations, const Observations& observations,
             const Admission& admission, TypeTable& types, const CallWords& words, Routing& routing, Syscalls& syscalls,
             CallsListener& listener)
    : options_(options),
      budget_(options.bytes_max, options.memory_budget_bytes),
      scheduler_(scheduler),
      activations_(activations),
      observations_(observations),
      admission_(admission),
      types_(types),
      words_(words),
      routing_(routing),
      syscalls_(syscalls),
      listener_(listener),
      chains_(options.placement, types, words, routing),
      probes_(table_, activations, words, scheduler, syscalls, *this),
      copies_(limits_of_copies(options.memory_budget_bytes), scheduler) {}

void Calls::end_all() {
  scheduler_.queue.clear();
  probes_.clear();
  copies_.clear();
  table_.end_looks();
  std::vector<Record*> all;
  table_.for_each([&](Record& record) { all.push_back(&record); });
  for (Record* record : all) ++record->refs;
  for (Record* record : all) record->waiter = nullptr;
  for (Record* record : all) record->destroy_frame();
  for (Record* record : all) {
    table_.remove(*record);
    record->release();
    record->release();
  }
}

// The path of every call is one function, always_inline: that saves a tenth of its time, measured with
// local_call_bench.

// ---- beginning ----

[[gnu::always_inline]] std::coroutine_handle<> Calls::begin(Record& record, detail::Waiter& waiter) {
  const bool may_be_answered = record.is_cached && !is_cancelled();
  if (may_be_answered && copies_.try_answer(record)) [[unlikely]]
    return go_on_answered(record, waiter);
  end_turn();
  waiter.execution = scheduler_.current;
  waiter.remaining = 1;
  record.waiter = &waiter;
  record.caller = scheduler_.current;
  if (!open(record)) {  // the caller resumes at once, and throws
    waiter.remaining = 0;
    record.waiter = nullptr;
    record.caller = nullptr;
    return waiter.handle;
  }
  if (may_be_answered && copies_.share(record)) [[unlikely]] {
    scheduler_.current = nullptr;
    return std::noop_coroutine();
  }
  if (Activation* activation = activations_.find(*record.callee);
      activation != nullptr && may_start_now(record, *activation)) {
    --scheduler_.direct_calls_left;
    record.activation = activation;
    return start(record, activation);
  }
  if (fail_if_cancelled(record)) {
    scheduler_.current->cancel = Record::Cancel::thrown;
    scheduler_.current = nullptr;
    return std::noop_coroutine();
  }
  if (const std::coroutine_handle<> next =
          route(RecordRef::share(record), /*may_run_now=*/scheduler_.direct_calls_left > 0, scheduler_.current))
    return next;
  scheduler_.current = nullptr;
  return std::noop_coroutine();
}

/// The fast path, for most calls: the entity is active and free, and nothing that came before is waiting.
[[gnu::always_inline]] bool Calls::may_start_now(const Record& record, const Activation& activation) const {
  return activation.state == Activation::State::active && activation.queued == 0 && !activation.has_waiting() &&
         !activation.must_stop && !record.is_exclusive && !activation.type->info->class_exclusive &&
         scheduler_.direct_calls_left > 0 && activation.type->info->has(*record.method);
}

void Calls::begin_detached(Record& record) {
  // Its caller's turn continues, but its changes so far go with the call.
  if (Activation* caller = activation_of(scheduler_.current);
      caller != nullptr && !scheduler_.current->is_read_only && !caller->is_dirty && caller->type->is_stored)
    listener_.mark_dirty(*caller);
  begin_in_window(record);
}

void Calls::begin_in_window(Record& record) {
  if (record.method == nullptr) {  // one of the entity's own Tasks, beside its caller
    record.activation = activation_of(scheduler_.current);
    if (scheduler_.current != nullptr) {
      record.callee = scheduler_.current->callee;
      record.is_read_only = scheduler_.current->is_read_only;
    }
    if (!record.is_joined) {  // nothing need wait for it: it has no deadline
      record.site = new detail::CallSite(record);
      record.site->label = "task";
      record.site->begun_ns = scheduler_.now_ns;
      record.timeout_ns = INT64_MAX;
      if (Activation* activation = activation_of(&record)) listener_.on_lone_task(*activation);
    }
  }
  const bool may_be_answered = record.is_cached && !is_cancelled();
  if (may_be_answered && copies_.try_answer(record)) return;
  if (record.is_joined) record.caller = scheduler_.current;  // gather waits for it, from here on
  if (!open(record)) {
    record.caller = nullptr;
    return;
  }
  if (record.is_joined && fail_if_cancelled(record)) return;
  if (may_be_answered && copies_.share(record)) return;
  if (record.method != nullptr) {
    static_cast<void>(route(RecordRef::share(record), /*may_run_now=*/false, scheduler_.current));
  } else {
    start_soon(RecordRef::share(record));
  }
}

/// True: the execution that is to wait for it gets epic::Cancelled instead.
bool Calls::fail_if_cancelled(Record& record) {
  if (!is_cancelled()) [[likely]]
    return false;
  fail(record, ErrorCode::cancelled,
       fmt::format("{} was cancelled before it could wait for {}", words_.describe(*scheduler_.current),
                   words_.describe(record)));
  return true;
}

/// False: there is room.
bool Calls::refuse_for_load(Record& record) {
  const bool is_new_work = record.method != nullptr && record.caller == nullptr;
  const std::string why = budget_.why_refused(table_.size(), is_new_work);
  if (why.empty()) return false;
  record.state = Record::State::ended;
  record.failure =
      make_exception(ErrorCode::overloaded, fmt::format("{} was not started: {}", words_.describe(record), why));
  return true;
}

[[gnu::always_inline]] bool Calls::open(Record& record) {
  record.sequence = next_sequence_++;
  record.observed = observations_.observed_by(scheduler_.current).value;
  if (budget_.may_be_short() && refuse_for_load(record)) [[unlikely]]
    return false;
  record.has_custom_deadline = record.timeout_ns != 0;
  record.deadline_ns = scheduler_.ns_from_now(record.has_custom_deadline ? record.timeout_ns : options_.timeout_ns);
  table_.add(record);
  return true;
}

std::coroutine_handle<> Calls::route(RecordRef record, bool may_run_now, const Record* maker) {
  if (record->failure) return {};
  if (Activation* activation = activations_.find(*record->callee))
    return enter(std::move(record), *activation, may_run_now);
  const TypeEntry* type = types_.find(record->callee->type());
  if (type == nullptr) {
    const std::string near = types_.nearest_type(record->callee->type());
    fail(*record, ErrorCode::no_such_type,
         fmt::format("no entity class '{}' in this project's modules{}", record->callee->type(),
                     near.empty() ? std::string() : fmt::format("; there is '{}'", near)));
    return {};
  }
  if (type->info->stored_name() != record->callee->type()) {  // called by another name of the class
    record->callee = detail::make_name(type->info->stored_name(), record->callee->key());
    return route(std::move(record), may_run_now, maker);
  }
  if (has_method(*record, *type)) listener_.leave(std::move(record), *type, maker);
  return {};
}

/// False: the Ref names an entity of another class, on whose object the method must not run.
bool Calls::has_method(Record& record, const TypeEntry& type) {
  if (record.method == nullptr || type.info->has(*record.method)) return true;
  fail(record, ErrorCode::no_such_method,
       fmt::format("{} was not started: the call was made through a Ref of another class, and {} has no such method",
                   words_.describe(record), type.info->type_name));
  return false;
}

std::coroutine_handle<> Calls::enter(RecordRef record, Activation& activation, bool may_run_now) {
  if (!has_method(*record, *activation.type)) return {};
  if (must_pass_by(*record, activation)) {
    listener_.leave(std::move(record), *activation.type, nullptr);
    return {};
  }
  if ((activation.state != Activation::State::active || activation.has_waiting()) &&
      !chains_.is_awaited_by(*record, activation)) {
    std::vector<RecordRef>& waiting = activation.get_rare().waiting;
    if (waiting.size() >= limits::kEntityQueueMax) {
      fail(*record, ErrorCode::overloaded,
           fmt::format("{} was not started: {} calls already wait for {}", words_.describe(*record), waiting.size(),
                       words_.shown(activation.name)));
      return {};
    }
    record->state = Record::State::loading;
    waiting.push_back(std::move(record));
    return {};
  }
  return let_in(std::move(record), activation, may_run_now);
}

void Calls::admit(RecordRef record, Activation& activation) {
  const bool must_not_enter = activation.state == Activation::State::gone || must_pass_by(*record, activation);
  if (must_not_enter && record->method == nullptr)  // a tick is of this instance, and of no other
    return fail(*record, ErrorCode::cancelled, "its entity is to leave");
  if (must_not_enter) return listener_.leave(std::move(record), *activation.type, nullptr);
  static_cast<void>(let_in(std::move(record), activation, /*may_run_now=*/false));
}

[[gnu::always_inline]] std::coroutine_handle<> Calls::let_in(RecordRef record, Activation& activation,
                                                             bool may_run_now) {
  record->activation = &activation;
  if ((record->is_exclusive || activation.type->info->class_exclusive) && !take_lock(record, activation)) return {};
  if (may_run_now && activation.queued == 0) {
    --scheduler_.direct_calls_left;
    return start(*record, &activation);
  }
  start_soon(std::move(record));
  return {};
}

/// False: the record waits for the lock, or has failed because it would wait for itself.
bool Calls::take_lock(RecordRef& record, Activation& activation) {
  const bool shares = record->is_read_only && !record->is_exclusive;
  const auto mode = shares ? EntityLock::Mode::shared : EntityLock::Mode::exclusive;
  if (const Record* holder = chains_.find_holder(*record, activation)) {
    if (record->is_read_only) return true;  // its own chain holds the lock: a const method enters beside it
    record->activation = nullptr;
    fail(*record, ErrorCode::deadlock,
         fmt::format("{} would wait for itself: {} holds the lock of {} and waits for this call (chain: {})",
                     words_.describe(*record), words_.describe(*holder), words_.shown(activation.name),
                     words_.describe_caller(*record)));
    return false;
  }
  if (activation.lock.try_take(*record, mode)) return true;
  if (activation.lock.waiting_count() >= limits::kEntityQueueMax) {
    record->activation = nullptr;
    fail(*record, ErrorCode::overloaded,
         fmt::format("{} was not started: {} calls already wait for the lock", words_.describe(*record),
                     limits::kEntityQueueMax));
    return false;
  }
  record->state = Record::State::locked_out;
  const Record* const first = activation.lock.first_waiting();
  activation.lock.wait(std::move(record), mode);
  suspect_first(activation, first);
  return false;
}

/// The next ones have the lock and start. What has become the first to wait, after `former`, is watched.
void Calls::pass_lock(Activation& activation, std::vector<RecordRef> granted, const Record* former) {
  for (RecordRef& record : granted) start_soon(std::move(record));
  suspect_first(activation, former);
}

/// The method's first turn starts. What the caller has observed, the callee has observed from here on.
[[gnu::always_inline]] std::coroutine_handle<> Calls::start(Record& record, Activation* activation) {
  record.state = Record::State::running;
  if (activation != nullptr) {
    activation->observed = std::max(activation->observed, CommitNumber{record.observed});
    if (!record.has_run) ++activation->running;
    ++activation->calls_count;
  }
  record.has_run = true;
  ++started_count_;
  scheduler_.current = &record;
  try {
    return record.start(activation == nullptr ? nullptr : activation->entity);
  } catch (...) {  // no memory for the frame, or moving an argument threw
    record.failure = as_received(std::current_exception(), words_.describe(record));
    return finish(record);
  }
}

// ---- turns ----

[[gnu::always_inline]] void Calls::end_turn() {
  turns_count_.store(turns_count() + 1, std::memory_order_relaxed);
  if (scheduler_.current == nullptr || scheduler_.current->is_read_only) return;
  Activation* activation = activation_of(scheduler_.current);
  if (activation == nullptr) return;
  if (activation->is_dirty) {
    if (activation->is_erased) [[unlikely]]
      listener_.note_erased(*activation);
  } else if (activation->type->is_stored) {
    listener_.mark_dirty(*activation);
  }
}

std::coroutine_handle<> Calls::suspend_on(detail::Waiter& waiter) {
  if (waiter.remaining == 0) {
    if (is_cancelled()) scheduler_.current->cancel = Record::Cancel::thrown;  // what it would wait for has failed
    return waiter.handle;
  }
  end_turn();
  scheduler_.current = nullptr;
  return std::noop_coroutine();
}

/// What an ended call has observed, the one that learns of its end has observed, too.
bool Calls::has_ended(const Record& record) const {
  if (record.state != Record::State::ended) return false;
  Observations::observe(scheduler_.current, CommitNumber{record.observed});
  return true;
}

bool Calls::wait_for(Record& record, detail::Waiter& waiter) {
  waiter.execution = scheduler_.current;
  const bool is_own_task = record.method == nullptr;  // then Cancelled comes from there
  if (has_ended(record) || (!is_own_task && fail_if_cancelled(record))) return true;
  ++waiter.remaining;
  record.waiter = &waiter;
  record.caller = scheduler_.current;
  return false;
}

void Calls::stop_waiting(Record& record, detail::Waiter& waiter) {
  if (record.waiter == &waiter) {
    record.waiter = nullptr;
    record.caller = nullptr;
  }
  scheduler_.queue.drop(waiter);
}

// ---- ending ----

/// The method's outermost frame has ended. Returns the coroutine to run next: the one that awaited it.
[[gnu::always_inline]] std::coroutine_handle<> Calls::finish(Record& record) {
  end_turn();
  record.destroy_frame();
  if (record.site == nullptr && !record.is_abandoned && !record.holds_lock && !record.is_cached &&
      record.waiter != nullptr) {
    return finish_plain(record);
  }
  const RecordRef kept = RecordRef::share(record);
  const bool was_abandoned = record.is_abandoned;
  detail::Waiter* waiter = was_abandoned ? nullptr : conclude(record);
  end_execution(record);
  if (waiter == nullptr || !waiter->is_due() || scheduler_.is_reaped(waiter->execution)) {
    scheduler_.current = nullptr;
    return std::noop_coroutine();
  }
  scheduler_.current = waiter->execution;
  return waiter->handle;
}

/// The fast path, for a call inside the node that is awaited.
[[gnu::always_inline]] std::coroutine_handle<> Calls::finish_plain(Record& record) {
  Activation* const activation = activation_of(&record);
  detail::Waiter* const waiter = std::exchange(record.waiter, nullptr);
  record.state = Record::State::ended;
  record.caller = nullptr;
  Observations::observe(waiter->execution, observations_.observed_by(&record));
  if (activation != nullptr) {
    --activation->running;
    activation->last_used_ns = scheduler_.now_ns;
    check_stop(*activation);
  }
  table_.remove(record);
  record.release();  // the waiter holds another reference
  --waiter->remaining;
  if (!waiter->is_due() || scheduler_.is_reaped(waiter->execution)) {
    scheduler_.current = nullptr;
    return std::noop_coroutine();
  }
  scheduler_.current = waiter->execution;
  return waiter->handle;
}

// ---- driving ----

bool Calls::run(std::size_t items) {
  settle_shared();
  for (; items > 0 && !scheduler_.queue.empty(); --items) run_one(scheduler_.queue.pop());
  return !scheduler_.queue.empty() || copies_.has_shared();
}

void Calls::run_one(RunQueue::Item item) {
  const bool is_any_cancelled = scheduler_.has_cancelled_tasks || scheduler_.has_cancelled_calls;
  scheduler_.direct_calls_left = is_any_cancelled ? 0 : options_.direct_calls_max;  // begin() looks at the others only
  std::coroutine_handle<> next;
  if (item.waiter != nullptr) {
    if (scheduler_.is_reaped(item.waiter->execution)) return;
    scheduler_.current = item.waiter->execution;
    next = item.waiter->handle;
  } else {
    Activation* activation = activation_of(item.record.get());
    if (item.record->site != nullptr && !item.record->failure) {
      if (item.record->site->mail) listener_.on_mail_begin(*item.record);
      if (item.record->site->answer) listener_.on_answer_begin(*item.record);  // which may end it
      if (item.record->site->arguments) read_arguments(*item.record);          // likewise
    }
    if (item.record->failure) {  // it stopped waiting before it started
      if (item.record->holds_lock) end_execution(*item.record);
      if (activation != nullptr) check_stop(*activation);
      return;
    }
    next = start(*item.record, activation);
  }
  if (next) next.resume();
  scheduler_.current = nullptr;
}

void Calls::read_arguments(Record& record) {
  const auto arguments = std::exchange(record.site->arguments, nullptr);
  if (const auto read = arguments->read_into(record); !read)
    fail(record, ErrorCode::bad_arguments,
         fmt::format("{}: {}: {}", words_.describe(record), read.error().path, read.error().what));
}

void Calls::on_time() {
  visits_left_ = limits::kDescribeVisitsMax;
  for (std::size_t i = 0; i < limits::kEndedPerTick; ++i) {
    Record* const record = table_.find_expired(scheduler_.now_ns);
    if (record == nullptr) break;
    expire(*record);
  }
  probes_.on_time();
  copies_.on_time();
}

std::optional<std::int64_t> Calls::next_timer_ns() const {
  if (copies_.has_shared()) return scheduler_.now_ns;
  std::optional<std::int64_t> next = table_.next_deadline_ns();
  if (const auto due = probes_.next_timer_ns()) next = std::min(next.value_or(INT64_MAX), *due);
  return next;
}

void Calls::on_ring(Record& victim, const DeadlockMessage& deadlock, const std::string& message) {
  listener_.on_deadlock(deadlock);
  fail(victim, ErrorCode::deadlock, message);
}

}  // namespace epic::kernel

namespace epic::detail {

// Every call passes through these two. They are here and not in user_api.cpp so that they can be inlined.

std::coroutine_handle<> begin_call(CallRecord& record, Waiter& waiter) noexcept {
  return kernel::calls_here("a call").begin(record, waiter);
}

std::coroutine_handle<> finish_call(CallRecord& record) noexcept { return kernel::calls_here("a Task").finish(record); }

}  // namespace epic::detail
