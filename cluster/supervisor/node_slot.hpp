#pragma once
// NodeSlot: what the supervisor knows about a node, over all its processes.
//
// Not here: when its processes start and end (fleet.hpp), its shards (shard_table.hpp).

#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/coordination/coordination.hpp"
#include "cluster/supervisor/backoff.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/modules.hpp"
#include "cluster/supervisor/node_exit.hpp"
#include "cluster/supervisor/node_process.hpp"
#include "protocol/supervision.hpp"

namespace epic::cluster {

enum class NodeState : std::uint8_t {
  stopped,   // no process, and none wanted
  starting,  // spawned, not ready yet
  ready,
  draining,  // asked to stop
  backoff,   // waits to be restarted
};

/// "stopped", "starting", "ready", "draining", "backoff".
[[nodiscard]] std::string_view to_string(NodeState state);

struct NodeSlot {
  NodeSlot(kernel::NodeId number, std::filesystem::path socket_path, RestartPolicy restart, Host& host);

  kernel::NodeId id;
  std::string name;  // "node-2"
  std::filesystem::path socket;
  std::string machine{};  // where its processes are; empty: the supervisor's, which is alone
  std::string host{};     // where processes of other machines reach its process; empty: nowhere
  std::uint16_t port = 0;
  NodeState state = NodeState::stopped;
  kernel::Incarnation incarnation;
  ModuleCopy module{};  // loaded by its current or last process
  std::chrono::steady_clock::time_point started_at{};
  std::chrono::steady_clock::time_point heard_at{};  // any message of it
  protocol::Heartbeat heartbeat;
  std::uint32_t restarts = 0;
  std::optional<NodeExit> last_exit;  // empty: it never ended
  std::string crashed_in;             // "Bomb/x.poke", if the last process died there

  std::unique_ptr<NodeProcess> process;
  std::unique_ptr<NodeProcess> spare;                // becomes the next process
  std::uint64_t spawned = 0;                         // how often; the spare, if there is one, is the last
  std::vector<protocol::RenamedType> renamed_types;  // of its module
  std::optional<LeaseId> lease;                      // from soon after Ready to the end
  std::optional<KillCause> kill_cause;               // empty: the fleet has not killed it
  std::optional<protocol::StartFailed> refusal;      // what it reported about not starting
  std::deque<std::string> last_lines;                // of its output
  bool is_turn_reported = false;
  bool is_leaving = false;          // its process has ended, and coordination does not know yet
  bool is_drained = false;          // by its own report, after it was asked to stop
  bool may_leave = false;           // requested
  std::optional<ModuleCopy> trial;  // to load instead of the current one, until it is ready
  std::optional<std::chrono::steady_clock::time_point> leaving_since;  // when it was first asked to
  bool is_wanted = true;    // false: it is not restarted when its process has ended
  bool is_adopted = false;  // its process is one that a former leader has started
  bool is_listed = true;    // false: it is not listed once its process has ended
  bool is_paused = false;   // by SIGSTOP
  bool is_silent = false;   // for over a second
  int failed_starts = 0;    // in a row
  Backoff backoff;
  Timer timer;  // until it is restarted

  /// No process can be started.
  [[nodiscard]] bool is_occupied() const { return process != nullptr || is_leaving; }
  /// No node has this number, not even a drained one, which is to stay away.
  [[nodiscard]] bool is_free() const { return !is_wanted && !is_listed && !is_occupied(); }
};

/// As shown by `epic ps`: the state, or "paused", or "draining" while its shards still move.
[[nodiscard]] std::string_view describe_state(const NodeSlot& slot);

}  // namespace epic::cluster
