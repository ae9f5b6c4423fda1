#pragma once
// MachinesVictim: the ledger's fabric on three machines under faults, for the crash test of those.
//
// Nodes and supervisors are killed, stopped for longer than their lease and let go on, and leave in order; the database
// is restarted, killed in the midst of commits, and replaced by its standby; members of etcd are lost. What has ended
// is started again.
//
// The faults come from a shuffled deck, so that few of them are of many kinds.

#include <sys/types.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "epic/client.hpp"
#include "integration/node/database_relay.hpp"
#include "integration/node/failover_pair.hpp"
#include "integration/node/real_fabric.hpp"
#include "support/etcd_server.hpp"
#include "support/machine_network.hpp"

namespace epic::test {

class MachinesVictim {
 public:
  static constexpr std::size_t kMachines = 3;
  static constexpr std::uint16_t kNodesOfEach = 4;
  static constexpr std::uint32_t kShards = 36;
  static constexpr std::chrono::milliseconds kLease{5'000};

  /// By what the supervisors agree: their database, or an etcd of three members.
  enum class By : std::uint8_t { database, etcd };

  /// Where the machines are: on this host with sockets for each other, or on a network of their own, whose links fail.
  enum class On : std::uint8_t { host, network };

  /// Returns when all nodes are ready.
  MachinesVictim(std::uint64_t seed, By by, On on = On::host);

  /// A client that runs on that machine.
  [[nodiscard]] Client connect(std::size_t machine) const;
  /// A machine has been cut off from all others and the database since then, and is about to be let back.
  std::function<void(std::size_t machine, std::chrono::steady_clock::time_point since)> on_isolated;

  struct Suffered {
    std::string kind;
    /// When what nobody can do without was there again, which is the database with its standby. Of other faults: when
    /// they began, as others can take the place of what has ended or stands still.
    std::chrono::steady_clock::time_point recovers_from;
  };
  /// Injects a fault, and undoes what can be undone (such as a stop).
  Suffered suffer();
  /// Starts what has ended again; true if all nodes of all machines are ready and have shards.
  [[nodiscard]] bool is_whole();
  /// What keeps it from that, as last seen.
  [[nodiscard]] const std::string& obstacle() const { return obstacle_; }
  /// Passes time; supervisors are listened to meanwhile.
  void wait(std::chrono::milliseconds time);

  [[nodiscard]] std::vector<std::filesystem::path> directories() const;
  /// Copies all logs to a directory that stays, and returns its path.
  [[nodiscard]] std::filesystem::path keep_logs() const;

 private:
  enum class Fault : std::uint8_t {
    kill_node,
    hang_node,
    kill_follower,
    kill_leader,
    stop_supervisor,
    stop_machine,
    leave,
    restart_database,
    crash_database,
    hang_database,
    hold_up_commits,
    kill_session,
    fail_over,
    lose_etcd_member,
    cut_both_ways,
    cut_one_way,
    isolate,
    mute,
    part,
    kill_machine,
  };

  [[nodiscard]] static bool stops_all(Fault fault);
  [[nodiscard]] std::string inflict(Fault fault);
  void start(std::size_t machine);
  void revive();
  void listen();
  [[nodiscard]] bool leads(std::size_t machine) const;
  [[nodiscard]] std::size_t any_machine() { return random_() % kMachines; }
  [[nodiscard]] std::size_t any_follower();
  [[nodiscard]] std::size_t leader();
  /// Of the nodes that run there.
  [[nodiscard]] std::vector<pid_t> list_nodes(std::size_t machine) const;

  std::string kill_node();
  std::string hang_node();
  std::string kill_supervisor(std::size_t machine);
  std::string stop_supervisor();
  std::string stop_machine();
  std::string leave();
  std::string restart_database(PostgresServer::End how);
  std::string hang_database();
  std::string hold_up_commits();
  std::string lose_etcd_member();
  std::string cut_two(bool is_both_ways);
  std::string isolate();
  std::string mute();
  std::string part();
  std::string kill_machine();
  [[nodiscard]] std::chrono::milliseconds any_stop();

  std::uint64_t seed_;
  std::mt19937_64 random_;
  std::vector<Fault> deck_;
  FailoverPair database_;
  std::unique_ptr<EtcdServer> etcd_;  // null: the database
  std::string coordination_ = "postgresql";
  std::unique_ptr<MachineNetwork> network_;  // null: they are on this host
  std::unique_ptr<DatabaseRelay> relay_;
  TempDir secret_;
  std::array<ProjectDirectory, kMachines> directories_;
  std::array<std::optional<Supervised>, kMachines> machines_;
  std::string obstacle_;
};

}  // namespace epic::test
