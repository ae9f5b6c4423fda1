#pragma once
// NodeCore: what a node does when its supervisor says something (protocol/supervision.hpp), from its start to the end
// of its last call. It wires the kernel, by its engine, and the requests.
//
// No threads, sockets, files or clock of its own: Node (node.hpp) gives it those of a process, a simulator others.

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "io/engine.hpp"
#include "node/answer_gate.hpp"
#include "node/requests.hpp"
#include "protocol/supervision.hpp"

namespace epic::node {

/// What a node needs of its process, beside the engine's parts. All of it outlives the core.
struct NodeWorld {
  io::EngineParts engine;
  /// To the supervisor. Any thread.
  std::function<void(const protocol::FromNode&)> send;
  std::function<void(kernel::LogLevel, std::string_view entity, std::string_view message)> log;
  /// The process must end now, without sending anything more.
  std::function<void(const std::string& why)> die;
  /// Any thread: runs `work` on the execution thread, between two ticks.
  std::function<void(std::function<void()>)> post;
  kernel::Placement placement;  // the store's
  storage::Store::OpenReader open_reader;
  Requests::MakeWork make_work;
  kernel::RunningPage* running = nullptr;  // memory in which the process leaves what it was running when it ended
};

/// Execution thread.
class NodeCore {
 public:
  NodeCore(const protocol::Configure& configure, const ModuleInfo& module, NodeWorld world);

  /// Listens, and reports Ready. The error is what the supervisor is told instead.
  [[nodiscard]] std::expected<void, protocol::StartFailed> open(pid_t process);

  void handle(protocol::ToNode message);
  /// Once per tick. True: it was asked to stop, and there is nothing more to do, or its time is over.
  [[nodiscard]] bool is_done();
  /// After is_done(): everything is saved, and every call has ended. Logs what is not.
  [[nodiscard]] bool is_drained();

  [[nodiscard]] io::Engine& engine() { return engine_; }
  /// Any thread. The reader adds what it knows of the process.
  [[nodiscard]] protocol::Heartbeat beat() const;

 private:
  [[nodiscard]] io::EngineEvents engine_events();
  void handle(const protocol::Configure&) {}
  void handle(const protocol::Lease& lease);
  void handle(kernel::ShardMap map);
  void handle(const protocol::MapChange& change);
  void handle(const protocol::Release& release);
  void handle(const protocol::AnnounceStop&);
  void handle(const protocol::RunSetup&);
  void handle(const protocol::Request& request);
  void handle(const protocol::GoOn& go_on);
  void handle(const protocol::Leave& leave);
  void handle(const protocol::Quarantined& quarantined);
  void handle(const protocol::Stop& stop);
  void on_released(kernel::ShardId shard);

  const ModuleInfo& module_;
  NodeWorld world_;
  std::string address_;
  protocol::MachinePlace place_;
  io::Engine engine_;
  AnswerGate answers_;
  Requests requests_;
  kernel::ShardMap map_;  // the newest, which the next change is applied to
  std::vector<std::pair<kernel::ShardId, kernel::MapVersion>> releasing_;
  bool is_stopping_ = false;
  bool is_drained_told_ = false;
  bool is_leaving_ = false;
  bool is_aborted_ = false;
  std::int64_t abort_at_ns_ = 0;
  std::int64_t give_up_at_ns_ = 0;
};

}  // namespace epic::node
