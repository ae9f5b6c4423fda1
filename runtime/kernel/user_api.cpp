// The functions that entities call, on the thread's current kernel.

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <utility>

#include "epic/epic.hpp"
#include "kernel/assert.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic {

namespace {
thread_local bool t_is_blocking = false;  // it runs what was given to epic::blocking
}

namespace kernel {

void die_without_kernel(const char* what) {
  if (t_is_blocking)
    throw std::logic_error(fmt::format(
        "{} was used inside of epic::blocking, on a thread that runs no entities: use it before or after that", what));
  EPIC_ASSERT(false, "{} was used on a thread that runs no entities", what);
  std::abort();
}

}  // namespace kernel

using kernel::calls_here;
using kernel::here;

namespace detail {

void delete_site(CallSite* site) noexcept { delete site; }

void begin_detached(CallRecord& record) { calls_here("spawn or gather").begin_detached(record); }
bool has_ended(CallRecord& record) noexcept { return calls_here("co_await").has_ended(record); }
bool wait_for(CallRecord& record, Waiter& waiter) noexcept { return calls_here("co_await").wait_for(record, waiter); }
void stop_waiting(CallRecord& record, Waiter& waiter) noexcept {
  if (kernel::Calls* calls = kernel::Calls::current()) calls->stop_waiting(record, waiter);
}
std::coroutine_handle<> suspend_on(Waiter& waiter) noexcept { return calls_here("co_await").suspend_on(waiter); }
CallRecord* current_execution() noexcept {
  kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  return kernel == nullptr ? nullptr : kernel->current();
}

std::coroutine_handle<> ParkedWait::park(std::coroutine_handle<> awaiting, WaitsFor what, std::int64_t until) noexcept {
  kernel::Kernel& kernel = here("co_await");
  if (const kernel::Record* const current = kernel.current();
      current != nullptr && current->cancel == kernel::Record::Cancel::asked)
    return awaiting;
  waiter.handle = awaiting;
  kernel.parked().add(*this, what, until);
  return calls_here("co_await").suspend_on(waiter);
}
void ParkedWait::forget() noexcept {
  if (kernel::Kernel* const kernel = kernel::Kernel::current_kernel()) kernel->parked().forget(*this);
}
void ParkedWait::check_cancelled() {
  kernel::Record* const current = current_execution();
  if (current == nullptr || current->cancel != kernel::Record::Cancel::asked) return;
  current->cancel = kernel::Record::Cancel::thrown;
  throw_cancelled();
}

std::coroutine_handle<> SleepAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  const std::int64_t until_ns = here("epic::sleep").ns_from_now(std::max<std::int64_t>(duration_ns_, 0));
  return park(awaiting, WaitsFor::time, until_ns);
}

void throw_borrowing_task() {
  throw std::logic_error(
      "epic::spawn: this Task may refer to something that ends before it: it was made by calling a lambda with "
      "captures, "
      "or a coroutine with a parameter of type const T& or T&&. Pass the lambda itself, as in "
      "epic::spawn([this]() -> epic::Task<> { ... }), and take parameters by value");
}

void note_dropped(const CallRecord& call) noexcept {
  kernel::Kernel* const kernel = kernel::Kernel::current_kernel();
  if (kernel != nullptr && kernel->current() != nullptr && std::uncaught_exceptions() == 0) kernel->note_dropped(call);
}

void cancel(CallRecord& record) { here("epic::Spawned::cancel").cancellations().cancel(record); }

void throw_cancelled() {
  const kernel::Kernel& kernel = here("co_await");
  const std::exception_ptr& failure = kernel.current()->failure;
  if (failure && kernel::describe_failure(failure).code == ErrorCode::cancelled)
    std::rethrow_exception(failure);  // its caller has cancelled it
  throw Cancelled(kernel.describe_current() + " was cancelled: its entity is to leave, and no call waits for it");
}

bool is_stopping() { return here("epic::stopping").is_stopping(); }

std::coroutine_handle<> StoppingAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  return park(awaiting, WaitsFor::stopping, 0);
}

TimerId start_timer(std::unique_ptr<TickSource> source, std::int64_t delay_ns, std::int64_t interval_ns) {
  kernel::Kernel& kernel = here("epic::every or epic::after");
  kernel::Activation* const activation = kernel::activation_of(kernel.current());
  if (activation == nullptr || activation->entity == nullptr)
    throw std::logic_error(
        "epic::every and epic::after start timers of an entity: use them in its methods or on_activate");
  if (!source->can_run_on(*activation->entity))
    throw std::logic_error("epic::every and epic::after: the method is of another class than the entity that runs");
  return kernel.timers().start(*activation, std::move(source), delay_ns, interval_ns);
}
void stop_timer(const TimerId& timer) { here("epic::Timer").timers().stop(timer); }
void unpin_timer(const TimerId& timer) { here("epic::Timer").timers().unpin(timer); }
bool has_timer(const TimerId& timer) { return here("epic::Timer").timers().has(timer); }

std::coroutine_handle<> EventAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  previous_ = event_->last_;
  (previous_ == nullptr ? event_->first_ : previous_->next_) = this;
  event_->last_ = this;
  return park(awaiting, WaitsFor::event, 0);
}
void EventAwaiter::await_resume() {
  if (event_ != nullptr) std::exchange(event_, nullptr)->unlink(*this);
  check_cancelled();
  if (is_event_gone_) throw std::logic_error("the epic::Event or epic::Promise that it waited for has gone");
}
EventAwaiter::~EventAwaiter() {
  if (event_ != nullptr) event_->unlink(*this);
}

