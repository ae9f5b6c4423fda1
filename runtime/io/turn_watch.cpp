#include "io/turn_watch.hpp"

#include <signal.h>

#include <algorithm>
#include <span>
#include <string_view>

#include "kernel/kernel.hpp"

namespace epic::io {

namespace {

TurnWatch* g_watch = nullptr;  // a signal handler can reach only statics

void copy(std::string_view text, std::span<char> to) {
  const std::size_t bytes = std::min(text.size(), to.size() - 1);
  *std::copy_n(text.data(), bytes, to.data()) = '\0';
}

}  // namespace

TurnWatch::TurnWatch(std::int64_t report_ns, Report report, protocol::CrashReport* shared)
    : report_ns_(report_ns),
      report_(std::move(report)),
      execution_thread_(::pthread_self()),
      counter_(shared == nullptr ? own_counter_ : shared->turn),
      shared_(shared) {
  g_watch = this;
  struct sigaction action{};
  action.sa_handler = &TurnWatch::on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGURG, &action, nullptr);
}

TurnWatch::~TurnWatch() {
  ::signal(SIGURG, SIG_DFL);
  g_watch = nullptr;
}

void TurnWatch::on_signal(int) {
  if (g_watch != nullptr) g_watch->note_names();
}

/// On the execution thread, inside a turn that is already long, unless it has ended since the question.
void TurnWatch::note_names() {
  const std::uint64_t counter = counter_.count();
  if (is_answered_.load(std::memory_order_acquire) || counter != asked_counter_.load(std::memory_order_relaxed)) return;
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  if (kernel != nullptr && kernel->turns_count() != asked_ended_.load(std::memory_order_relaxed)) return;
  const auto [entity, method] = kernel == nullptr ? kernel::Kernel::Running() : kernel->running();
  copy(entity, entity_);
  copy(method, method_);
  is_answered_.store(true, std::memory_order_release);
  if (shared_ == nullptr) return;
  copy(entity, shared_->noted_entity);
  copy(method, shared_->noted_method);
  shared_->noted_turn.store(counter, std::memory_order_release);
}

std::int64_t TurnWatch::look(std::int64_t now_ns, std::uint64_t ended_turns) {
  const Turn turn{counter_.count(), ended_turns};
  if (turn != seen_) {
    seen_ = turn;
    seen_since_ns_ = now_ns;
    is_asked_ = is_reported_ = false;
    if (shared_ != nullptr) shared_->noted_turn.store(0, std::memory_order_relaxed);
  }
  if (turn.counter % 2 == 0) return 0;
  const std::int64_t turn_ns = now_ns - seen_since_ns_;
  if (turn_ns == 0 || is_reported_) return turn_ns;
  if (!is_asked_) {
    is_asked_ = true;
    asked_counter_.store(turn.counter, std::memory_order_relaxed);
    asked_ended_.store(turn.ended, std::memory_order_relaxed);
    is_answered_.store(false, std::memory_order_release);
    ::pthread_kill(execution_thread_, SIGURG);
  } else if (turn_ns >= report_ns_ && is_answered_.load(std::memory_order_acquire)) {
    is_reported_ = true;
    report_(entity_.data(), method_.data(), turn_ns);
  }
  return turn_ns;
}

}  // namespace epic::io
