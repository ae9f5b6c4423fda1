#pragma once
// Node: one worker process of a fabric, from its first message to its exit. It wires module, store, kernel and driver,
// and does what the supervisor says (protocol/supervision.hpp).
//
// Threads: the one that calls run() drives the kernel; the channel's thread reads the supervisor's messages and sends
// heartbeats; the storage's thread reads and commits; a reading thread comes with the first question about the store.

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "io/driver.hpp"
#include "io/log_sink.hpp"
#include "io/supervision_channel.hpp"
#include "io/turn_watch.hpp"
#include "node/requests.hpp"
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
  [[nodiscard]] bool start(const protocol::Configure& configure);
  void refuse_to_start(const std::string& message, const std::string& hint);
  void handle(protocol::ToNode message);
  void handle(const protocol::Configure&) {}
  void handle(kernel::ShardMap map);
  void handle(const protocol::Release& release);
  void handle(const protocol::AnnounceStop&);
  void handle(const protocol::RunSetup&);
  void handle(const protocol::Request& request);
  void handle(const protocol::GoOn& go_on);
  void handle(const protocol::Leave& leave);
  void handle(const protocol::Quarantined& quarantined);
  void handle(const protocol::Stop& stop);
  [[nodiscard]] bool is_done();
  [[nodiscard]] int finish();

  // the channel's thread
  void on_channel_message(protocol::ToNode message);
  [[nodiscard]] protocol::Heartbeat beat();
  [[noreturn]] void on_channel_closed(const std::string& why);
  [[noreturn]] void die(const std::string& why);

  io::LogSink log_;
  std::unique_ptr<io::TurnWatch> watch_;
  codec::CapnpCodec codec_;
  const ModuleInfo* module_ = nullptr;

  std::mutex mutex_;  // messages that arrive before there is a driver
  std::condition_variable arrived_;
  std::vector<protocol::ToNode> early_;
  std::atomic<bool> is_finishing_{false};

  std::unique_ptr<io::Driver> driver_;
  std::unique_ptr<Requests> requests_;
  kernel::MapVersion taking_for_;
  std::vector<std::pair<kernel::ShardId, kernel::MapVersion>> releasing_;
  bool is_stopping_ = false;
  bool is_drained_told_ = false;
  bool is_leaving_ = false;
  bool is_aborted_ = false;
  std::int64_t abort_at_ns_ = 0;
  std::int64_t give_up_at_ns_ = 0;

  std::unique_ptr<io::SupervisionChannel> channel_;  // last: its thread uses the other members
};

}  // namespace epic::node
