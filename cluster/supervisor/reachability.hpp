#pragma once
// Reachability: which of the other machines this one can reach.
//
// Connections between nodes are made on demand, so a cut between two machines would show only to the calls that get
// stuck in it. Therefore each supervisor keeps a link to that of each other machine, and asks there again and again. An
// answer needs both directions, so a machine is silent for both sides whichever direction is cut.
//
// Silence is counted in ticks: while this process stands still, others do not grow silent.
//
// Not here: what follows from it (partitions.hpp).

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/machine_link.hpp"

namespace epic::cluster {

/// Single-threaded.
class Reachability {
 public:
  static constexpr std::chrono::milliseconds kAskEvery{500};
  /// Then the link counts as lost, and another is tried.
  static constexpr std::chrono::milliseconds kAnswerMax{3000};
  /// A machine that is silent for so long is reported.
  static constexpr std::chrono::milliseconds kSilentAfter{2000};

  /// A link, not started; null: nobody listens there.
  using Connect = std::function<std::shared_ptr<LinkToLeader>(const std::string& address)>;

  Reachability(Host& host, Connect connect) : host_(host), connect_(std::move(connect)) {}
  Reachability(const Reachability&) = delete;
  Reachability& operator=(const Reachability&) = delete;
  ~Reachability() { end(); }

  void add(const std::string& machine, const std::string& address);
  void remove(const std::string& machine);
  void end();

  /// It is asked.
  [[nodiscard]] bool contains(const std::string& machine) const { return peers_.contains(machine); }
  /// Those that have been silent for kSilentAfter or longer; a machine that has never answered, since it was added.
  [[nodiscard]] std::vector<protocol::Unreached::Machine> list_silent() const;
  /// What each other machine's supervisor has refused, as it has said last.
  [[nodiscard]] std::map<std::string, protocol::control::Refused> list_refused() const;
  /// Every machine has answered, and none is silent.
  [[nodiscard]] bool reaches_all() const;

 private:
  struct Peer {
    std::string address;
    std::shared_ptr<LinkToLeader> link = {};  // null: is to be made
    bool is_asked = false;                    // an answer is due
    bool has_answered = false;
    std::chrono::nanoseconds asked_for{0};
    std::chrono::nanoseconds silence{0};
    protocol::control::Refused refused = {};
  };

  void tick();
  void ask(const std::string& machine, Peer& peer);
  static void close(Peer& peer);

  Host& host_;
  Connect connect_;
  std::map<std::string, Peer> peers_;
  Host::TimePoint last_tick_{};
  Timer tick_{host_};
};

}  // namespace epic::cluster
