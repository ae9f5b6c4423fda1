#pragma once
// Entities for the tests of nodes and clients.

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <epic/epic.hpp>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace probe {

struct Refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Counter : public epic::Entity {
  std::int64_t value = 0;
  std::vector<std::int64_t> seen;

 public:
  epic::Task<std::int64_t> add(std::int64_t amount) { co_return value += amount; }
  epic::Task<std::int64_t> get() const { co_return value; }
  /// Records the order in which calls arrive.
  epic::Task<void> see(std::int64_t number) {
    seen.push_back(number);
    co_return;
  }
  epic::Task<std::vector<std::int64_t>> list_seen() const { co_return seen; }
  epic::Task<std::int64_t> negated() const { co_return -value; }  // not in the second version of the module
  EPIC_ENTITY(Counter, state(value, seen), methods(add, get, see, list_seen, negated))
};

/// Calls other entities, wherever they are.
/// Ends its node in ways that are no call of a method, or no signal.
class Fatal : public epic::Entity {
 public:
  epic::Task<void> on_activate() override {
    if (key() == "when it wakes") std::abort();
    co_return;
  }
  epic::Task<void> leave() {
    std::exit(0);
    co_return;
  }
  epic::Task<void> end_by(std::string way) {
    const pid_t own = ::getpid();
    if (way == "_exit") ::_exit(3);
    if (way == "quick_exit") std::quick_exit(3);
    if (way == "exit_group") ::syscall(SYS_exit_group, 3);
    if (way == "kill") ::kill(own, SIGKILL);
    if (way == "raise") ::raise(SIGKILL);
    if (way == "thread") std::thread([] { throw Refused("in a thread"); }).join();
    if (way.starts_with("later"))
      std::thread([way] {
        ::poll(nullptr, 0, 1000);
        if (way == "later") std::abort();
        thread_local AbortsAtEnd at_end;
        at_end.is_armed = true;
        if (way == "later, when its thread exits") ::pthread_exit(nullptr);
      }).detach();
    if (way == "exec") ::execl("/bin/sleep", "sleep", "60", nullptr);
    if (way == "exec_call") {
      char* const arguments[] = {const_cast<char*>("sleep"), const_cast<char*>("60"), nullptr};
      ::syscall(SYS_execve, "/bin/sleep", arguments, ::environ);
    }
    if (way == "close")
      for (int fd = 1023; fd >= 0; --fd) ::close(fd);
    if (way == "SIGALRM") {
      ::alarm(1);
      while (true) ::pause();
    }
    for (const auto& [name, signal] : kSignals)
      if (way == name) ::kill(own, signal);
    co_return;
  }
  /// What a child of its node does is not its node's end, and neither is what fails.
  epic::Task<void> end_others() {
    const pid_t child = ::fork();
    if (child == 0) ::kill(::getpid(), SIGKILL);
    ::waitpid(child, nullptr, 0);
    const pid_t second = ::fork();
    if (second == 0) std::exit(3);
    ::waitpid(second, nullptr, 0);
    ::execl("/no/such/program", "program", nullptr);
    co_return;
  }
  EPIC_ENTITY(Fatal, methods(leave, end_by, end_others), transient)

 private:
  struct AbortsAtEnd {
    bool is_armed = false;
    ~AbortsAtEnd() {
      if (is_armed) std::abort();
    }
  };
  static constexpr std::pair<const char*, int> kSignals[] = {
      {"SIGTERM", SIGTERM}, {"SIGUSR1", SIGUSR1}, {"SIGUSR2", SIGUSR2}, {"SIGHUP", SIGHUP}, {"SIGPROF", SIGPROF}};
};

class Stillborn : public epic::Entity {
 public:
  Stillborn() { std::abort(); }
  epic::Task<void> touch() { co_return; }
  EPIC_ENTITY(Stillborn, methods(touch), transient)
};

class Relay : public epic::Entity {
 public:
  epic::Task<std::int64_t> add_to(std::vector<epic::Ref<Counter>> counters, std::int64_t amount) {
    std::int64_t sum = 0;
    for (const auto& counter : counters) sum += co_await counter->add(amount);
    co_return sum;
  }
  epic::Task<std::string> echo(std::string text) const { co_return text; }
  epic::Task<std::string> fill(std::uint64_t bytes) const { co_return std::string(bytes, 'x'); }
  epic::Task<std::vector<std::int64_t>> count_to(std::int64_t last) const {
    std::vector<std::int64_t> numbers;
    for (std::int64_t i = 1; i <= last; ++i) numbers.push_back(i);
    co_return numbers;
  }
  /// As it is, past the log.
  epic::Task<void> print(std::string text) const {
    std::puts(text.c_str());
    std::fflush(stdout);
    co_return;
  }
  epic::Task<void> refuse(std::string why) const {
    throw Refused(why);
    co_return;
  }
  epic::Task<std::int64_t> negated(epic::Ref<Counter> counter) const { co_return co_await counter->negated(); }
  epic::Task<std::int64_t> version() const { co_return 1; }
  epic::Task<std::uint64_t> weigh(std::string text) const { co_return text.size(); }
  /// Calls that are all under way at once.
  epic::Task<std::uint64_t> weigh_at_once(std::uint64_t count, std::uint64_t bytes) const {
    std::vector<epic::Call<std::uint64_t>> calls;
    for (std::uint64_t i = 0; i < count; ++i)
      calls.push_back(epic::Ref<Relay>(i % 100).with(std::chrono::seconds(90))->weigh(std::string(bytes, 'x')));
    std::uint64_t sum = 0;
    for (const std::uint64_t weight : co_await epic::gather(std::move(calls), {.at_once = count})) sum += weight;
    co_return sum;
  }
  epic::Task<void> sleep_for_ms(std::int64_t ms) const { co_await epic::sleep(std::chrono::milliseconds(ms)); }
  epic::Task<void> let_sleep(epic::Ref<Relay> other, std::int64_t ms) const { co_await other->sleep_for_ms(ms); }
  /// Waits until the project's directory contains a file of this name.
  epic::Task<void> wait_for_file(std::string name) const {
    while (!std::filesystem::exists(name)) co_await epic::sleep(std::chrono::milliseconds(5));
  }
  /// One uninterruptible turn.
  epic::Task<void> spin_for_ms(std::int64_t ms) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    while (std::chrono::steady_clock::now() < until) {
    }
    co_return;
  }
  epic::Task<void> die() const {
    std::abort();
    co_return;
  }
  epic::Task<void> die_talking(std::int64_t lines) const {
    const std::string kibibyte(1024, 'x');
    for (std::int64_t i = 0; i < lines; ++i) epic::log::info("{}", kibibyte);
    std::abort();
    co_return;
  }
  /// So that not even its frames can be read.
  epic::Task<void> die_without_stack() const {
#if defined(__x86_64__)
    asm volatile("movq $16, %rbp\n\tmovq $16, %rsp\n\tud2");
#else
    std::abort();
#endif
    co_return;
  }
  EPIC_ENTITY(Relay,
              methods(add_to, echo, fill, count_to, print, refuse, negated, version, weigh, weigh_at_once, sleep_for_ms,
                      let_sleep, wait_for_file, spin_for_ms, die, die_talking, die_without_stack),
              transient)
};

