#include <fmt/format.h>

#include "cluster/sim/faults.hpp"

namespace epic::cluster::sim {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kBothWaysPercent = 50;
constexpr std::uint32_t kInTickPercent = 50;
constexpr std::uint32_t kUncountedPercent = 30;
constexpr std::uint32_t kApartPercent = 70;
constexpr std::uint32_t kShardsMovePercent = 70;
constexpr std::uint32_t kDeafPercent = 50;
constexpr std::uint16_t kNodeNumbersMore = 8;  // nodes of a machine that is back have others
constexpr nanoseconds kBackMax = 3s;
constexpr nanoseconds kApartMore = 1s;  // than the machine stands still
constexpr nanoseconds kAwayMax = 6s;
constexpr nanoseconds kNewOwnersAfter = 300ms;  // most have their shards by then
constexpr nanoseconds kIntoTicks = 5ms;         // nodes have begun a tick by then
constexpr int kDyingWriters = 3;

std::int64_t whole_ms(nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

void Faults::end_of_machines() {
  cluster_.disk().set_away(false);
  cluster_.disk().set_breaking(0);
  for (std::size_t i = 0; i < cluster_.count_machines(); ++i)
    if (SimMachine* const machine = cluster_.find_machine(i)) {
      cluster_.coordination().set_unreachable(machine->host().process_id(), false);
      for (SimNode* const node : machine->host().list_nodes()) {
        node->go_on();
        node->free();
      }
    }
}

std::string Faults::crash_machine(std::size_t machine, Dice& dice) {
  const nanoseconds back_after = dice.between(10ms, kBackMax);
  cluster_.crash_machine(machine, back_after);
  return fmt::format("machine {} dies for {} ms", machine, whole_ms(back_after));
}

/// Shards are on their way when it does.
std::string Faults::crash_leader(Dice& dice) {
  std::string before;
  if (dice.chance(kShardsMovePercent))
    before = dice.chance(50) ? restart_rolling() + "; " : crash(draw_node(dice)) + "; ";
  const nanoseconds delay = dice.between(1ms, 1500ms);
  const nanoseconds back_after = dice.between(10ms, kBackMax);
  later(delay, [this, back_after] {
    if (const auto leader = cluster_.find_leader()) cluster_.crash_machine(*leader, back_after);
  });
  return fmt::format("{}the machine that leads dies after {} ms, for {} ms", before, whole_ms(delay),
                     whole_ms(back_after));
}

/// Some go on there only when the others have had their shards for a while.
void Faults::leave_nodes_in_ticks(std::size_t machine, nanoseconds duration, Dice& dice) {
  SimMachine* const running = cluster_.find_machine(machine);
  if (running == nullptr) return;
  for (std::uint16_t node = 1; node <= nodes_ + kNodeNumbersMore; ++node)
    if (cluster_.is_on(node, machine) && dice.chance(kInTickPercent)) cluster_.pause_in_tick(node, duration);
}

/// One client talks to the new owners, while others may still talk to those that should be gone.
void Faults::move_client_later(nanoseconds at) {
  for (const nanoseconds after : {kNewOwnersAfter, 2 * kNewOwnersAfter, 4 * kNewOwnersAfter})
    later(at + after, [this] { move_client(); });
}

std::string Faults::pause_machine(std::size_t machine, Dice& dice) {
  const nanoseconds timeout = cluster_.lease()->timeout;
  const bool is_uncounted = dice.chance(kUncountedPercent);
  const nanoseconds duration = is_uncounted
                                   ? dice.between(1ms, longest_pause({.timeout = timeout, .margin = timeout / 5}))
                                   : dice.between(timeout / 2, 3 * timeout);
  leave_nodes_in_ticks(machine, duration + dice.between(1ms, 2s), dice);
  const bool is_apart = dice.chance(kApartPercent);
  if (is_apart) {
    const auto cuts = list_clients_apart(machine);
    cut_all(cuts);
    later(duration + kApartMore, [this, cuts] { heal_all(cuts); });
  }
  later(kIntoTicks, [this, machine, duration, is_uncounted] {
    cluster_.pause_machine(machine, duration, is_uncounted ? SimMachine::Clock::misses : SimMachine::Clock::counts);
  });
  move_client_later(timeout);
  return fmt::format("machine {} stands still for {} ms{}{}", machine, whole_ms(duration),
                     is_uncounted ? ", which its clock misses" : "",
                     is_apart ? ", and some clients reach no other" : "");
}

std::string Faults::cut_machines(std::size_t one, Dice& dice) {
  const std::size_t other = (one + 1 + dice.draw(cluster_.count_machines() - 1)) % cluster_.count_machines();
  const bool is_both_ways = dice.chance(kBothWaysPercent);
  const nanoseconds duration = dice.between(50ms, kAwayMax);
  cut_for(one, other, is_both_ways, duration);
  return fmt::format("machine {} to machine {} is cut{} for {} ms", one, other, is_both_ways ? ", and back," : "",
                     whole_ms(duration));
}

void Faults::cut_for(std::size_t one, std::size_t other, bool is_both_ways, nanoseconds duration) {
  std::vector<std::pair<Place, Place>> cuts{{place_of_machine(one), place_of_machine(other)}};
  for (std::uint16_t from = 1; from <= nodes_ + kNodeNumbersMore; ++from)
    for (std::uint16_t to = 1; to <= nodes_ + kNodeNumbersMore; ++to)
      if (cluster_.is_on(from, one) && cluster_.is_on(to, other)) cuts.emplace_back(from, to);
  Network& network = cluster_.network();
  for (const auto& [from, to] : cuts) {
    network.cut(from, to);
    if (is_both_ways) network.cut(to, from);
  }
  later(duration, [this, cuts] { heal_all(cuts); });
}

/// Until one of them is evicted. Now and then one does not hear of it, and goes on as long as its lease lets it.
std::string Faults::part_machines(std::size_t one, Dice& dice) {
  const std::size_t other = (one + 1 + dice.draw(cluster_.count_machines() - 1)) % cluster_.count_machines();
  const bool is_both_ways = dice.chance(kBothWaysPercent);
  const nanoseconds timeout = cluster_.lease()->timeout;
  const nanoseconds duration = dice.between(2 * timeout, 4 * timeout);
  cut_for(one, other, is_both_ways, duration);
  const bool is_deaf = dice.chance(kDeafPercent);
  if (is_deaf)
    later(dice.between(timeout, timeout / 2 * 3), [this, one, timeout] {
      SimMachine* const running = cluster_.find_machine(one);
      if (running == nullptr || is_over_) return;
      const ProcessId process = running->host().process_id();
      cluster_.coordination().set_unreachable(process, true);
      later(2 * timeout, [this, process] { cluster_.coordination().set_unreachable(process, false); });
    });
  move_client_later(timeout / 2 * 3);
  return fmt::format("machine {} to machine {} is cut{} for {} ms{}", one, other, is_both_ways ? ", and back," : "",
                     whole_ms(duration), is_deaf ? ", and the first one cannot reach the coordination service" : "");
}

std::string Faults::break_links(Dice& dice) {
  const std::uint64_t times = 1 + dice.draw(6);
  nanoseconds at{0};
  for (std::uint64_t i = 0; i < times; ++i) {
    later(at, [this] {
      for (std::size_t one = 0; one < cluster_.count_machines(); ++one)
        for (std::size_t other = 0; other < one; ++other)
          cluster_.network().break_streams(place_of_machine(one), place_of_machine(other));
    });
    at += dice.between(1ms, 500ms);
  }
  return fmt::format("the links between machines break {} times", times);
}

/// Mostly it is apart from the other machines, too, together with all clients but one.
std::string Faults::lose_contact(std::size_t machine, Dice& dice) {
  const nanoseconds timeout = cluster_.lease()->timeout;
  const nanoseconds duration = dice.between(100ms, 3 * timeout);
  SimMachine* const running = cluster_.find_machine(machine);
  if (running == nullptr) return fmt::format("machine {} does not run", machine);
  const ProcessId process = running->host().process_id();
  const bool is_apart = dice.chance(kApartPercent);
  std::vector<std::pair<Place, Place>> cuts = is_apart ? list_apart(machine) : std::vector<std::pair<Place, Place>>();
  cluster_.coordination().set_unreachable(process, true);
  cut_all(cuts);
  later(duration, [this, process, cuts] {
    cluster_.coordination().set_unreachable(process, false);
    heal_all(cuts);
  });
  leave_nodes_in_ticks(machine, timeout + dice.between(500ms, 2 * timeout), dice);
  move_client_later(timeout);
  return fmt::format("machine {} cannot reach {} for {} ms", machine,
                     is_apart ? "anything but some clients" : "the coordination service", whole_ms(duration));
}

/// What is between it with those clients, and all others.
std::vector<std::pair<Place, Place>> Faults::list_apart(std::size_t machine) {
  auto cuts = list_clients_apart(machine);
  for (std::size_t other = 0; other < cluster_.count_machines(); ++other)
    if (other != machine) cuts.emplace_back(place_of_machine(machine), place_of_machine(other));
  for (std::uint16_t own = 1; own <= nodes_ + kNodeNumbersMore; ++own)
    for (std::uint16_t other = 1; other <= nodes_ + kNodeNumbersMore; ++other)
      if (cluster_.is_on(own, machine) && !cluster_.is_on(other, machine)) cuts.emplace_back(own, other);
  return cuts;
}

/// What is between all clients but one, and the nodes of other machines, now and later.
std::vector<std::pair<Place, Place>> Faults::list_clients_apart(std::size_t machine) {
  std::vector<std::pair<Place, Place>> cuts;
  for (std::uint16_t node = 1; node <= nodes_ + kNodeNumbersMore; ++node)
    for (std::uint32_t client = 1; client < clients_; ++client)
      if (!cluster_.is_on(node, machine)) cuts.emplace_back(kFirstClientPlace + client, node);
  return cuts;
}

void Faults::cut_all(const std::vector<std::pair<Place, Place>>& cuts) {
  for (const auto& [one, other] : cuts) {
    cluster_.network().cut(one, other);
    cluster_.network().cut(other, one);
  }
}

void Faults::heal_all(const std::vector<std::pair<Place, Place>>& cuts) {
  for (const auto& [one, other] : cuts) {
    cluster_.network().heal(one, other);
    cluster_.network().heal(other, one);
  }
}

std::string Faults::stop_machine(std::size_t machine) {
  cluster_.stop_machine_in_order(machine);
  return fmt::format("the supervisor of machine {} is asked to stop", machine);
}

std::string Faults::lose_database(Dice& dice) {
  const nanoseconds duration = dice.between(20ms, kAwayMax);
  cluster_.disk().set_away(true);
  later(duration, [this] { cluster_.disk().set_away(false); });
  return fmt::format("the database cannot be reached for {} ms", whole_ms(duration));
}

/// Some writers may die before they have asked what became of theirs.
std::string Faults::break_commits(Dice& dice) {
  const nanoseconds duration = dice.between(200ms, 5s);
  const auto percent = static_cast<std::uint32_t>(5 + dice.draw(60));
  for (int writer = 0; writer < kDyingWriters; ++writer) {
    const auto node = static_cast<std::uint16_t>(1 + dice.draw(nodes_ + kNodeNumbersMore));
    later(dice.between(1ms, duration), [this, node] { cluster_.crash(node); });
  }
  cluster_.disk().set_breaking(percent);
  later(duration, [this] { cluster_.disk().set_breaking(0); });
  return fmt::format("{} % of commits end with a broken connection for {} ms", percent, whole_ms(duration));
}

}  // namespace epic::cluster::sim
