// Functions of the C library that end a process past all handlers, for modules, which find these before the library's.
// An entity's code that calls one is noted first; code of the runtime, and of forked processes, gets what it asks for.
//
// Not here: system calls without the library; whom they end is shown by the kernel (kernel/running_page.hpp).

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "node/crash_handler.hpp"
#include "protocol/supervision.hpp"

namespace {

using epic::node::NotedEnd;

template <class Function>
Function* find_real(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

[[noreturn]] void end_now(int code) {
  ::syscall(SYS_exit_group, code);
  std::abort();  // it does not return
}

}  // namespace

extern "C" {

/// Of an entity it is _exit(): the library's would destroy what the node's other threads use.
void exit(int code) noexcept {
  if (const NotedEnd end; end.is_by_entity()) end_now(code);
  find_real<void(int)>("exit")(code);
  std::abort();  // it does not return
}

void quick_exit(int code) noexcept {
  if (const NotedEnd end; end.is_by_entity()) end_now(code);
  find_real<void(int)>("quick_exit")(code);
  std::abort();  // it does not return
}
}

// A sanitizer has its own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && \
    !(defined(__has_feature) && (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)))

namespace {

/// Other signals have a handler.
bool is_past_handlers(int signal) { return signal == SIGKILL || signal == SIGSTOP; }

/// The node hears of its supervisor, and writes its log, by two descriptors. Without them it ends, but only when it
/// next uses them: then nobody knows who has closed them.
void check_may_close(unsigned first, unsigned last) {
  const auto is_within = [&](int fd) {
    return static_cast<unsigned>(fd) >= first && static_cast<unsigned>(fd) <= last;
  };
  if (!is_within(epic::protocol::kSupervisionFd) && !is_within(epic::protocol::kLogFd)) return;
  const int before = errno;
  if (const NotedEnd end; end.is_noted()) {
    static constexpr std::string_view kWhy = "epic: an entity closes descriptors of its node, which cannot go on\n";
    static_cast<void>(!::write(STDERR_FILENO, kWhy.data(), kWhy.size()));
    std::abort();
  }
  errno = before;
}

/// The arguments of execl() and the like, to the null at their end.
std::vector<char*> collect(const char* first, va_list& rest) {
  std::vector<char*> arguments{const_cast<char*>(first)};
  while (arguments.back() != nullptr) arguments.push_back(va_arg(rest, char*));
  return arguments;
}

struct OwnedThread {
  std::unique_ptr<epic::node::Culprit> owner;
  void* (*run)(void*);
  void* argument;
};

/// The thread stays the entity's to its end, which is not always a return from here: what the entity's code has left to
/// destroy runs after this.
void* run_owned(void* raw) {
  std::unique_ptr<OwnedThread> thread(static_cast<OwnedThread*>(raw));
  epic::node::own_thread(thread->owner->entity.data(), thread->owner->method.data());
  const auto run = thread->run;
  void* const argument = thread->argument;
  thread.reset();
  return run(argument);
}

}  // namespace

extern "C" {

void _exit(int code) {
  const NotedEnd end;
  end_now(code);
}

void _Exit(int code) noexcept { _exit(code); }

int kill(pid_t process, int signal) noexcept {
  const pid_t own = ::getpid();
  const bool is_own = process == own || process == 0 || process == -1 || process == -::getpgrp();
  if (!is_own || !is_past_handlers(signal)) return static_cast<int>(::syscall(SYS_kill, process, signal));
  const NotedEnd end;
  return static_cast<int>(::syscall(SYS_kill, process, signal));
}

int killpg(pid_t group, int signal) noexcept { return kill(-group, signal); }

int raise(int signal) noexcept {
  if (!is_past_handlers(signal)) return find_real<int(int)>("raise")(signal);
  return kill(::getpid(), signal);
}

int pthread_kill(pthread_t thread, int signal) noexcept {
  if (!is_past_handlers(signal)) return find_real<int(pthread_t, int)>("pthread_kill")(thread, signal);
  return kill(::getpid(), signal) == 0 ? 0 : errno;
}

int close(int fd) {
  check_may_close(static_cast<unsigned>(fd), static_cast<unsigned>(fd));
  return static_cast<int>(::syscall(SYS_close, fd));
}

int close_range(unsigned first, unsigned last, int flags) noexcept {
  check_may_close(first, last);
  return static_cast<int>(::syscall(SYS_close_range, first, last, flags));
}

void closefrom(int first) noexcept {
  check_may_close(first < 0 ? 0 : static_cast<unsigned>(first), ~0u);
  find_real<void(int)>("closefrom")(first);
}

int execve(const char* path, char* const arguments[], char* const environment[]) noexcept {
  const NotedEnd end;
  return static_cast<int>(::syscall(SYS_execve, path, arguments, environment));
}

int execv(const char* path, char* const arguments[]) noexcept { return execve(path, arguments, ::environ); }

int execvpe(const char* file, char* const arguments[], char* const environment[]) noexcept {
  const NotedEnd end;
  return find_real<int(const char*, char* const[], char* const[])>("execvpe")(file, arguments, environment);
}

int execvp(const char* file, char* const arguments[]) noexcept { return execvpe(file, arguments, ::environ); }

int execl(const char* path, const char* first, ...) noexcept {
  va_list rest;
  va_start(rest, first);
  const std::vector<char*> arguments = collect(first, rest);
  va_end(rest);
  return execve(path, arguments.data(), ::environ);
}

int execlp(const char* file, const char* first, ...) noexcept {
  va_list rest;
  va_start(rest, first);
  const std::vector<char*> arguments = collect(first, rest);
  va_end(rest);
  return execvpe(file, arguments.data(), ::environ);
}

int execle(const char* path, const char* first, ...) noexcept {
  va_list rest;
  va_start(rest, first);
  const std::vector<char*> arguments = collect(first, rest);
  char* const* const environment = va_arg(rest, char* const*);
  va_end(rest);
  return execve(path, arguments.data(), environment);
}

int fexecve(int fd, char* const arguments[], char* const environment[]) noexcept {
  const NotedEnd end;
  return find_real<int(int, char* const[], char* const[])>("fexecve")(fd, arguments, environment);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) noexcept {
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  Create* const create = find_real<Create>("pthread_create");
  auto owner = epic::node::find_culprit();
  if (owner == nullptr) return create(thread, attributes, run, argument);
  auto owned = std::make_unique<OwnedThread>(std::move(owner), run, argument);
  const int error = create(thread, attributes, &run_owned, owned.get());
  if (error == 0) static_cast<void>(owned.release());
  return error;
}
}

#endif