/// Its weight is in no list of members.
class Ballast : public epic::Entity {
  std::vector<std::string> weights;

 public:
  epic::Task<void> load(std::uint64_t count, std::uint64_t bytes) {
    for (std::uint64_t i = 0; i < count; ++i) weights.emplace_back(bytes, 'w');
    co_return;
  }
  epic::Task<void> unload() {
    weights = {};
    co_return;
  }
  /// For a while.
  epic::Task<void> carry(std::uint64_t bytes, std::int64_t ms) const {
    const std::string weight(bytes, 'w');
    co_await epic::sleep(std::chrono::milliseconds(ms));
  }
  epic::Task<void> sleep_for_ms(std::int64_t ms) const { co_await epic::sleep(std::chrono::milliseconds(ms)); }
  /// Calls of others here, all under way at once.
  epic::Task<void> crowd(std::int64_t count, std::int64_t ms) const {
    for (std::int64_t i = 0; i < count; ++i) epic::spawn(epic::Ref<Ballast>(i % 100)->sleep_for_ms(ms));
    co_return;
  }
  EPIC_ENTITY(Ballast, methods(load, unload, carry, sleep_for_ms, crowd), transient)
};

/// Its state can become too large, or too large only as JSON.
class Hoard : public epic::Entity {
  std::string gold;
  std::vector<bool> coins;

 public:
  epic::Task<std::uint64_t> put(std::uint64_t bytes) {
    gold.assign(bytes, 'g');
    co_return gold.size();
  }
  epic::Task<std::uint64_t> weigh() const { co_return gold.size(); }
  /// Just below the limit; as JSON it is eight times larger, six bytes for each character and each coin.
  epic::Task<void> swell() {
    gold.assign(7'970'000, '\x01');
    coins.assign(2'700'000, false);
    co_return;
  }
  EPIC_ENTITY(Hoard, state(gold, coins), methods(put, weigh, swell))
};

