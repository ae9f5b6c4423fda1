// Calls inside the node: admission, order, locks, deadlines, and the end of a call.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/errors.hpp"
#include "kernel/frame_pool.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

namespace {

std::string seconds_text(std::int64_t nanoseconds) {
  return nanoseconds % 1'000'000'000 == 0 ? fmt::format("{} s", nanoseconds / 1'000'000'000)
                                          : fmt::format("{} ms", nanoseconds / 1'000'000);
}

}  // namespace

// What every call passes through is one function, always_inline: a tenth of its time, measured with local_call_bench.

// ---- beginning ----

[[gnu::always_inline]] std::coroutine_handle<> Kernel::begin_call(Record& record, detail::Waiter& waiter) {
  end_turn();
  waiter.execution = current_;
  waiter.remaining = 1;
  record.waiter = &waiter;
  record.caller = current_;
  if (!admit(record)) {  // the caller goes on at once, and throws
    waiter.remaining = 0;
    record.waiter = nullptr;
    record.caller = nullptr;
    return waiter.handle;
  }
  if (Activation* activation = activations_.find(*record.callee);
      activation != nullptr && may_start_now(record, *activation)) {
    --direct_calls_left_;
    record.activation = activation;
    return start(record, activation);
  }
  if (const std::coroutine_handle<> next =
          route(RecordRef::share(record), /*may_run_now=*/direct_calls_left_ > 0, current_))
    return next;
  current_ = nullptr;
  return std::noop_coroutine();
}

/// The short way, for most calls there are: the entity is live and free, and nothing that came before is waiting.
[[gnu::always_inline]] bool Kernel::may_start_now(const Record& record, const Activation& activation) const {
  return activation.state == Activation::State::active && activation.queued == 0 && !activation.has_waiting() &&
         !activation.must_stop && !record.is_exclusive && !activation.type->info->class_exclusive &&
         direct_calls_left_ > 0;
}

void Kernel::begin_detached(Record& record) {
  // Its caller's turn goes on, but what that has changed so far goes with the call.
  if (Activation* caller = activation_of(current_);
      caller != nullptr && !current_->is_read_only && !caller->is_dirty && caller->type->is_stored)
    mark_dirty(*caller);
  if (record.method == nullptr) {  // a Task of the entity's own, beside its caller
    record.activation = activation_of(current_);
    if (current_ != nullptr) {
      record.callee = current_->callee;
      record.is_read_only = current_->is_read_only;
    }
  }
  if (!admit(record)) return;
  if (record.is_joined) record.caller = current_;  // who gathers waits for it, from here on
  if (record.method != nullptr) {
    static_cast<void>(route(RecordRef::share(record), /*may_run_now=*/false, current_));
  } else {
    enqueue_start(RecordRef::share(record));
  }
}

/// False: what is kept for later calls made it look like too much.
bool Kernel::refuse_for_load(Record& record) {
  const std::uint64_t bytes = frame_bytes();
  if (bytes < options_.calls_bytes_max) return false;
  record.state = Record::State::ended;
  record.failure = make_exception(
      ErrorCode::overloaded,
      fmt::format(
          "{} was not started: the {} calls in flight on this node take {} MiB of memory, and {} MiB is the most",
          describe(record), calls_.size(), bytes >> 20, options_.calls_bytes_max >> 20));
  return true;
}

/// Gives the record its number and deadline and a place in the table. False: it has failed already.
[[gnu::always_inline]] bool Kernel::admit(Record& record) {
  record.sequence = next_sequence_++;
  record.observed = observed_by(current_).value;
  if (frame_bytes_at_most() >= options_.calls_bytes_max && refuse_for_load(record)) [[unlikely]]
    return false;
  record.has_custom_deadline = record.patience_ns != 0;
  record.deadline_ns = ns_from_now(record.has_custom_deadline ? record.patience_ns : options_.call_patience.count());
  calls_.add(record);
  return true;
}

/// Sends a call on its way. What it returns runs next: the method's frame if it may start now, otherwise nothing.
/// `maker`: the execution that makes the call just now; null when the call has been under way, or comes from outside.
std::coroutine_handle<> Kernel::route(RecordRef record, bool may_run_now, const Record* maker) {
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
  if (type->info->stored_name() != record->callee->type()) {  // called by another of the class's names
    record->callee = detail::make_name(type->info->stored_name(), record->callee->key());
    return route(std::move(record), may_run_now, maker);
  }
  leave(std::move(record), *type, maker);
  return {};
}