void deliver(CallRecord& call) { here("epic::deliver").outbox().deliver(call); }

void remind(std::string_view name, const ReminderTime& first, std::int64_t every_ns, const MethodPointer& method,
            const void* arguments) {
  here("epic::remind").reminders().remind(name, first, every_ns, method, arguments);
}

std::coroutine_handle<> SavedAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  calls_here("epic::saved").end_turn();
  kernel::Saving& saving = here("epic::saved").saving();
  const kernel::Saving::Awaited awaited = what_ == Durable::all ? saving.await_saved() : saving.await_seen();
  if (saving.is_durable(awaited.commit)) return awaiting;
  has_seen_others = awaited.has_seen_others;
  return park(awaiting, WaitsFor::commit, static_cast<std::int64_t>(awaited.commit.value));
}

void BlockingWork::run(FileAccess* files) noexcept {
  const bool before = std::exchange(t_is_blocking, true);
  try {
    call(files);
  } catch (...) {
    fail(std::current_exception());
  }
  t_is_blocking = before;
}

std::coroutine_handle<> BlockingAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  kernel::Kernel& kernel = here("epic::blocking");
  is_refused_ = !kernel.blocking().has_room();
  if (is_refused_) return awaiting;
  const kernel::Kernel::Running running = kernel.running();
  work_->entity = running.entity;
  work_->method = running.method;
  const std::coroutine_handle<> next = park(awaiting, WaitsFor::thread, 0);
  if (place.number != 0) kernel.blocking().start(work_, *this);  // otherwise it is cancelled, and goes on
  return next;
}
void BlockingAwaiter::await_resume() {
  check_cancelled();
  if (is_refused_) {
    const kernel::Kernel& kernel = here("epic::blocking");
    throw epic::Overloaded(fmt::format(
        "{} was refused epic::blocking: {} functions run or wait on this node already, which [fabric] blocking_threads "
        "and blocking_queue allow",
        kernel.describe_current(), kernel.blocking().count()));
  }
}

}  // namespace detail

Event::~Event() {
  if (first_ != nullptr) release_all(/*is_gone=*/true);
}

void Event::set() {
  is_set_ = true;
  if (first_ != nullptr) release_all(/*is_gone=*/false);
}

/// What the current execution has observed, those that it wakes have observed, too.
void Event::release_all(bool is_gone) {
  kernel::Kernel* const kernel = kernel::Kernel::current_kernel();
  while (detail::EventAwaiter* const awaiter = first_) {
    unlink(*awaiter);
    awaiter->event_ = nullptr;
    awaiter->is_event_gone_ = is_gone;
    if (kernel == nullptr) continue;  // the kernel goes, and its frames with it
    kernel::Record* const woken = awaiter->waiter.execution;
    if (kernel::activation_of(woken) != kernel::activation_of(kernel->current()))
      calls_here("epic::Event").end_turn();  // another entity sees what this turn has changed so far
    kernel::Observations::observe(woken, kernel->saving().observations().observed_by(kernel->current()));
    kernel->parked().resume(*awaiter);
  }
}

void Event::unlink(detail::EventAwaiter& awaiter) {
  if (first_ != &awaiter && awaiter.previous_ == nullptr) return;  // it was released
  (awaiter.previous_ == nullptr ? first_ : awaiter.previous_->next_) = awaiter.next_;
  (awaiter.next_ == nullptr ? last_ : awaiter.next_->previous_) = awaiter.previous_;
  awaiter.previous_ = awaiter.next_ = nullptr;
}

ActivationCause activation_cause() {
  const kernel::Activation* const activation = kernel::activation_of(here("epic::activation_cause").current());
  if (activation == nullptr || activation->entity == nullptr)
    throw std::logic_error("epic::activation_cause was asked outside of an entity's methods and hooks");
  return activation->cause;
}

std::uint64_t skipped_ticks() {
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  const kernel::Record* const current = kernel == nullptr ? nullptr : kernel->current();
  return current != nullptr && current->site != nullptr && current->site->tick ? current->site->tick->skipped : 0;
}

void forget(std::string_view name) { here("epic::forget").reminders().forget(name); }

std::uint64_t missed() {
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  const kernel::Record* const current = kernel == nullptr ? nullptr : kernel->current();
  return current != nullptr && current->site != nullptr ? current->site->missed : 0;
}

void erase() { here("epic::erase").saving().erase(); }

std::string call_id() {
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  if (kernel == nullptr || kernel->current() == nullptr) return {};
  const kernel::CallId id = kernel->id_of(*kernel->current());
  return fmt::format("{}.{}.{}", id.node, id.life, id.sequence);
}

std::chrono::system_clock::time_point now() {
  using std::chrono::system_clock;
  return system_clock::time_point(
      std::chrono::duration_cast<system_clock::duration>(std::chrono::nanoseconds(here("epic::now").wall_ns())));
}

std::uint64_t random() { return here("epic::random").random(); }

namespace log {

void write(Level level, std::string_view message) {
  if (kernel::Kernel* kernel = kernel::Kernel::current_kernel())
    return kernel->log(static_cast<kernel::LogLevel>(level), message);
  fmt::print(stderr, "{}\n", message);
}

bool is_on(Level level) {
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  return kernel == nullptr || static_cast<kernel::LogLevel>(level) >= kernel->options().log_level;
}

namespace detail {
void vwrite(Level level, fmt::string_view format, fmt::format_args args) {
  if (is_on(level)) write(level, fmt::vformat(format, args));
}
}  // namespace detail

}  // namespace log
}  // namespace epic