/// Saved at intervals, so that for a while its state is only in memory.
class Diary : public epic::Entity {
  std::vector<std::string> pages;

 public:
  epic::Task<std::uint64_t> write(std::string page) {
    pages.push_back(page);
    co_return pages.size();
  }
  EPIC_ENTITY(Diary, state(pages), methods(write), interval(std::chrono::minutes(10)))
};

/// Runs functions on other threads.
class Kiln : public epic::Entity {
  std::int64_t fired = 0;

  static void wait_for(const std::string& path) {
    while (!std::filesystem::exists(path)) ::poll(nullptr, 0, 5);
  }
  static void append(const std::string& path, std::int64_t number) {
    std::ofstream(path, std::ios::app) << number << std::endl;
  }

 public:
  /// Until the project's directory contains a file of this name.
  epic::Task<void> fire_until(std::string path) {
    co_await epic::blocking([path] { wait_for(path); });
    ++fired;
  }
  /// In the background: once a file of the one name is there, it takes that long, and writes one of the other name.
  epic::Task<void> start_firing(std::string until, std::int64_t ms, std::string result) {
    epic::spawn(epic::blocking([=] {
      append(result + ".begun", 0);
      wait_for(until);
      ::poll(nullptr, 0, static_cast<int>(ms));
      append(result, 1);
    }));
    co_return;
  }
  /// Writes the number that the state has from now on.
  epic::Task<void> note(std::string path) {
    const std::int64_t number = ++fired;
    co_await epic::blocking([=] { append(path, number); });
  }
  epic::Task<std::uint64_t> size_of(std::string path) const {
    co_return co_await epic::blocking([path] { return std::filesystem::file_size(path); });
  }
  epic::Task<std::string> read(std::string path) const { co_return co_await epic::read_file(path); }
  epic::Task<void> write(std::string path, std::string content) { co_await epic::write_file(path, content); }
  /// As note(), into one of the project's files.
  epic::Task<void> keep(std::string path) {
    const std::int64_t number = ++fired;
    co_await epic::append_file(path, std::to_string(number) + "\n");
  }
  epic::Task<bool> remove(std::string path) { co_return co_await epic::remove_file(path); }
  epic::Task<void> explode() {
    co_await epic::blocking([] { std::abort(); });
  }
  epic::Task<std::int64_t> count() const { co_return fired; }
  EPIC_ENTITY(Kiln, state(fired),
              methods(fire_until, start_firing, note, size_of, read, write, keep, remove, explode, count))
};

/// Sends messages, and refuses those that it gets until it is open.
class Till : public epic::Entity {
  bool is_open = false;
  std::int64_t sum = 0;

  std::int64_t missed = 0;
  std::int64_t most_missed = 0;  // by one call

 public:
  epic::Task<void> send(epic::Ref<Till> to, std::int64_t amount) {
    sum -= amount;
    epic::deliver(to->put(amount));
    co_return;
  }
  epic::Task<void> put(std::int64_t amount) {
    if (!is_open) throw Refused("the till is closed");
    sum += amount;
    co_return;
  }
  epic::Task<void> open() {
    is_open = true;
    co_return;
  }
  epic::Task<std::int64_t> count() const { co_return sum; }
  /// `count` reminders, each of which adds 1, a while from now.
  epic::Task<void> put_later(std::int64_t count, std::int64_t first_ms, std::int64_t apart_ms) {
    is_open = true;
    for (std::int64_t i = 0; i < count; ++i)
      epic::remind("put " + std::to_string(i), std::chrono::milliseconds(first_ms + i * apart_ms), &Till::put,
                   std::int64_t{1});
    co_return;
  }
  epic::Task<void> put_again_and_again(std::int64_t every_ms) {
    epic::remind("tick", std::chrono::milliseconds(every_ms), std::chrono::milliseconds(every_ms), &Till::tick);
    co_return;
  }
  epic::Task<void> forget_ticks() {
    epic::forget("tick");
    co_return;
  }
  epic::Task<void> tick() {
    sum += 1 + static_cast<std::int64_t>(epic::missed());
    missed += static_cast<std::int64_t>(epic::missed());
    most_missed = std::max(most_missed, static_cast<std::int64_t>(epic::missed()));
    co_return;
  }
  epic::Task<std::int64_t> missed_count() const { co_return missed; }
  epic::Task<std::int64_t> most_missed_at_once() const { co_return most_missed; }
  EPIC_ENTITY(Till, state(is_open, sum, missed, most_missed),
              methods(send, put, open, count, put_later, put_again_and_again, forget_ticks, tick, missed_count,
                      most_missed_at_once))
};

}  // namespace probe
