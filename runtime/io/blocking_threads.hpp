#pragma once
// BlockingThreads: threads that run the functions of epic::blocking, one function each at a time.
//
// A thread is started when a function finds all others busy, up to the limit: a node whose entities use no blocking has
// none. What was started within one tick is handed over at once.
//
// Invariant: a function is made and destroyed on the execution thread; the others only run it.
// Not here: how many may wait (kernel/calls/blocking.hpp).

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "io/blocking_pool.hpp"

namespace epic::io {

struct BlockingOptions {
  std::size_t threads_max = 0;
  detail::FileAccess* files = nullptr;  // for requests for files; outlives the threads
  /// The calling thread runs this from now on; null: nothing any more. May be empty.
  std::function<void(const detail::BlockingWork*)> on_owner = {};
};

class BlockingThreads final : public BlockingPool {
 public:
  /// `wake` is called on one of the threads when take_ended() has something new.
  BlockingThreads(BlockingOptions options, std::function<void()> wake);
  /// Waits for the functions that run; the others never do.
  ~BlockingThreads() override;
  BlockingThreads(const BlockingThreads&) = delete;
  BlockingThreads& operator=(const BlockingThreads&) = delete;

  void start(Work work) override { started_.push_back(std::move(work)); }
  void flush() override;
  [[nodiscard]] std::vector<Work> take_ended() override;

 private:
  [[nodiscard]] bool add_thread();
  void run();

  BlockingOptions options_;
  std::function<void()> wake_;
  std::vector<Work> started_;  // in this tick
  std::vector<std::thread> threads_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Work> waiting_;
  std::vector<Work> ended_;
  std::size_t idle_count_ = 0;  // threads without a function, also those that are just starting
  bool is_ending_ = false;
};

}  // namespace epic::io
