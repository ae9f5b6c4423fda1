#include "io/blocking_threads.hpp"

#include <fmt/format.h>

#include <system_error>
#include <utility>

#include "epic/error.hpp"

namespace epic::io {

BlockingThreads::BlockingThreads(BlockingOptions options, std::function<void()> wake)
    : options_(std::move(options)), wake_(std::move(wake)) {}

BlockingThreads::~BlockingThreads() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void BlockingThreads::flush() {
  if (started_.empty()) return;
  std::size_t lacking = 0;  // threads for what waits
  {
    const std::lock_guard lock(mutex_);
    for (Work& work : started_) waiting_.push_back(std::move(work));
    if (waiting_.size() > idle_count_) lacking = waiting_.size() - idle_count_;
  }
  for (std::size_t i = 0; i < started_.size(); ++i) changed_.notify_one();
  started_.clear();
  for (; lacking > 0 && threads_.size() < options_.threads_max; --lacking)
    if (!add_thread()) return;
}

/// False: the system has no more threads for us.
bool BlockingThreads::add_thread() {
  {
    const std::lock_guard lock(mutex_);
    ++idle_count_;
  }
  try {
    threads_.emplace_back([this] { run(); });
    return true;
  } catch (const std::system_error& error) {
    const std::lock_guard lock(mutex_);
    --idle_count_;
    if (!threads_.empty()) return false;
    const auto failure =
        std::make_exception_ptr(Unavailable(fmt::format("no thread for epic::blocking: {}", error.what())));
    for (Work& work : std::exchange(waiting_, {})) {
      work->fail(failure);
      ended_.push_back(std::move(work));
    }
  }
  wake_();
  return false;
}

std::vector<BlockingPool::Work> BlockingThreads::take_ended() {
  const std::lock_guard lock(mutex_);
  return std::exchange(ended_, {});
}

// ---- the threads ----

void BlockingThreads::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return is_ending_ || !waiting_.empty(); });
    --idle_count_;
    if (is_ending_) return;
    Work work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    if (!work->is_abandoned()) {
      if (options_.on_owner) options_.on_owner(work.get());
      work->run(options_.files);
      if (options_.on_owner) options_.on_owner(nullptr);
    }
    lock.lock();
    ++idle_count_;
    const bool is_first = ended_.empty();
    ended_.push_back(std::move(work));
    if (!is_first) continue;
    lock.unlock();
    wake_();
    lock.lock();
  }
}

}  // namespace epic::io
