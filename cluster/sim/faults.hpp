#pragma once
// Faults: lets the faults of a schedule (fault_mix.hpp) strike a cluster, and undoes what lasts.

#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "cluster/sim/cluster.hpp"
#include "cluster/sim/fault_mix.hpp"

namespace epic::cluster::sim {

/// What has happened: number 3, at 1.204 s of the world's time, "node-2 pauses for 400 ms".
struct StruckFault {
  std::size_t number;
  nanoseconds at;
  std::string what;
};
/// "3 at 1.204 s: node-2 pauses for 400 ms".
[[nodiscard]] std::string to_string(const StruckFault& fault);

class Faults {
 public:
  Faults(Cluster& cluster, std::uint16_t nodes, std::uint32_t clients)
      : cluster_(cluster), nodes_(nodes), clients_(clients) {}

  /// Now, whatever its time is.
  const StruckFault& strike(const Fault& fault);
  /// Undoes what lasts, so that the cluster can recover.
  void end();
  [[nodiscard]] const std::vector<StruckFault>& list() const { return struck_; }
  /// Requests to the supervisor that it has not answered, though it lives: "scale, made at 1.204 s".
  [[nodiscard]] std::vector<std::string> list_unanswered() const;

 private:
  /// All chance of one fault.
  class Dice {
   public:
    explicit Dice(std::uint64_t chance) : random_(chance) {}
    std::uint64_t draw(std::uint64_t below) { return random_() % below; }
    bool chance(std::uint32_t percent) { return draw(100) < percent; }
    nanoseconds between(nanoseconds min, nanoseconds max) {
      return min + nanoseconds(static_cast<std::int64_t>(draw(static_cast<std::uint64_t>((max - min).count()))));
    }

   private:
    std::mt19937_64 random_;
  };

  [[nodiscard]] std::string strike(FaultKind kind, Dice dice);
  [[nodiscard]] std::uint16_t draw_node(Dice& dice) { return static_cast<std::uint16_t>(1 + dice.draw(nodes_)); }
  /// Another one, if there is one.
  [[nodiscard]] std::uint16_t draw_other(std::uint16_t node, Dice& dice) {
    return nodes_ == 1 ? node : static_cast<std::uint16_t>(1 + (node + dice.draw(nodes_ - 1u)) % nodes_);
  }
  [[nodiscard]] Place draw_client(Dice& dice) { return kFirstClientPlace + static_cast<Place>(dice.draw(clients_)); }
  [[nodiscard]] World& world() { return cluster_.world(); }
  void later(nanoseconds delay, std::function<void()> event);
  void ask(std::string verb, std::string body, std::function<void(bool)> on_end = {});

  std::string crash(std::uint16_t node);
  std::string pause(std::uint16_t node, Dice& dice);
  std::string take_long(std::uint16_t node, Dice& dice);
  std::string jump_clock(std::uint16_t node, Dice& dice);
  std::string crash_supervisor(Survival nodes, Dice& dice);
  std::string reshard(Dice& dice);
  std::string stand_still(std::uint16_t node, Dice& dice);
  std::string pause_in_tick(std::uint16_t node, Dice& dice);
  std::string lose_machine(Dice& dice);
  void lose_machine_now(Dice& dice);
  std::string lose_service(Dice& dice);
  std::string slow_service(Dice& dice);
  void move_client();

  // machine_faults.cpp
  void end_of_machines();
  std::string crash_machine(std::size_t machine, Dice& dice);
  std::string crash_leader(Dice& dice);
  std::string pause_machine(std::size_t machine, Dice& dice);
  std::string cut_machines(std::size_t one, Dice& dice);
  std::string part_machines(std::size_t one, Dice& dice);
  void cut_for(std::size_t one, std::size_t other, bool is_both_ways, nanoseconds duration);
  std::string break_links(Dice& dice);
  std::string lose_contact(std::size_t machine, Dice& dice);
  std::string stop_machine(std::size_t machine);
  std::string lose_database(Dice& dice);
  std::string break_commits(Dice& dice);
  void leave_nodes_in_ticks(std::size_t machine, nanoseconds duration, Dice& dice);
  void move_client_later(nanoseconds at);
  [[nodiscard]] std::vector<std::pair<Place, Place>> list_apart(std::size_t machine);
  [[nodiscard]] std::vector<std::pair<Place, Place>> list_clients_apart(std::size_t machine);
  void cut_all(const std::vector<std::pair<Place, Place>>& cuts);
  void heal_all(const std::vector<std::pair<Place, Place>>& cuts);

  std::string cut(Place one, Place other, nanoseconds max, Dice& dice);
  std::string break_streams(std::uint16_t one, std::uint16_t other);
  std::string vanish(std::uint16_t one, Dice& dice);
  std::string storm(Dice& dice);
  std::string slow_network(Dice& dice);
  std::string slow_pair(std::uint16_t one, std::uint16_t other, Dice& dice);

  std::string slow_disk(Dice& dice);
  std::string fill_disk(Dice& dice);
  std::string fail_write();
  std::string die_in_write(Dice& dice);
  std::string fail_opening(Dice& dice);
  std::string cut_power(Dice& dice);

  std::string drain(std::uint16_t node, Dice& dice);
  std::string crash_leaving(std::uint16_t node, Dice& dice);
  std::string scale(Dice& dice);
  void want_all_nodes();
  std::string restart_rolling();
  std::string restart_at_once(Dice& dice);
  std::string reject_module();

  struct Request {
    std::string verb;
    nanoseconds at;
    std::uint64_t run;  // of the supervisor
  };

  Cluster& cluster_;
  std::uint16_t nodes_;
  std::uint32_t clients_;
  bool is_over_ = false;
  std::vector<StruckFault> struck_;
  std::map<std::uint64_t, Request> unanswered_;
  std::uint64_t last_request_ = 0;
};

}  // namespace epic::cluster::sim
