// epic::detail::CallWindow, which user's code awaits: on the thread's current kernel.

#include "epic/call_window.hpp"

#include <algorithm>
#include <stdexcept>

#include "kernel/calls/calls.hpp"
#include "kernel/limits.hpp"

namespace epic::detail {

namespace {

/// As the last thing that a Refill does: it may be destroyed by what follows.
struct GoOnWith {
  std::coroutine_handle<> frame;
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<>) const noexcept { return frame; }
  void await_resume() const noexcept {}
};

}  // namespace

CallWindow::CallWindow(std::size_t at_once, Runs runs, std::size_t together)
    : at_once_(std::min<std::size_t>(at_once, UINT32_MAX - 1)), together_(std::min(together, at_once_)), runs_(runs) {
  if (at_once == 0)
    throw std::logic_error("epic::gather or epic::reduce: at_once is 0, so none of the calls would ever begin");
}

CallWindow::~CallWindow() {
  if (kernel::Calls* const calls = kernel::Calls::current()) calls->forget_resume(waiter_);
  if (refill_) refill_.destroy();
}

void CallWindow::throw_cut_short() {
  current_execution()->cancel = CallRecord::Cancel::thrown;
  throw_cancelled();
}

std::coroutine_handle<> CallWindow::await_suspend(std::coroutine_handle<> awaiting) {
  awaiting_ = awaiting;
  waiter_.handle = awaiting;
  execution_ = current_execution();
  if (execution_ != nullptr) cancel_before_ = execution_->cancel;
  begin_some(Turn::of_entity);
  if (!is_going_on()) return suspend_on(waiter_);
  refill_ = refill(this).handle;
  waiter_.handle = refill_;
  kernel::Calls& calls = kernel::calls_here("epic::gather");
  calls.end_turn();
  calls.pause();
  return std::noop_coroutine();
}

bool CallWindow::is_cancelled() const {
  return execution_ != nullptr &&
         (execution_->cancel == CallRecord::Cancel::asked || execution_->cancel != cancel_before_);
}

CallWindow::Refill CallWindow::refill(CallWindow* window) {
  while (true) {
    window->begin_some(Turn::of_window);
    if (!window->is_going_on() && window->waiter_.remaining == 0) break;
    kernel::Calls& calls = kernel::calls_here("epic::gather");
    if (window->runs_ == Runs::user_code) calls.end_turn();
    calls.pause();
    co_await std::suspend_always();
  }
  co_await GoOnWith{window->awaiting_};
}

/// First all of them begin, and then they are waited for. What ends meanwhile resumes nothing. Calls that fail at once
/// leave room for the next ones, so what one turn begins has a bound of its own: then the run queue has its turn.
void CallWindow::begin_some(Turn turn) {
  kernel::Calls& calls = kernel::calls_here("epic::gather");
  waiter_.resume_at = 0;
  ++waiter_.remaining;
  if (turn == Turn::of_window && is_cancelled()) cut_short();
  std::size_t left = kernel::limits::kBegunPerTurn;
  bool must_wait = false;
  while (!must_wait && is_going_on() && left > 0 && waiter_.remaining <= at_once_) {
    for (std::size_t room = std::min(left, at_once_ + 1 - waiter_.remaining); room > 0 && is_going_on();
         --room, --left) {
      CallRecord* const record = next();
      must_wait = record == nullptr;
      if (must_wait) break;
      record->is_joined = true;
      if (turn == Turn::of_entity || runs_ == Runs::user_code)
        calls.begin_detached(*record);
      else
        calls.begin_in_window(*record);
      beginning_.push_back(RecordPtr<CallRecord>::share(*record));
    }
    for (const auto& record : beginning_) static_cast<void>(calls.wait_for(*record, waiter_));
    beginning_.clear();
    if (is_cancelled()) cut_short();
  }
  --waiter_.remaining;
  if (!is_going_on()) return;
  if (waiter_.remaining >= at_once_ || (must_wait && waiter_.remaining > 0))
    waiter_.resume_at = std::min(waiter_.remaining - 1, static_cast<std::uint32_t>(at_once_ - together_));
  else
    calls.resume_soon(waiter_);
}

/// What is under way is cancelled by others, if they know of it. They have not seen the calls that began after they had
/// looked for what a leaving entity's tasks wait for (EarlyEnds).
void CallWindow::cut_short() {
  if (!is_going_on()) return;
  is_cut_short_ = true;
  if (execution_->cancel != CallRecord::Cancel::thrown || execution_->failure) return;
  for (std::size_t i = 0; CallRecord* const record = find_begun(i); ++i)
    if (record->waiter == &waiter_)
      kernel::calls_here("epic::gather")
          .fail(*record, ErrorCode::cancelled, "its caller's entity is to leave, and no call waits for that");
}

}  // namespace epic::detail
