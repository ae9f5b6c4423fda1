#include "node/crash_handler.hpp"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernel/kernel.hpp"
#include "protocol/crash_report.hpp"

namespace epic::node {

namespace {

using protocol::CrashReport;

/// Their default is not the end of the process, or they cannot be handled.
constexpr std::array kHarmless{SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU, SIGKILL, SIGSTOP};
/// Happen again when their handler returns, if they are the processor's.
constexpr std::array kFaults{SIGSEGV, SIGBUS, SIGFPE, SIGILL};
constexpr std::size_t kStackBytes = 64 * 1024;
constexpr int kHandlerFrames = 2;  // the handler's, and the one that the kernel calls it by
constexpr int kNoteFrames = 1;     // NotedEnd's

// A signal handler can reach only statics.
CrashReport* g_report = nullptr;
pthread_t g_execution_thread;
pid_t g_process = 0;  // what has been forked from it shares the report
thread_local const Culprit* t_owner = nullptr;
std::array<struct sigaction, NSIG> g_former;
std::atomic_flag g_has_begun;
std::array<char, 512> g_last_words;  // the path; empty: it is too long for any socket
std::array<char, 32> g_incarnation;  // and the end of its line

void copy(std::string_view text, std::span<char> to) {
  const std::size_t bytes = std::min(text.size(), to.size() - 1);
  *std::copy_n(text.data(), bytes, to.data()) = '\0';
}

/// Before the connections end: that is how peers notice.
void leave_last_words(const CrashReport& report) {
  const int file = ::open(g_last_words.data(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return;
  const std::array<const char*, 4> parts{g_incarnation.data(), report.entity.data(), ".", report.method.data()};
  for (const char* part : parts) static_cast<void>(!::write(file, part, std::strlen(part)));
  ::close(file);
}

void write_frame(const void* address, CrashReport::Frame& frame) {
  Dl_info place{};
  if (::dladdr(address, &place) == 0) return;
  const std::string_view path = place.dli_fname == nullptr ? "" : place.dli_fname;
  copy(path.substr(path.rfind('/') + 1), frame.library);
  copy(place.dli_sname == nullptr ? "" : place.dli_sname, frame.symbol);
  const void* base = place.dli_saddr == nullptr ? place.dli_fbase : place.dli_saddr;
  frame.offset = static_cast<std::uint64_t>(static_cast<const char*>(address) - static_cast<const char*>(base));
}

/// `skipped`: of the innermost ones, which are ours.
[[gnu::always_inline]] inline void write_frames(CrashReport& report, int skipped) {
  std::array<void*, CrashReport::kFramesMax + kHandlerFrames> addresses;
  const int count = ::backtrace(addresses.data(), static_cast<int>(addresses.size()));
  for (int i = skipped; i < std::min<int>(count, CrashReport::kFramesMax + skipped); ++i) {
    write_frame(addresses[static_cast<std::size_t>(i)], report.frames[static_cast<std::size_t>(i - skipped)]);
    report.frame_count.store(static_cast<std::uint32_t>(i - skipped + 1));
  }
}

bool is_execution_thread() { return ::pthread_equal(::pthread_self(), g_execution_thread) != 0; }

/// The entity's name is empty: code of the runtime.
kernel::Kernel::Running find_running() {
  if (t_owner != nullptr) return {t_owner->entity.data(), t_owner->method.data()};
  const kernel::Kernel* const kernel = is_execution_thread() ? kernel::Kernel::current_kernel() : nullptr;
  return kernel == nullptr ? kernel::Kernel::Running() : kernel->running();
}

void write_names(CrashReport& report, const kernel::Kernel::Running& running) {
  copy(running.entity, report.entity);
  copy(running.method, report.method);
  report.has_names.store(true);
  if (report.entity[0] != '\0') leave_last_words(report);
}

/// By a process that is neither this one nor its supervisor.
bool is_sent_from_outside(const siginfo_t& info) {
  const bool is_sent = info.si_code == SI_USER || info.si_code == SI_QUEUE || info.si_code == SI_TKILL;
  return is_sent && info.si_pid != g_process && info.si_pid != ::getppid();
}

void on_signal(int number, siginfo_t* info, void*) {
  // The supervisor asks what the execution thread is doing, whichever thread the signal came to.
  if (number == SIGQUIT && !is_execution_thread()) {
    ::pthread_kill(g_execution_thread, SIGQUIT);
    return;
  }
  if (::getpid() == g_process && !g_has_begun.test_and_set()) {
    write_names(*g_report, is_sent_from_outside(*info) ? kernel::Kernel::Running() : find_running());
    write_frames(*g_report, kHandlerFrames);  // last: on a damaged stack it may not return
  }
  ::sigaction(number, &g_former[static_cast<std::size_t>(number)], nullptr);
  const bool is_fault = info->si_code > 0 && std::ranges::find(kFaults, number) != kFaults.end();
  if (!is_fault) ::raise(number);
}

/// Whether nothing but its default would happen. Sanitizers handle faults before us.
bool is_fatal(int number, const struct sigaction& action) {
  if (std::ranges::find(kHarmless, number) != kHarmless.end()) return false;
  return action.sa_handler != SIG_IGN;
}

}  // namespace

NotedEnd::NotedEnd() {
  if (g_report == nullptr) return;
  const kernel::Kernel::Running running = find_running();
  is_by_entity_ = !running.entity.empty();
  is_noted_ = is_by_entity_ && ::getpid() == g_process;
  is_first_ = is_noted_ && !g_has_begun.test_and_set();
  if (!is_first_) return;
  write_names(*g_report, running);
  write_frames(*g_report, kNoteFrames);
}

/// It has not ended: the program to execute does not exist, for example.
NotedEnd::~NotedEnd() {
  if (!is_first_) return;
  ::unlink(g_last_words.data());
  g_report->has_names.store(false);
  g_report->frame_count.store(0);
  g_has_begun.clear();
}

std::unique_ptr<Culprit> find_culprit() {
  if (g_report == nullptr || ::getpid() != g_process) return nullptr;
  const kernel::Kernel::Running running = find_running();
  if (running.entity.empty()) return nullptr;
  auto culprit = std::make_unique<Culprit>();
  copy(running.entity, culprit->entity);
  copy(running.method, culprit->method);
  return culprit;
}

/// The names are kept in memory that is there as long as the thread is, also while its destructors run.
void own_thread(std::string_view entity, std::string_view method) {
  static_assert(std::is_trivially_destructible_v<Culprit>);
  thread_local Culprit culprit;
  copy(entity, culprit.entity);
  copy(method, culprit.method);
  t_owner = entity.empty() ? nullptr : &culprit;
}

std::expected<CrashReport*, std::string> install_crash_handler(const std::string& memory,
                                                               const std::filesystem::path& last_words,
                                                               kernel::Incarnation incarnation) {
  const auto failed = [&](std::string_view what) {
    return std::unexpected(fmt::format("cannot {} {}: {}", what, memory, std::strerror(errno)));
  };
  const int file = ::open(memory.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) return failed("open");
  void* shared = ::mmap(nullptr, sizeof(CrashReport), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (shared == MAP_FAILED) return failed("map");
  g_report = static_cast<CrashReport*>(shared);
  g_execution_thread = ::pthread_self();
  g_process = ::getpid();
  copy(fmt::format("{}\n", incarnation), g_incarnation);
  if (last_words.string().size() < g_last_words.size()) copy(last_words.string(), g_last_words);

  // A stack of its own, because the thread's may be what has run out. backtrace() loads a library when first called.
  static std::array<char, kStackBytes> stack;
  const stack_t own{.ss_sp = stack.data(), .ss_flags = 0, .ss_size = stack.size()};
  if (::sigaltstack(&own, nullptr) != 0) return failed("make a stack for the handler that uses");
  void* first = nullptr;
  static_cast<void>(::backtrace(&first, 1));

  struct sigaction action{};
  action.sa_sigaction = &on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction& former = g_former[static_cast<std::size_t>(number)];
    if (::sigaction(number, nullptr, &former) == 0 && is_fatal(number, former)) ::sigaction(number, &action, nullptr);
  }
  return g_report;
}

}  // namespace epic::node