/// The entity is in memory: the call starts, or waits for it or for its lock.
std::coroutine_handle<> Kernel::enter(RecordRef record, Activation& activation, bool may_run_now) {
  if (activation.must_stop && routing_.is_closed(activation.shard) && !holds_up_a_move(*record)) {
    leave(std::move(record), *activation.type, nullptr);  // or a busy entity would never get to move
    return {};
  }
  if ((activation.state != Activation::State::active || activation.has_waiting()) &&
      !is_awaited_by(*record, activation)) {
    std::vector<RecordRef>& waiting = activation.get_rare().waiting;
    if (waiting.size() >= limits::kEntityQueueMax) {
      fail(*record, ErrorCode::overloaded,
           fmt::format("{} was not started: {} calls wait for {} already", describe(*record), waiting.size(),
                       shown(activation.name)));
      return {};
    }
    record->state = Record::State::loading;
    waiting.push_back(std::move(record));
    return {};
  }
  record->activation = &activation;
  if ((record->is_exclusive || activation.type->info->class_exclusive) && !take_lock(record, activation)) return {};
  if (may_run_now && activation.queued == 0) {
    --direct_calls_left_;
    return start(*record, &activation);
  }
  enqueue_start(std::move(record));
  return {};
}

/// False: the record waits for the lock, or has failed as it would wait for itself.
bool Kernel::take_lock(RecordRef& record, Activation& activation) {
  const bool shares = record->is_read_only && !record->is_exclusive;
  const auto mode = shares ? EntityLock::Mode::shared : EntityLock::Mode::exclusive;
  if (const Record* holder = find_in_chain(*record, activation.lock.holders())) {
    if (record->is_read_only) return true;  // its own chain holds the lock: a const method enters beside it
    record->activation = nullptr;
    fail(*record, ErrorCode::deadlock,
         fmt::format("{} would wait for itself: {} holds the lock of {} and waits for this call (chain: {})",
                     describe(*record), describe(*holder), shown(activation.name), describe_caller(*record)));
    return false;
  }
  if (activation.lock.try_take(*record, mode)) return true;
  if (activation.lock.waiting_count() >= limits::kEntityQueueMax) {
    record->activation = nullptr;
    fail(*record, ErrorCode::overloaded,
         fmt::format("{} was not started: {} calls wait for the lock already", describe(*record),
                     limits::kEntityQueueMax));
    return false;
  }
  record->state = Record::State::locked_out;
  suspect(record);
  activation.lock.wait(std::move(record), mode, wall_ns_);
  return false;
}

/// The holder that waits for this very call, here or through other nodes; null when there is none.
const Record* Kernel::find_in_chain(const Record& record, std::span<Record* const> holders) const {
  if (holders.empty()) return nullptr;
  for (const Record* link = &record; link != nullptr; link = link->caller) {
    if (std::ranges::find(holders, link) != holders.end()) return link;
    if (link->site == nullptr) continue;
    for (const ChainLink& remote : link->site->chain)
      for (const Record* holder : holders)
        if (id_of(*holder) == remote.id) return holder;
  }
  return nullptr;
}

/// The method's first turn begins. What the caller has observed, the callee has observed from here on.
[[gnu::always_inline]] std::coroutine_handle<> Kernel::start(Record& record, Activation* activation) {
  record.state = Record::State::running;
  if (activation != nullptr) {
    activation->observed = std::max(activation->observed, CommitNumber{record.observed});
    if (!record.has_run) ++activation->running;
    ++activation->calls_count;
  }
  record.has_run = true;
  ++stats_.calls_started;
  current_ = &record;
  try {
    return record.start(activation == nullptr ? nullptr : activation->entity);
  } catch (...) {  // no memory for the frame, or an argument's move threw
    record.failure = as_received(std::current_exception());
    return finish_call(record);
  }
}

// ---- turns ----

/// The code of the current execution has reached a yield point.
[[gnu::always_inline]] void Kernel::end_turn() {
  ++stats_.turns;
  if (current_ == nullptr || current_->is_read_only) return;
  Activation* activation = activation_of(current_);
  if (activation == nullptr) return;
  if (activation->is_dirty) {
    if (activation->is_erased) [[unlikely]]
      note_erased(*activation);
  } else if (activation->type->is_stored) {
    mark_dirty(*activation);
  }
}

std::coroutine_handle<> Kernel::suspend_on(detail::Waiter& waiter) {
  if (waiter.remaining == 0) return waiter.handle;
  end_turn();
  current_ = nullptr;
  return std::noop_coroutine();
}

bool Kernel::wait_for(Record& record, detail::Waiter& waiter) {
  waiter.execution = current_;
  if (record.state == Record::State::ended) return true;
  ++waiter.remaining;
  record.waiter = &waiter;
  record.caller = current_;
  return false;
}

