#pragma once
// Node: one worker process of a fabric, from its first message to its exit. It gives NodeCore, which does what the
// supervisor says, a module, a store, a driver and a channel.
//
// Threads: the one that calls run() drives the kernel; the channel's thread reads the supervisor's messages and sends
// heartbeats; the storage's thread reads and commits; a reading thread comes with the first question about the store.

#include <atomic>
#include <condition_variable>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "io/driver.hpp"
#include "io/log_sink.hpp"
#include "io/node_files.hpp"
#include "io/supervision_channel.hpp"
#include "io/turn_watch.hpp"
#include "node/node_core.hpp"
#include "protocol/supervision.hpp"

namespace epic::node {

class Node {
 public:
  /// Takes ownership of `channel`, the descriptor of the supervisor's socket; logs to `log`.
  Node(int channel, int log);
  ~Node();

  /// Runs until the supervisor sends Stop. Returns the exit code. If the supervisor ends or the store fails, it exits
  /// the process instead.
  [[nodiscard]] int run();

 private:
  [[nodiscard]] protocol::Configure wait_for_configure();
  [[nodiscard]] std::expected<void, protocol::StartFailed> start(const protocol::Configure& configure);
  [[nodiscard]] NodeWorld world(const protocol::Configure& configure, kernel::Placement placement,
                                storage::Store::OpenReader open_reader, kernel::RunningPage* running);
  [[nodiscard]] int finish();

  // the channel's thread
  void on_channel_message(protocol::ToNode message);
  [[nodiscard]] protocol::Heartbeat beat();
  [[noreturn]] void on_channel_closed(const std::string& why);
  [[noreturn]] void die(const std::string& why);

  io::LogSink log_;
  std::unique_ptr<io::TurnWatch> watch_;
  codec::CapnpCodec codec_;

  std::mutex mutex_;  // messages that arrive before there is a core
  std::condition_variable arrived_;
  std::vector<protocol::ToNode> early_;
  std::atomic<bool> is_finishing_{false};
  protocol::MachinePlace place_;

  std::unique_ptr<io::NodeFiles> files_;
  std::unique_ptr<io::Driver> driver_;
  std::unique_ptr<NodeCore> core_;

  std::unique_ptr<io::SupervisionChannel> channel_;  // last: its thread uses the other members
};

}  // namespace epic::node
