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

#include "kernel/kernel.hpp"
#include "protocol/crash_report.hpp"

namespace epic::node {

namespace {

using protocol::CrashReport;

constexpr std::array kSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGQUIT};
constexpr std::size_t kStackBytes = 64 * 1024;
constexpr int kOwnFrames = 2;  // the handler's, and the one that the kernel calls it by

// A signal handler can reach only statics.
CrashReport* g_report = nullptr;
pthread_t g_execution_thread;
std::array<struct sigaction, kSignals.size()> g_former;
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

void write_frames(CrashReport& report) {
  std::array<void*, CrashReport::kFramesMax + kOwnFrames> addresses;
  const int count = ::backtrace(addresses.data(), static_cast<int>(addresses.size()));
  for (int i = kOwnFrames; i < count; ++i) {
    write_frame(addresses[static_cast<std::size_t>(i)], report.frames[static_cast<std::size_t>(i - kOwnFrames)]);
    report.frame_count.store(static_cast<std::uint32_t>(i - kOwnFrames + 1));
  }
}

void write_names(CrashReport& report) {
  if (const kernel::Kernel* kernel = kernel::Kernel::current_kernel()) {
    const kernel::Kernel::Running running = kernel->running();
    copy(running.entity, report.entity);
    copy(running.method, report.method);
  }
  report.has_names.store(true);
  if (report.entity[0] != '\0') leave_last_words(report);
}

void on_quick_exit() { static_cast<void>(note_exit()); }

void on_signal(int number, siginfo_t* info, void*) {
  // The supervisor asks what the execution thread is doing, whichever thread the signal came to.
  if (number == SIGQUIT && ::pthread_equal(::pthread_self(), g_execution_thread) == 0) {
    ::pthread_kill(g_execution_thread, SIGQUIT);
    return;
  }
  if (!g_has_begun.test_and_set()) {
    write_names(*g_report);
    write_frames(*g_report);  // last: on a damaged stack it may not return
  }
  for (std::size_t i = 0; i < kSignals.size(); ++i)
    if (kSignals[i] == number) ::sigaction(number, &g_former[i], nullptr);
  // A fault happens again when this returns; a signal that was sent does not come back by itself.
  if (info->si_code <= 0) ::raise(number);
}

}  // namespace

bool note_exit() {
  if (g_report == nullptr || ::pthread_equal(::pthread_self(), g_execution_thread) == 0) return false;
  if (!g_has_begun.test_and_set()) write_names(*g_report);
  return g_report->entity[0] != '\0';
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
  copy(fmt::format("{}\n", incarnation), g_incarnation);
  if (last_words.string().size() < g_last_words.size()) copy(last_words.string(), g_last_words);

  // A stack of its own, because the thread's may be what has run out. backtrace() loads a library when first called.
  static std::array<char, kStackBytes> stack;
  const stack_t own{.ss_sp = stack.data(), .ss_flags = 0, .ss_size = stack.size()};
  if (::sigaltstack(&own, nullptr) != 0) return failed("make a stack for the handler that uses");
  void* first = nullptr;
  static_cast<void>(::backtrace(&first, 1));

  static_cast<void>(std::at_quick_exit(&on_quick_exit));

  struct sigaction action{};
  action.sa_sigaction = &on_signal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &action, &g_former[i]);
  return g_report;
}

}  // namespace epic::node
