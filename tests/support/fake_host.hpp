#pragma once
// FakeHost: a world for a supervisor in which nothing happens by itself: time passes when the test says so, and
// processes are objects of the test.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/supervisor/host.hpp"

namespace epic::cluster::test {

/// A process as its test sees it: what it was sent, and what it says.
struct FakeNode {
  pid_t pid = 0;
  NodeProcess::Program program = {};
  NodeProcess::Events events = {};
  std::deque<protocol::ToNode> inbox = {};
  std::optional<int> signal = {};   // the last that it was sent
  std::optional<Crash> crash = {};  // what it will have left
  bool is_alive = true;
};

class FakeProcess final : public NodeProcess {
 public:
  explicit FakeProcess(std::shared_ptr<FakeNode> node) : node_(std::move(node)) {}
  ~FakeProcess() override { node_->is_alive = false; }

  [[nodiscard]] pid_t pid() const override { return node_->pid; }
  [[nodiscard]] bool try_send(const protocol::ToNode& message) override {
    node_->inbox.push_back(message);
    return true;
  }
  [[nodiscard]] bool try_signal(int number) override {
    if (node_->is_alive) node_->signal = number;
    return node_->is_alive;
  }
  void kill() override { static_cast<void>(try_signal(9)); }
  [[nodiscard]] std::expected<std::string, std::string> crash_memory() const override { return "/crash"; }
  [[nodiscard]] std::optional<Crash> read_crash() const override { return node_->crash; }

 private:
  std::shared_ptr<FakeNode> node_;  // shared with the test
};

class FakeHost final : public Host {
 public:
  [[nodiscard]] TimePoint now() const override { return now_; }
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override {
    return std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000)) + now_.time_since_epoch();
  }
  [[nodiscard]] io::BootTime boot_now() const override { return io::BootTime(now_.time_since_epoch() + slept); }
  [[nodiscard]] std::uint64_t random_id() override { return ++last_random_; }
  [[nodiscard]] pid_t pid() const override { return 1; }

  void post(Task task) override { posted_.push_back(std::move(task)); }
  void run_beside(Task work, Task then) override { beside_.emplace_back(std::move(work), std::move(then)); }

  [[nodiscard]] TimerId start_timer(std::chrono::nanoseconds delay, Task task) override {
    last_timer_ = last_timer_.next();
    timers_.emplace(std::pair(now_ + delay, last_timer_), std::move(task));
    return last_timer_;
  }
  void cancel_timer(TimerId timer) override {
    std::erase_if(timers_, [timer](const auto& waiting) { return waiting.first.second == timer; });
  }

  [[nodiscard]] std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(
      const NodeProcess::Program& program, NodeProcess::Events events) override {
    if (failing_spawns > 0) {
      --failing_spawns;
      return std::unexpected(SupervisorError{"Cannot start epic-node.", {}, {}});
    }
    const auto pid = static_cast<pid_t>(1001 + spawned.size());
    spawned.push_back(
        std::make_shared<FakeNode>(FakeNode{.pid = pid, .program = program, .events = std::move(events)}));
    return std::make_unique<FakeProcess>(spawned.back());
  }

  void remove_socket(const std::filesystem::path& socket) override { removed_sockets.push_back(socket); }
  [[nodiscard]] bool is_directory_in_place() const override { return is_in_place; }

  /// Runs what need not wait for time to pass. True if there was something.
  bool settle() {
    bool is_something = false;
    for (; !posted_.empty() || !beside_.empty(); is_something = true) {
      if (posted_.empty()) {
        auto [work, then] = std::move(beside_.front());
        beside_.pop_front();
        work();
        posted_.push_back(std::move(then));
      }
      Task task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
    return is_something;
  }

  /// Runs the next timer that is due by `end`. False if there is none; then it is `end`.
  bool run_timer(TimePoint end) {
    if (timers_.empty() || timers_.begin()->first.first > end) {
      now_ = end;
      return false;
    }
    auto next = timers_.extract(timers_.begin());
    now_ = next.key().first;
    next.mapped()();
    return true;
  }

  /// Timers that were due meanwhile run afterwards.
  void stand_still(std::chrono::nanoseconds duration) {
    std::map<std::pair<TimePoint, TimerId>, Task> late;
    now_ += duration;
    for (auto& [at, task] : timers_) late.emplace(std::pair(std::max(at.first, now_), at.second), std::move(task));
    timers_ = std::move(late);
  }

  std::vector<std::shared_ptr<FakeNode>> spawned;  // shared with their processes; the newest last
  std::vector<std::filesystem::path> removed_sockets;
  bool is_in_place = true;
  std::chrono::nanoseconds slept{std::chrono::hours(2)};  // the machine, since it was booted
  int failing_spawns = 0;                                 // how many of the next

 private:
  TimePoint now_{std::chrono::hours(1)};
  std::uint64_t last_random_ = 0;
  TimerId last_timer_{0};
  std::map<std::pair<TimePoint, TimerId>, Task> timers_;
  std::deque<Task> posted_;
  std::deque<std::pair<Task, Task>> beside_;
};

}  // namespace epic::cluster::test
