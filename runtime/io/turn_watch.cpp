#include "io/turn_watch.hpp"

#include <signal.h>

#include <algorithm>
#include <string_view>

#include "kernel/kernel.hpp"

namespace epic::io {

namespace {

/// Where the handler stores the names. A signal handler can reach only statics.
struct Answer {
  std::atomic<bool> is_there{false};
  char entity[256];
  char method[128];
};
Answer g_answer;
protocol::CrashReport* g_shared = nullptr;

void copy(std::string_view text, std::span<char> to) {
  const std::size_t bytes = std::min(text.size(), to.size() - 1);
  *std::copy_n(text.data(), bytes, to.data()) = '\0';
}

}  // namespace

TurnWatch::TurnWatch(std::int64_t report_ns, Report report, protocol::CrashReport* shared)
    : report_ns_(report_ns),
      report_(std::move(report)),
      execution_thread_(::pthread_self()),
      counter_(shared == nullptr ? own_counter_ : shared->turn) {
  g_shared = shared;
  struct sigaction action{};
  action.sa_handler = &TurnWatch::on_signal;
  action.sa_flags = SA_RESTART;
  ::sigaction(SIGURG, &action, nullptr);
}

TurnWatch::~TurnWatch() {
  ::signal(SIGURG, SIG_DFL);
  g_shared = nullptr;
}

/// On the execution thread, inside a turn that is already long.
void TurnWatch::on_signal(int) {
  if (g_answer.is_there.load(std::memory_order_acquire)) return;
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  const kernel::Record* record = kernel == nullptr ? nullptr : kernel->current();
  const std::string_view entity =
      record != nullptr && record->callee ? std::string_view(record->callee->text) : std::string_view();
  const std::string_view method =
      record != nullptr && record->method != nullptr ? record->method->name : std::string_view();
  copy(entity, g_answer.entity);
  copy(method, g_answer.method);
  g_answer.is_there.store(true, std::memory_order_release);
  if (g_shared == nullptr) return;
  copy(entity, g_shared->noted_entity);
  copy(method, g_shared->noted_method);
  g_shared->noted_turn.store(g_shared->turn.load(std::memory_order_relaxed), std::memory_order_release);
}

std::int64_t TurnWatch::look(std::int64_t now_ns) {
  const std::uint64_t counter = counter_.count();
  if (counter != seen_) {
    seen_ = counter;
    seen_since_ns_ = now_ns;
  }
  if (counter % 2 == 0) return 0;
  const std::int64_t turn_ns = now_ns - seen_since_ns_;
  if (turn_ns == 0 || reported_ == counter) return turn_ns;
  if (asked_for_ != counter) {
    asked_for_ = counter;
    g_answer.is_there.store(false, std::memory_order_relaxed);
    ::pthread_kill(execution_thread_, SIGURG);
  } else if (turn_ns >= report_ns_ && g_answer.is_there.load(std::memory_order_acquire)) {
    reported_ = counter;
    report_(g_answer.entity, g_answer.method, turn_ns);
  }
  return turn_ns;
}

}  // namespace epic::io
