#pragma once
// Machines: the machines of a fabric, as its leader sees them, and the processes that run there.
//
// A machine belongs to the fabric while its key is in coordination and it has greeted the leader. Its processes are
// NodeProcesses like any other. That its link is broken ends none of them: they cannot be reached for a while. They
// have ended when the machine says so, or when its key is gone: then its lease is over, and its nodes have stopped.
//
// The leader's own machine is one of them.
//
// Invariant: a process is on one machine, which has its key.
// Not here: links (machine_link.hpp), keys and leases (membership.hpp), what the machine does (machine_agent.hpp).

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/control/control_reply.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/kept_messages.hpp"
#include "cluster/supervisor/node_process.hpp"
#include "protocol/machines.hpp"

namespace epic::cluster {

/// Single-threaded. Outlives the processes that it has made.
class Machines {
 public:
  using Send = std::function<void(const protocol::ToMachine&)>;
  /// One of a machine's links, in the order in which they were made.
  using LinkNumber = kernel::StrongId<struct LinkNumberTag, std::uint64_t>;

  struct Events {
    /// It has greeted for the first time.
    std::function<void(const protocol::Hello&)> on_arrived;
    /// Its key is gone. The ends of its processes follow.
    std::function<void(const std::string& machine)> on_gone;
    std::function<void(const std::string& machine)> on_leaves;
    std::function<void(const ControlRequest&, ControlReply)> on_request;
    std::function<void()> on_room;  // a reader of long answers may have caught up
  };

  /// `self`: the leader's own machine.
  Machines(Host& host, std::string self) : host_(host), self_(std::move(self)) {}
  Machines(const Machines&) = delete;
  Machines& operator=(const Machines&) = delete;

  /// From coordination.
  void on_key(const std::string& machine) { machines_[machine].has_key = true; }
  void on_key_gone(const std::string& machine);

  /// The first message of a link. The error is a sentence for the machine's log: it may try again.
  [[nodiscard]] std::expected<LinkNumber, std::string> greet(const protocol::Hello& hello, Send send);
  void on_message(const std::string& machine, LinkNumber link, const protocol::FromMachine& message);
  void on_link_lost(const std::string& machine, LinkNumber link);

  /// Silence is counted in ticks: while this process stands still, it takes no machine for unlinked.
  void on_tick(std::chrono::nanoseconds passed);
  /// The others with a key that have had no link for that long, or longer, and for how long.
  [[nodiscard]] std::vector<protocol::Unreached::Machine> list_unlinked(std::chrono::nanoseconds at_least) const;

  /// Every machine that has a key has greeted.
  [[nodiscard]] bool is_complete() const;
  [[nodiscard]] std::vector<protocol::Hello> list_greeted() const;
  /// The fabric begins: machines that have greeted arrive now, others later.
  void open(std::string fabric_id, Events events);

  [[nodiscard]] std::unique_ptr<NodeProcess> spawn(const std::string& machine, std::vector<std::string> arguments,
                                                   NodeProcess::Events events);
  /// A process that runs there already.
  [[nodiscard]] std::unique_ptr<NodeProcess> adopt(const std::string& machine, const protocol::LiveNode& live,
                                                   NodeProcess::Events events);
  /// One that runs there and is not wanted.
  void drop(const std::string& machine, protocol::ProcessId process);

  /// To all machines, also those that come later.
  void tell_notes(protocol::FabricNotes notes);
  void dismiss(const std::string& machine, const protocol::Dismiss& message);
  void dismiss_all(const protocol::Dismiss& message);
  /// The others with a key that have not confirmed a Dismiss, or may have none yet.
  [[nodiscard]] std::vector<std::string> list_undismissed() const;
  /// This supervisor leads no more, and says nothing more: the processes are the next leader's.
  void abandon() { is_abandoned_ = true; }
  [[nodiscard]] bool is_abandoned() const { return is_abandoned_; }

  [[nodiscard]] const std::string& self() const { return self_; }
  /// That the machine has now, or had last.
  [[nodiscard]] LinkNumber link_of(const std::string& machine) const {
    const auto found = machines_.find(machine);
    return found == machines_.end() ? LinkNumber{} : found->second.link;
  }
  [[nodiscard]] bool has_others() const { return machines_.size() > 1; }
  /// It has arrived, its key is there, and it is to stay: it is not leaving, and was not dismissed.
  [[nodiscard]] bool contains(const std::string& machine) const {
    const auto found = machines_.find(machine);
    if (found == machines_.end()) return false;
    return found->second.has_arrived && found->second.has_key && !found->second.is_leaving;
  }

 private:
  class Process;
  class Reply;
  struct Machine {
    bool has_key = false;
    bool has_arrived = false;
    bool is_leaving = false;                      // by its own wish, or dismissed
    std::unique_ptr<protocol::Hello> hello = {};  // until it has arrived
    LinkNumber link = {};
    Send send = {};  // empty: no link
    std::chrono::nanoseconds unlinked{0};
    bool is_welcome = false;
    KeptMessages<protocol::ToMachine> kept = {};
    std::uint64_t received = 0;
    std::uint64_t confirmed = 0;
    std::map<protocol::ProcessId, Process*> processes = {};
    std::map<std::uint64_t, std::shared_ptr<Reply>> replies = {};  // by request, while somebody waits for its answer
  };

  void arrive(const std::string& name, Machine& machine);
  void welcome(Machine& machine, std::uint64_t received);
  /// False, and it is not sent, if so much is waiting there that a node may not be told more.
  bool try_send(Machine& machine, protocol::ToMachine message);
  void forget(const std::string& machine, const Process& process);
  void confirm(Machine& machine);
  void confirm_later();

  template <class Message>
  [[nodiscard]] static Process* find(Machine& machine, const Message& message);
  void take_in(Machine& machine, const protocol::SpawnedNode& spawned);
  void take_in(Machine& machine, const protocol::UnspawnedNode& unspawned);
  void take_in(Machine& machine, const protocol::NodeSaid& said);
  void take_in(Machine& machine, const protocol::NodeWrote& wrote);
  void take_in(Machine& machine, const protocol::NodeGarbled& garbled);
  void take_in(Machine& machine, const protocol::NodeCutOff& cut_off);
  void take_in(Machine& machine, const protocol::NodeEnded& ended);

  Host& host_;
  std::string self_;
  std::string fabric_id_;
  Events events_;
  bool is_open_ = false;
  bool is_abandoned_ = false;
  protocol::FabricNotes notes_;  // told last
  Host::TimePoint noted_at_{};
  LinkNumber last_link_{0};
  std::map<std::string, Machine> machines_;
  bool is_confirm_planned_ = false;
  Timer confirm_timer_{host_};
};

}  // namespace epic::cluster
