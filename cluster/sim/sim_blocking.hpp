#pragma once
// SimBlocking: the threads of a simulated node that run what its entities give to epic::blocking.
//
// Each function is one event, between two delays: one until a thread has begun it, one until its node learns that it
// has ended. A process that dies in the second one leaves its effects behind, and nobody knows the outcome.

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "cluster/sim/world.hpp"
#include "io/blocking_pool.hpp"

namespace epic::cluster::sim {

class SimBlocking final : public io::BlockingPool {
 public:
  SimBlocking(Process& process, detail::FileAccess& files, std::size_t threads, nanoseconds delay_max)
      : process_(process), files_(files), idle_count_(threads), delay_max_(delay_max) {}

  void start(Work work) override { waiting_.push_back(std::move(work)); }
  void flush() override {
    for (; idle_count_ > 0 && !waiting_.empty(); --idle_count_) {
      process_.beside(draw_delay(), fingerprint_of("blocking"),
                      [this, work = std::move(waiting_.front())]() mutable { run(std::move(work)); });
      waiting_.pop_front();
    }
  }
  [[nodiscard]] std::vector<Work> take_ended() override { return std::exchange(ended_, {}); }

 private:
  void run(Work work) {
    if (!work->is_abandoned()) work->run(&files_);
    process_.after(draw_delay(), fingerprint_of("blocking ended"), [this, work = std::move(work)]() mutable {
      ended_.push_back(std::move(work));
      ++idle_count_;
    });
  }
  [[nodiscard]] nanoseconds draw_delay() { return process_.world().draw_delay(delay_max_); }

  Process& process_;
  detail::FileAccess& files_;
  std::size_t idle_count_;  // threads without a function
  nanoseconds delay_max_;
  std::deque<Work> waiting_;
  std::vector<Work> ended_;
};

}  // namespace epic::cluster::sim
