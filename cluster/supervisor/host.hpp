#pragma once
// Host: what a fabric's supervisor needs of the world: clocks, timers, processes, a second thread, its directory.
//
// The parts of the supervisor take all of that from here, so the same code runs over an io_context and in a simulation.
// Single-threaded: everything is called on one thread, and calls back on it, later, never inside the call.
//
// Invariant: a host serves one fabric and outlives it, and calls nothing back once that is destroyed.
// Implementations: asio_host.hpp.

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "cluster/control/supervisor_error.hpp"
#include "cluster/supervisor/node_process.hpp"
#include "kernel/ids.hpp"
#include "protocol/boot_time.hpp"

namespace epic::cluster {

using TimerId = kernel::StrongId<struct TimerIdTag, std::uint64_t>;

class Host {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Task = std::move_only_function<void()>;

  virtual ~Host() = default;

  [[nodiscard]] virtual TimePoint now() const = 0;
  [[nodiscard]] virtual std::chrono::system_clock::time_point wall_now() const = 0;
  /// The machine's, also to the nodes on it.
  [[nodiscard]] virtual protocol::BootTime boot_now() const = 0;
  /// Never 0, and never the same twice.
  [[nodiscard]] virtual std::uint64_t random_id() = 0;
  /// The supervisor's pid.
  [[nodiscard]] virtual pid_t pid() const = 0;

  /// Runs it after what runs now, in the order of the calls.
  virtual void post(Task task) = 0;
  /// Runs `work` on another thread, one at a time, in the order of the calls; then `then` on this one.
  virtual void run_beside(Task work, Task then) = 0;

  /// Timers are used through Timer.
  [[nodiscard]] virtual TimerId start_timer(std::chrono::nanoseconds delay, Task task) = 0;
  /// Does nothing if it has run.
  virtual void cancel_timer(TimerId timer) = 0;

  [[nodiscard]] virtual std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(
      const NodeProcess::Program& program, NodeProcess::Events events) = 0;

  /// Removes what a node has left of its socket.
  virtual void remove_socket(const std::filesystem::path& socket) = 0;
  /// Whether the path of `.epic` still leads to the directory that the fabric was started in.
  [[nodiscard]] virtual bool is_directory_in_place() const = 0;
};

/// One task at a time, which does not run once the timer is destroyed.
class Timer {
 public:
  explicit Timer(Host& host) : host_(host) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }

  /// Replaces the task that is waiting.
  void expires_after(std::chrono::nanoseconds delay, Host::Task task) {
    cancel();
    waiting_ = host_.start_timer(delay, [this, task = std::move(task)]() mutable {
      waiting_.reset();
      task();
    });
  }
  void cancel() {
    if (waiting_) host_.cancel_timer(*std::exchange(waiting_, std::nullopt));
  }

 private:
  Host& host_;
  std::optional<TimerId> waiting_;
};

}  // namespace epic::cluster
