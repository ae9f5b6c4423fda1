#pragma once
// MachineAgent: runs the nodes of one machine, for whichever supervisor leads the fabric.
//
// The leader decides what is started and ended; the agent carries it out, and passes on what its processes and the
// leader say to each other. While there is no leader, or no link to it, the processes go on. The agent knows of each
// what a new leader has to know: that it is ready, which shards it has, and which it was asked to give back. Those that
// are not ready, or were told to stop, end when there is a new leader.
//
// What nodes write is sent on as lines. While very much is waiting for the leader, lines are dropped and counted, and
// nothing else is; a line in the node's log says how many were lost.
//
// A node loads this machine's own copy of the module, and runs in this machine's directory, so that it does not need
// the leader's files. If there is no such copy here yet, what the node is sent waits until it has come.
//
// Not here: links (machine_link.hpp), who leads (membership.hpp), the leader's side (machines.hpp).

#include <cstdint>
#include <deque>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "cluster/control/control_reply.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/kept_messages.hpp"
#include "cluster/supervisor/leader_requests.hpp"
#include "cluster/supervisor/leased_nodes.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "cluster/supervisor/setup_runner.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "protocol/machines.hpp"

namespace epic::cluster {

/// Single-threaded.
class MachineAgent {
 public:
  struct Parts {
    Host& host;
    const SupervisorOptions& options;
    const RunPaths& paths;
    std::string machine;  // as in coordination
    /// Where this machine's copy of that module is: `done` is called once, now or later.
    using ModuleDone = std::move_only_function<void(std::expected<std::filesystem::path, SupervisorError>)>;
    std::function<void(const protocol::ModuleOrigin& origin, ModuleDone done)> get_module;
    /// Makes a copy of the module at that path, which get_module() finds by the digest that is returned.
    std::function<std::expected<std::string, SupervisorError>(const std::string& path)> take_in = {};
    /// The leader wants this machine no more, or has ended the fabric. The nodes have ended, or do now.
    std::function<void(const protocol::Dismiss&)> on_dismissed;
    std::function<void(std::vector<FabricReady::Node>)> on_ready = {};  // all its nodes are, for the first time
    std::function<void(SetupState)> on_setup = {};                      // what the leader says about it
  };
  using Send = std::function<void(const protocol::FromMachine&)>;

  explicit MachineAgent(Parts parts) : parts_(std::move(parts)) {}
  MachineAgent(const MachineAgent&) = delete;
  MachineAgent& operator=(const MachineAgent&) = delete;

  /// There is a link to the leader, another machine or this one. Says Hello.
  void connect(const std::string& leader, Send send);
  /// The link is gone.
  void disconnect();
  [[nodiscard]] bool is_connected() const { return send_ != nullptr; }
  /// From the leader.
  void on_message(const protocol::ToMachine& message);

  /// Passes a control request on to the leader, when there is one.
  void ask(const ControlRequest& request, ControlReply reply) { requests_.ask(request, std::move(reply)); }
  /// Asks the leader to let the machine leave the fabric; on_dismissed follows.
  void leave();
  /// While there is a link; it is not said later.
  void report(const protocol::Unreached& unreached) {
    if (send_) send_(unreached);
  }
  /// The machine's lease: its nodes run no longer than that.
  void on_renewed(io::BootTime valid_until) { leased_.on_renewed(valid_until); }
  /// At once; nothing is said about them any more.
  void kill_all() { processes_.clear(); }

  /// Of the fabric, once a leader has said it.
  [[nodiscard]] const std::string& fabric_id() const { return fabric_id_; }
  [[nodiscard]] bool has_processes() const { return !processes_.empty(); }

 private:
  struct Process {
    std::unique_ptr<NodeProcess> process;
    protocol::LiveNode live;
    Host::TimePoint spawned_at;
    std::deque<protocol::ToNode> held = {};  // while its module is on its way
    bool is_held = false;
    bool is_ready = false;
    bool is_stopping = false;
    std::uint64_t lost_lines = 0;  // for want of room, not reported yet

    /// What another leader goes on with.
    [[nodiscard]] bool is_live() const { return is_ready && !is_stopping; }
  };

  void carry_out(const protocol::Welcome& welcome);
  void carry_out(const protocol::Counted& counted);
  void carry_out(const protocol::FabricNotes& notes);
  void carry_out(const protocol::SpawnNode& spawn);
  void carry_out(protocol::ToldNode told);
  void carry_out(const protocol::SignalNode& signal);
  void carry_out(const protocol::DropNode& drop) { processes_.erase(drop.process); }
  void carry_out(const protocol::MachineAnswered& answered) { requests_.on_answer(answered.answer); }
  void carry_out(const protocol::Dismiss& dismiss);
  void tell(Process& process, protocol::ToNode message);
  void configure(Process& process, protocol::Configure configure);
  void refuse(Process& process, const SupervisorError& why);
  void on_module(protocol::ProcessId id, protocol::Configure configure,
                 const std::expected<std::filesystem::path, SupervisorError>& module);
  /// Those are for guests of a supervisor (module_fetch.hpp, guests.hpp).
  void carry_out(const protocol::Settings&) {}
  void carry_out(const protocol::ModulePart&) {}
  /// It is for other machines (reachability.hpp).
  void carry_out(const protocol::Reached&) {}
  void carry_out(const protocol::GuestWelcome&) {}

  void on_said(protocol::ProcessId id, const protocol::FromNode& message);
  void on_line(protocol::NodeWrote line);
  void report_lost_lines(Process& process);
  void on_end(protocol::ProcessId id, ProcessEnd end);
  void check_ready();
  void send(protocol::FromMachine message, std::size_t text_bytes = 0);
  void confirm();
  [[nodiscard]] std::vector<protocol::LiveNode> list_live() const;
  [[nodiscard]] protocol::FabricNotes notes_now() const;

  Parts parts_;
  std::string leader_;  // last connected to
  protocol::Spoken leader_speaks_;
  Send send_;  // empty: no link
  bool is_welcome_ = false;
  bool has_been_ready_ = false;
  std::string fabric_id_;
  protocol::FabricNotes notes_;
  Host::TimePoint noted_at_{};  // when they came
  KeptMessages<protocol::FromMachine> kept_;
  bool drops_lines_ = false;
  std::uint64_t received_ = 0;  // from this leader
  std::uint64_t confirmed_ = 0;
  LeasedNodes leased_;
  std::map<protocol::ProcessId, Process> processes_;
  LeaderRequests requests_{parts_.host, parts_.options};
  Timer confirm_timer_{parts_.host};
};

}  // namespace epic::cluster
