#pragma once
// Membership: this machine's place in coordination, and who leads the fabric.
//
// The machine holds one lease, and under it the key machines/<machine>, whose value is where its links come in. The
// key `leader` has the machine that leads as its value. When it is gone every machine tries to put it, and one wins.
// Its lease had ended then, and its key machines/<machine> with it: so the nodes of the former leader's machine stop.
//
// A machine leads at most once, and ends when it has lost its lease: its name stands for its time as leader.
//
// The leader evicts a machine by the key apart/evicted/<machine>, under the leader's lease: the machine ends what
// relies on its lease and gives it back, so its shards are free as soon as it has stopped, and no later than its lease
// would have ended. It then has another name, says apart/waiting/<machine>, and puts its key machines/<machine> when it
// may.
//
// A service that cannot be asked is asked again. What took effect nevertheless shows in what is watched.
//
// Not here: the lease (coordination/lease_keeper.hpp), what a leader does (fabric.hpp), links (machine_link.hpp).

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "cluster/coordination/lease_keeper.hpp"
#include "cluster/supervisor/host.hpp"

namespace epic::cluster {

inline constexpr std::string_view kMachinePrefix = "machines/";
inline constexpr std::string_view kLeaderKey = "leader";
inline constexpr std::string_view kEvictedPrefix = "apart/evicted/";
inline constexpr std::string_view kWaitingPrefix = "apart/waiting/";

/// Single-threaded.
class Membership {
 public:
  /// For a fabric to be found that another machine leads.
  static constexpr std::chrono::seconds kJoinPatience{5};

  struct Settings {
    LeaseSettings lease = {};
    std::string machine;
    std::string address;
    bool joins = false;          // it does not begin a fabric; once another has led, it may
    std::string waits_for = {};  // why it was evicted under another name, so that it waits for enter(); or nothing
  };
  struct Events {
    std::function<io::BootTime()> boot_now;
    /// A machine is there, with its address, or gone. This one, too.
    std::function<void(const std::string& machine, const std::optional<std::string>& address)> on_machine;
    /// Another machine leads, or (empty) nobody at the moment.
    std::function<void(const std::optional<std::string>& machine)> on_leader;
    std::function<void()> on_lead;  // this one does
    std::function<void(io::BootTime valid_until)> on_renewed;
    std::function<void(const std::string& why)> on_lost;  // the lease: others may have what this machine had
    std::function<void()> on_no_fabric;                   // there is none to join
    std::function<void(const std::string& why)> on_delayed;
    /// The leader wants this machine to go. on_lost does not follow.
    std::function<void(const std::string& why)> on_evicted = {};
    /// A machine waits to be let in, for this reason, or (empty) does no more.
    std::function<void(const std::string& machine, const std::optional<std::string>& why)> on_waiting = {};
    /// This machine leaves it to others to lead, for a lease at most.
    std::function<bool()> hesitates = [] { return false; };
  };

  Membership(Host& host, Coordination& coordination, Settings settings, Events events);
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  void start();
  /// With `waits_for`: the machine is one of the fabric again.
  void enter();
  /// As the leader. `done` gets false if it is unknown whether the machine will hear of it.
  void evict(const std::string& machine, const std::string& why, std::move_only_function<void(bool)> done);
  /// Gives the lease back; no event follows. First end whatever relies on it.
  void end(std::move_only_function<void()> done);

  [[nodiscard]] bool leads() const { return leads_; }

 private:
  [[nodiscard]] std::string own_key() const { return std::string(kMachinePrefix) + settings_.machine; }
  void on_renewed(io::BootTime valid_until);
  void begin();
  void put_own_key();
  void try_lead();
  void on_machine_change(const CoordinationChange& change);
  void on_leader_change(const CoordinationChange& change);
  void on_apart_change(const CoordinationChange& change);
  void put_waiting_key();
  void expect_leader();
  void lead();
  void lose(const std::string& why);

  Host& host_;
  Coordination& coordination_;
  Settings settings_;
  Events events_;
  bool has_begun_ = false;
  bool may_enter_ = false;
  bool is_registered_ = false;  // its key was seen
  bool has_seen_leader_ = false;
  bool leads_ = false;
  bool is_over_ = false;  // lost or ended
  std::string leader_;    // as last seen; empty: nobody
  std::optional<Host::TimePoint> hesitates_since_;
  Timer keep_timer_{host_};
  Timer put_timer_{host_};
  Timer lead_timer_{host_};
  Timer join_timer_{host_};
  LeaseKeeper keeper_;
};

}  // namespace epic::cluster
