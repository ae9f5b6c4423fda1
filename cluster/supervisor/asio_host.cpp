#include "cluster/supervisor/asio_host.hpp"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <utility>

#include "cluster/supervisor/spawned_process.hpp"
#include "io/clock.hpp"
#include "io/random.hpp"

namespace epic::cluster {

AsioHost::~AsioHost() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Host::TimePoint AsioHost::now() const { return std::chrono::steady_clock::now(); }
std::chrono::system_clock::time_point AsioHost::wall_now() const { return std::chrono::system_clock::now(); }
protocol::BootTime AsioHost::boot_now() const { return io::boot_now(); }
std::uint64_t AsioHost::random_id() { return io::random_id(); }
pid_t AsioHost::pid() const { return ::getpid(); }

void AsioHost::post(Task task) { boost::asio::post(context_, std::move(task)); }

void AsioHost::run_beside(Task work, Task then) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({std::move(work), std::move(then)});
  }
  changed_.notify_all();
  if (!thread_.joinable()) thread_ = std::thread([this] { run_queue(); });
}

void AsioHost::run_queue() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
    if (is_ending_) return;
    Beside next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    next.work();
    post(std::move(next.then));
    lock.lock();
  }
}

TimerId AsioHost::start_timer(std::chrono::nanoseconds delay, Task task) {
  last_timer_ = last_timer_.next();
  auto& waiting =
      timers_.try_emplace(last_timer_, boost::asio::steady_timer(context_, delay), std::move(task)).first->second;
  waiting.timer.async_wait([this, id = last_timer_](boost::system::error_code error) {
    if (error) return;  // the host may be gone
    if (auto expired = timers_.extract(id)) expired.mapped().task();
  });
  return last_timer_;
}

void AsioHost::cancel_timer(TimerId timer) { timers_.erase(timer); }

std::expected<std::unique_ptr<NodeProcess>, SupervisorError> AsioHost::spawn(const NodeProcess::Program& program,
                                                                             NodeProcess::Events events) {
  return SpawnedProcess::spawn(context_, program, std::move(events));
}

void AsioHost::remove_socket(const std::filesystem::path& socket) {
  if (const auto run = directory_.open_below(socket.parent_path().filename().string()))
    run->remove(socket.filename().string());
}

bool AsioHost::is_directory_in_place() const { return directory_.is_in_place(); }

}  // namespace epic::cluster
