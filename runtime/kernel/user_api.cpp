// The functions that entities call, on the thread's current kernel.

#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>

#include "epic/epic.hpp"
#include "kernel/assert.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic {

namespace kernel {

void die_without_kernel(const char* what) {
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

std::coroutine_handle<> SleepAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  waiter.handle = awaiting;
  timer = here("epic::sleep").timers().start(nanoseconds, waiter);
  return calls_here("epic::sleep").suspend_on(waiter);
}
SleepAwaiter::~SleepAwaiter() {
  if (timer != 0) here("epic::sleep").timers().cancel(timer, waiter);
}

void throw_cancelled() {
  const kernel::Kernel& kernel = here("co_await");
  throw Cancelled(kernel.describe_current() + " was cancelled: its entity is to leave, and no call waits for it");
}

bool is_stopping() { return here("epic::stopping").is_stopping(); }

std::coroutine_handle<> StoppingAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  waiter.handle = awaiting;
  place = here("epic::stopping").stop_waits().add(waiter);
  return calls_here("epic::stopping").suspend_on(waiter);
}
StoppingAwaiter::~StoppingAwaiter() {
  if (place != 0) here("epic::stopping").stop_waits().forget(place, waiter);
}

std::coroutine_handle<> SavedAwaiter::await_suspend(std::coroutine_handle<> awaiting) noexcept {
  waiter.handle = awaiting;
  calls_here("epic::saved").end_turn();
  is_waiting = here("epic::saved").saving().wait(*this);
  return is_waiting ? std::coroutine_handle<>(std::noop_coroutine()) : awaiting;
}
SavedAwaiter::~SavedAwaiter() {
  if (is_waiting) here("epic::saved").saving().stop_waiting(*this);
}

}  // namespace detail

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
