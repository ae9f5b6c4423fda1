#pragma once
// ControlVerbs: what the supervisor answers on the control socket. The table is protocol/control.hpp.
//
// It answers some verbs itself; those about entities go to nodes, through NodeRequests.

#include <chrono>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "cluster/control/control_reply.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "cluster/supervisor/node_requests.hpp"
#include "cluster/supervisor/quarantine.hpp"
#include "cluster/supervisor/restart.hpp"
#include "cluster/supervisor/setup_runner.hpp"
#include "cluster/supervisor/shard_table.hpp"
#include "cluster/supervisor/trail_verbs.hpp"
#include "protocol/control.hpp"

namespace epic::cluster {

/// What the verbs read and change; all of it outlives ControlVerbs.
struct ControlVerbsParts {
  const Host& host;
  const SupervisorOptions& options;
  Fleet& fleet;
  const ShardTable& shards;
  const SetupRunner& setup;
  LogHub& logs;
  NodeRequests& requests;
  const FabricTrail& trail;
  const Quarantine& quarantine;
  std::function<bool(const std::string& entity)> release;
  std::function<std::expected<void, SupervisorError>(kernel::NodeId)> drain;
  std::function<std::expected<void, SupervisorError>(std::uint16_t node_count)> scale;
  std::function<std::expected<void, SupervisorError>(const protocol::control::Restart::Request&, ControlReply reply)>
      restart;
  std::function<bool()> is_restarting;
  std::function<std::map<std::string, std::string>()> list_waiting;  // evicted machines, and why; may be empty
  std::function<std::vector<protocol::control::Ps::Machine>()> list_machines;        // may be empty
  std::function<std::optional<protocol::control::UnrenewedLease>()> find_unrenewed;  // may be empty
  std::function<void(std::string why)> stop;
};

/// Answers a request that cannot be carried out.
void refuse(const SupervisorError& error, const ControlReply& reply);

/// Single-threaded.
class ControlVerbs {
 public:
  explicit ControlVerbs(ControlVerbsParts parts);

  void handle(const ControlRequest& request, ControlReply reply);
  /// Looks for new events, for those who follow them.
  void on_tick();
  /// Answers requests to drain and scale that have been carried out.
  void advance();
  /// Report to requests that wait for the end of an ordered stop.
  void on_node_waiting(const std::string& node);
  void on_node_ended(const std::string& node);
  /// All nodes have ended: ends every stream.
  void on_all_ended(const std::vector<std::string>& unsaved);  // nodes that had not saved everything

 private:
  template <class Verb>
  struct Asked {
    typename Verb::Request request;
    const boost::json::object& body;  // the JSON of the request, with values of users' types
    ControlReply reply;
  };
  template <class Verb>
  void receive(const boost::json::object& body, ControlReply reply);

  // One per verb of protocol::control::Verbs.
  void answer(const Asked<protocol::control::Ping>& asked);
  void answer(const Asked<protocol::control::Ps>& asked);
  void answer(const Asked<protocol::control::Nodes>& asked);
  void answer(const Asked<protocol::control::Logs>& asked);
  void answer(const Asked<protocol::control::Stop>& asked);
  void answer(const Asked<protocol::control::Kill>& asked);
  void answer(const Asked<protocol::control::Pause>& asked);
  void answer(const Asked<protocol::control::Resume>& asked);
  void answer(const Asked<protocol::control::Drain>& asked);
  void answer(const Asked<protocol::control::Scale>& asked);
  void answer(const Asked<protocol::control::Restart>& asked);
  void answer(const Asked<protocol::control::ReleaseEntity>& asked);
  void answer(const Asked<protocol::control::Inspect>& asked);
  void answer(Asked<protocol::control::Call> asked);
  void answer(const Asked<protocol::control::Ls>& asked);
  void answer(const Asked<protocol::control::Export>& asked);
  void answer(const Asked<protocol::control::Import>& asked);
  void answer(const Asked<protocol::control::Types>& asked);
  void answer(const Asked<protocol::control::Events>& asked);
  void answer(const Asked<protocol::control::Calls>& asked);
  void answer(const Asked<protocol::control::Outbox>& asked);

  [[nodiscard]] const NodeSlot* find_slot(const std::string& node, const ControlReply& reply) const;
  void signal(const std::string& node, int number, const ControlReply& reply);
  template <class Verb>
  void forward(Asked<Verb> asked, std::chrono::nanoseconds timeout, const boost::json::object& beside = {});
  template <class Verb>
  void spread(Asked<Verb> asked, NodeRequests::OnAnswer on_answer);

  ControlVerbsParts parts_;
  TrailVerbs trail_verbs_;
  std::chrono::steady_clock::time_point started_at_ = parts_.host.now();
  std::chrono::system_clock::time_point started_time_ = parts_.host.wall_now();
  struct Waiting {
    std::function<bool()> is_done;
    std::function<bool()> is_overtaken;  // replaced by a later request
    boost::json::value answer;
    ControlReply reply;
    /// Empty: the node does not leave because of this request.
    std::function<std::optional<boost::json::value>(const NodeSlot& slot, std::uint64_t shards)> describe_leaving;
    std::chrono::steady_clock::time_point asked_at;
    std::chrono::steady_clock::time_point told_at = asked_at;
  };
  using Change = std::function<std::expected<void, SupervisorError>()>;
  void wait_for(Waiting one, const Change& change);
  void tell_progress(Waiting& one);

  std::vector<Waiting> waiting_;
  std::vector<ControlReply> stop_watchers_;
  std::vector<ControlReply> log_followers_;
};

}  // namespace epic::cluster