void Kernel::stop_waiting(Record& record, detail::Waiter& waiter) {
  if (record.waiter == &waiter) {
    record.waiter = nullptr;
    record.caller = nullptr;
  }
  dequeue(waiter);
}

// ---- ending ----

/// The method's outermost frame is at its end. Returns what runs next: whoever awaited it.
[[gnu::always_inline]] std::coroutine_handle<> Kernel::finish_call(Record& record) {
  end_turn();
  record.destroy_frame();
  if (record.site == nullptr && !record.is_abandoned && !record.holds_lock && record.waiter != nullptr) {
    return finish_plain(record);
  }
  const RecordRef kept = RecordRef::share(record);
  const bool was_abandoned = record.is_abandoned;
  detail::Waiter* waiter = was_abandoned ? nullptr : conclude(record);
  end_execution(record);
  if (waiter == nullptr || waiter->remaining > 0) {
    current_ = nullptr;
    return std::noop_coroutine();
  }
  current_ = waiter->execution;
  return waiter->handle;
}

/// The short way, for a call inside the node that somebody awaits.
[[gnu::always_inline]] std::coroutine_handle<> Kernel::finish_plain(Record& record) {
  Activation* const activation = activation_of(&record);
  detail::Waiter* const waiter = std::exchange(record.waiter, nullptr);
  record.state = Record::State::ended;
  record.caller = nullptr;
  observe(waiter->execution, observed_by(&record));
  if (activation != nullptr) {
    --activation->running;
    activation->last_used_ns = now_ns_;
    check_stop(*activation);
  }
  calls_.remove(record);
  record.release();  // whoever waits holds another count
  if (--waiter->remaining > 0) {
    current_ = nullptr;
    return std::noop_coroutine();
  }
  current_ = waiter->execution;
  return waiter->handle;
}

/// Hands the outcome or failure to whoever waits. Returns the one to resume, if that was the last it waited for.
detail::Waiter* Kernel::conclude(Record& record) {
  record.state = Record::State::ended;
  const CommitNumber seen = observed_by(&record);
  detail::Waiter* waiter = std::exchange(record.waiter, nullptr);
  record.caller = nullptr;
  if (detail::CallSite* site = record.site) {
    routing_.forget(*site);
    if (site->from.life != 0) reply_to(record);
    if (site->on_hook_end) site->on_hook_end(record);
    if (site->on_end) let_out(&record, HeldEnd{RecordRef::share(record)});
  } else if (waiter == nullptr && !record.is_joined && (record.failure || record.thrown())) {
    const ErrorPart error = record.failure ? describe_failure(record.failure) : describe_thrown(record.thrown());
    syscalls_.log(LogLevel::warn, shown(record.callee),
                  fmt::format("nobody awaits {}, which failed: {}", describe(record), error.message));
  }
  if (waiter == nullptr) return nullptr;
  observe(waiter->execution, seen);
  --waiter->remaining;
  return waiter;
}

/// The execution is over, or never began: gives back the lock, the table's count, and the entity's pin.
void Kernel::end_execution(Record& record) {
  Activation* activation = activation_of(&record);
  if (record.holds_lock)
    for (RecordRef& granted : activation->lock.release(record)) enqueue_start(std::move(granted));
  if (activation != nullptr && record.has_run) {
    --activation->running;
    activation->last_used_ns = now_ns_;
    check_stop(*activation);
  }
  retire(record);
}

void Kernel::retire(Record& record) {
  if (!record.is_listed) return;
  calls_.remove(record);
  record.release();
}

void Kernel::fail(Record& record, ErrorCode code, const std::string& message) {
  fail(record, make_exception(code, message));
}

/// Ends the wait for a call. What runs goes on, but nobody will hear of it; what has not begun never will.
void Kernel::fail(Record& record, std::exception_ptr failure) {
  if (record.state == Record::State::ended) return;
  const RecordRef kept = RecordRef::share(record);
  const bool is_running = record.state == Record::State::running;
  Activation* const waits_at = record.state == Record::State::locked_out ? activation_of(&record) : nullptr;
  record.failure = std::move(failure);
  detail::Waiter* waiter = conclude(record);
  if (is_running && record.is_listed)
    calls_.abandon(record);
  else
    retire(record);
  if (waits_at != nullptr) {
    for (RecordRef& granted : waits_at->lock.leave(record)) enqueue_start(std::move(granted));
    check_stop(*waits_at);
  }
  if (waiter != nullptr && waiter->remaining == 0) enqueue_resume(*waiter);
}

