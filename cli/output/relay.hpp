#pragma once
// Relay: writes beside the thread that prints, which never waits for those who read.
//
// `epic run` supervises its nodes in the process that shows what they log. A terminal that is paused (Ctrl-S, a pager)
// or a pipe that nobody empties would hold all of that up. So what is printed goes into a queue of kRelayBytesMax, and
// a thread writes it. What finds the queue full is not shown; how many lines that were is said as soon as there is
// room.
//
// Invariant: what is written stands in the order of write(), each text whole, for both streams together.
// Not here:  what is printed (console.hpp). The log files, which are complete (cluster/supervisor/log_hub.hpp).

#include <cstddef>
#include <memory>
#include <string>
#include <thread>

namespace epic::cli {

inline constexpr std::size_t kRelayBytesMax = 1u << 20;

class Relay {
 public:
  Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  /// Waits a second for the rest to be written; then it is given up.
  ~Relay();

  /// `descriptor` stays open until this is gone. What it cannot take for another reason than that it is full is lost.
  void write(int descriptor, std::string text);

 private:
  struct Queue;
  static void run(Queue& queue);

  std::shared_ptr<Queue> queue_;  // shared with the thread, which may outlive this
  std::thread thread_;
};

}  // namespace epic::cli
