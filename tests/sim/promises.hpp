#pragma once
// Promises: what clients of a simulated cluster are promised for later: that a reminder comes at its time, and that a
// call with an idempotency key takes effect once. Makes such calls, and judges in the end what has become of them.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cluster/sim/cluster.hpp"
#include "sim/gong_witness.hpp"
#include "sim/key_witness.hpp"

namespace epic::test {

class Promises {
 public:
  /// A call of a gong, and who hears of its end.
  struct Order {
    Call<bool> call;
    std::function<void(bool)> on_told = [](bool) {};
    std::function<void()> on_unknown = {};
  };

  /// `client`: makes the calls before and after the others.
  Promises(cluster::sim::Cluster& cluster, cluster::sim::SimClient& client) : cluster_(cluster), client_(client) {}

  /// Before all else: sets the reminders that recur.
  void start();
  /// What a client is to ask of a gong next.
  [[nodiscard]] Order order();
  /// Makes a call with a key; `on_end` gets whether it has ended for good.
  void pay(cluster::sim::SimClient& client, std::function<void(const KeyedEnd&, bool)> on_end);

  /// When faults have stopped, and all calls have ended. Throws if the cluster does not answer.
  void check();
  /// When nothing is under way any more. Sentences; empty: all is well, or check() has not got to its end.
  [[nodiscard]] std::vector<std::string> judge(WallClocks clocks, KeyWitness::Stale stale);

 private:
  static constexpr std::size_t kGongs = 3;
  static constexpr std::size_t kCashiers = 4;

  [[nodiscard]] cluster::sim::World& world() { return cluster_.world(); }
  [[nodiscard]] std::int64_t wall_ns(std::chrono::nanoseconds from_now);
  void violate(std::string what) { violations_.push_back(std::move(what)); }
  void read_gongs();
  void check_reminders();
  void check_keys();
  [[nodiscard]] LettersLeft check_store();
  void call(cluster::sim::SimClient& client, std::size_t key, KeyWitness::Method method,
            std::function<void(const KeyedEnd&, bool)> on_end);

  cluster::sim::Cluster& cluster_;
  cluster::sim::SimClient& client_;
  GongWitness gong_witness_{kGongs};
  KeyWitness key_witness_{kCashiers};
  std::vector<GongBooks> gong_books_;
  std::vector<std::map<std::string, ledger::Payment>> payments_;
  std::vector<std::string> violations_;
};

}  // namespace epic::test
