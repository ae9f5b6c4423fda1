#pragma once
// AsioHost: the world itself, for a fabric that runs on an io_context.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "cluster/supervisor/host.hpp"

namespace epic::cluster {

class AsioHost final : public Host {
 public:
  /// `directory`: `.epic`. Both outlive the host; only one thread runs `context`.
  AsioHost(boost::asio::io_context& context, const files::Directory& directory)
      : context_(context), directory_(directory) {}
  /// Waits for the work that is under way on the other thread; what has not begun is dropped.
  ~AsioHost() override;

  [[nodiscard]] TimePoint now() const override;
  [[nodiscard]] std::chrono::system_clock::time_point wall_now() const override;
  [[nodiscard]] protocol::BootTime boot_now() const override;
  [[nodiscard]] std::uint64_t random_id() override;
  [[nodiscard]] pid_t pid() const override;
  void post(Task task) override;
  void run_beside(Task work, Task then) override;
  [[nodiscard]] TimerId start_timer(std::chrono::nanoseconds delay, Task task) override;
  void cancel_timer(TimerId timer) override;
  [[nodiscard]] std::expected<std::unique_ptr<NodeProcess>, SupervisorError> spawn(const NodeProcess::Program& program,
                                                                                   NodeProcess::Events events) override;
  void remove_socket(const std::filesystem::path& socket) override;
  [[nodiscard]] bool is_directory_in_place() const override;

 private:
  struct Beside {
    Task work;
    Task then;
  };
  struct Waiting {
    boost::asio::steady_timer timer;
    Task task;
  };
  void run_queue();

  boost::asio::io_context& context_;
  const files::Directory& directory_;
  std::map<TimerId, Waiting> timers_;
  TimerId last_timer_{0};

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Beside> queue_;  // under mutex_
  bool is_ending_ = false;    // under mutex_
  std::thread thread_;        // from the first work on
};

}  // namespace epic::cluster