void Kernel::expire(Record& record) {
  const bool is_looked_into = record.state != Record::State::running || describes_left_ > 0;
  if (is_looked_into && record.state == Record::State::running) --describes_left_;
  const std::string doing = (is_looked_into ? describe_doing(record) : std::string("it is still running")) +
                            (blocked_.empty() ? std::string() : "; and nothing can be saved just now: " + blocked_);
  // Who made the call from another node puts it into a sentence there.
  const bool is_from_peer = record.site != nullptr && record.site->from.life != 0;
  fail(record, ErrorCode::timeout, is_from_peer ? doing : describe_timeout(record, doing));
}

std::string Kernel::describe_timeout(const Record& record, const std::string& doing) const {
  const std::int64_t patience = record.patience_ns != 0 ? record.patience_ns : options_.call_patience.count();
  return fmt::format("{} waited {} for {}: {}", describe_caller(record), seconds_text(patience), describe(record),
                     doing);
}

/// What keeps a call from its end, for whoever has waited in vain.
std::string Kernel::describe_doing(const Record& record) const {
  switch (record.state) {
    case Record::State::running:
      break;
    case Record::State::loading:
      return "its entity is not active yet";
    case Record::State::locked_out:
      return "it is " + describe_lock(record);
    case Record::State::sent:
      return fmt::format("no answer has come from node-{}", record.site->sent_to.node);
    default:
      return "it has not started";
  }
  const std::string waits_for = describe_waits(record, 0);
  return waits_for.empty() ? "it is still running, and waits for no call"
                           : "it is still running, and waits for " + waits_for;
}

/// The calls that what runs has made, and what keeps those, as far as this node knows.
std::string Kernel::describe_waits(const Record& record, int depth) const {
  constexpr std::size_t kNamedMax = 3;
  constexpr int kDepthMax = 4;
  std::vector<const Record*> made;
  calls_.for_each([&](const Record& other) {
    if (other.caller == &record && made.size() < kNamedMax) made.push_back(&other);
  });
  std::string text;
  for (const Record* other : made) {
    text += (text.empty() ? "" : " and ") + describe(*other);
    if (other->state == Record::State::sent) text += fmt::format(" on node-{}", other->site->sent_to.node);
    if (other->state == Record::State::locked_out) text += ", which is " + describe_lock(*other);
    if (other->state != Record::State::running || depth == kDepthMax) continue;
    if (const std::string further = describe_waits(*other, depth + 1); !further.empty())
      text += ", which waits for " + further;
  }
  return text;
}

// ---- words ----

std::string Kernel::describe(const Record& record) const {
  const std::string entity = shown(record.callee);
  if (record.method != nullptr) return entity + "." + std::string(record.method->name);
  const std::string label = record.site != nullptr ? record.site->label : std::string("a spawned task");
  return entity.empty() ? label : entity + "." + label;
}

/// Who waits: "setup ▸ Player/Bob.enter_level", outermost first.
std::string Kernel::describe_caller(const Record& record) const {
  std::string text;
  for (const ChainLink& link : chain_of(&record)) {
    if (link.id == id_of(record)) break;
    if (!text.empty()) text += " > ";
    text += link.method.empty() ? link.entity : link.entity + "." + link.method;
  }
  return text.empty() ? "the caller" : text;
}

/// Outermost first, `record` itself last.
std::vector<ChainLink> Kernel::chain_of(const Record* record) const {
  std::vector<ChainLink> chain;
  for (const Record* link = record; link != nullptr; link = link->caller) {
    const std::string method = link->method != nullptr ? std::string(link->method->name) : std::string();
    const std::string entity = link->callee            ? shown(link->callee)
                               : link->site != nullptr ? link->site->label
                                                       : std::string("task");
    chain.push_back({id_of(*link), entity, method});
    if (link->caller == nullptr && link->site != nullptr)
      chain.insert(chain.end(), link->site->chain.rbegin(), link->site->chain.rend());
    if (chain.size() > limits::kChainLengthMax) break;
  }
  std::ranges::reverse(chain);
  return chain;
}

}  // namespace epic::kernel

namespace epic::detail {

// Every call passes through these two. They are here and not in user_api.cpp so that they become one with what they
// call.

std::coroutine_handle<> begin_call(CallRecord& record, Waiter& waiter) noexcept {
  return kernel::here("a call").begin_call(record, waiter);
}

std::coroutine_handle<> finish_call(CallRecord& record) noexcept { return kernel::here("a Task").finish_call(record); }

}  // namespace epic::detail
