#include "io/storage_workers.hpp"

#include <utility>

namespace epic::io {

StorageWorkers::StorageWorkers(std::unique_ptr<storage::Store> store, std::function<void()> wake)
    : StorageWork(std::move(store), kSystemClock, std::move(wake)) {
  for (std::thread& thread : threads_) thread = std::thread([this] { run(); });
}

void StorageWorkers::close() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
  close_store();
}

void StorageWorkers::run() {
  std::unique_lock lock(mutex_);
  while (!is_ending_ && !is_over()) {
    const TimePoint due = next_due_locked();
    if (due == TimePoint::max()) {
      changed_.wait(lock);
      continue;
    }
    if (due > now()) {
      changed_.wait_until(lock, due);
      continue;
    }
    const auto written = work_locked(lock);
    if (!written) continue;
    if (next_due_locked() <= now()) changed_.notify_one();
    lock.unlock();
    make_durable(*written);
    lock.lock();
  }
}

}  // namespace epic::io
