#pragma once
// ControlVerbs: what the supervisor answers on the control socket. The table is cluster/README.md.
//
// Some verbs it answers from what it knows; those about entities go to nodes, by way of NodeRequests.

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "cluster/control/control_server.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "cluster/supervisor/node_requests.hpp"
#include "cluster/supervisor/restart.hpp"
#include "cluster/supervisor/setup_runner.hpp"
#include "cluster/supervisor/shard_table.hpp"
#include "cluster/supervisor/trail_verbs.hpp"

namespace epic::cluster {

/// What the verbs look at and act on; all outlive ControlVerbs.
struct ControlVerbsParts {
  const SupervisorOptions& options;
  Fleet& fleet;
  const ShardTable& shards;
  const SetupRunner& setup;
  LogHub& logs;
  NodeRequests& requests;
  const FabricTrail& trail;
  std::function<std::expected<void, SupervisorError>(kernel::NodeId)> drain;
  std::function<std::expected<void, SupervisorError>(std::uint16_t node_count)> scale;
  std::function<std::expected<void, SupervisorError>(RestartWay way, ControlReply reply)> restart;
  std::function<void(std::string why)> stop;
};

/// One thread.
class ControlVerbs {
 public:
  explicit ControlVerbs(ControlVerbsParts parts);

  void handle(const ControlRequest& request, ControlReply reply);
  /// Answers those who wait for a drained or a new node.
  void on_tick();
  /// Tells those who wait for the end of an ordered stop.
  void on_node_ended(const std::string& node);
  /// All nodes are gone: ends every stream.
  void on_all_ended(const std::vector<std::string>& unsaved);  // nodes that had not saved everything

 private:
  using Body = boost::json::object;
  using Verb = void (ControlVerbs::*)(const Body&, ControlReply);

  void ping(const Body& body, ControlReply reply);
  void ps(const Body& body, ControlReply reply);
  void nodes(const Body& body, ControlReply reply);
  void logs(const Body& body, ControlReply reply);
  void stop(const Body& body, ControlReply reply);
  void kill(const Body& body, ControlReply reply);
  void pause(const Body& body, ControlReply reply);
  void resume(const Body& body, ControlReply reply);
  void drain(const Body& body, ControlReply reply);
  void scale(const Body& body, ControlReply reply);
  void restart(const Body& body, ControlReply reply);

  [[nodiscard]] const NodeSlot* find_slot(const Body& body, const ControlReply& reply) const;
  void signal(const Body& body, int number, const ControlReply& reply);
  void inspect(const Body& body, ControlReply reply);
  void call(const Body& body, ControlReply reply);
  void ls(const Body& body, ControlReply reply);
  void types(const Body& body, ControlReply reply);
  void events(const Body& body, ControlReply reply);
  void calls(const Body& body, ControlReply reply);
  void export_states(const Body& body, ControlReply reply);
  void import_states(const Body& body, ControlReply reply);

  void forward(std::string_view verb, const Body& body, Repeat repeat, std::chrono::nanoseconds patience,
               ControlReply reply);

  ControlVerbsParts parts_;
  TrailVerbs trail_verbs_;
  std::chrono::steady_clock::time_point started_at_ = std::chrono::steady_clock::now();
  std::chrono::system_clock::time_point started_time_ = std::chrono::system_clock::now();
  struct Waiting {
    std::function<bool()> is_done;
    std::function<bool()> is_overtaken;  // by a request that wants something else
    boost::json::object answer;
    ControlReply reply;
  };

  std::vector<Waiting> waiting_;
  std::vector<ControlReply> stop_watchers_;
  std::vector<ControlReply> log_followers_;
};

}  // namespace epic::cluster
