#include "cluster/sim/faults.hpp"

#include <fmt/format.h>

#include <functional>
#include <utility>

namespace epic::cluster::sim {

namespace {

using namespace std::chrono_literals;

constexpr nanoseconds kSurviveMax = 3s;
constexpr nanoseconds kCutMax = 4s;
constexpr nanoseconds kCutClientMax = 8s;  // longer than the deadlines of its calls
constexpr std::uint32_t kStandstillPercent = 50;
constexpr nanoseconds kNewNodesAfter = 300ms;  // most have started by then
constexpr nanoseconds kStoppedMax = 8s;        // longer than the deadline of a call
constexpr std::uint32_t kLongPausePercent = 20;
constexpr std::uint32_t kOneWayPercent = 50;
constexpr std::uint32_t kLongTurnPercent = 20;
constexpr std::uint32_t kBadModulePercent = 30;
constexpr std::uint16_t kMoreNodes = 2;
constexpr std::uint64_t kCallsUntilDeathMax = 40;
constexpr std::uint64_t kShardsMax = 40;
constexpr nanoseconds kAskAgainAfter = 200ms;
constexpr nanoseconds kLeavingMax = 60ms;

std::int64_t ms(nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

std::string name_of(Place place) {
  return place >= kFirstClientPlace ? fmt::format("client {}", place - kFirstClientPlace)
                                    : fmt::format("node-{}", place);
}

}  // namespace

std::string to_string(const StruckFault& fault) {
  return fmt::format("{} at {:.3f} s: {}", fault.number, static_cast<double>(fault.at.count()) / 1e9, fault.what);
}

const StruckFault& Faults::strike(const Fault& fault) {
  struck_.push_back({.number = fault.number, .at = world().now(), .what = strike(fault.kind, Dice(fault.chance))});
  return struck_.back();
}

std::string Faults::strike(FaultKind kind, Dice dice) {
  const std::uint16_t node = draw_node(dice);
  const std::uint16_t other = draw_other(node, dice);
  switch (kind) {
    case FaultKind::crash:
      return crash(node);
    case FaultKind::crash_two:
      return fmt::format("{} and {}", crash(node), crash(other));
    case FaultKind::pause:
      return pause(node, dice);
    case FaultKind::cut:
      return cut(node, other, kCutMax, dice);
    case FaultKind::cut_client:
      return cut(draw_client(dice), node, kCutClientMax, dice);
    case FaultKind::break_streams:
      return break_streams(node, other);
    case FaultKind::slow_network:
      return slow_network(dice);
    case FaultKind::full_disk:
      return fill_disk(dice);
    case FaultKind::failed_write:
      return fail_write();
    case FaultKind::clock_jump:
      return jump_clock(node, dice);
    case FaultKind::crash_supervisor:
      return crash_supervisor({}, dice);
    case FaultKind::orphan_nodes:
      return crash_supervisor({.min = 0s, .max = dice.between(1ms, kSurviveMax)}, dice);
    case FaultKind::cut_power:
      return cut_power(dice);
    case FaultKind::drain:
      return drain(node, dice);
    case FaultKind::restart_rolling:
      return restart_rolling();
    case FaultKind::slow_pair:
      return slow_pair(node, other, dice);
    case FaultKind::half_open:
      return vanish(node, dice);
    case FaultKind::reconnect_storm:
      return storm(dice);
    case FaultKind::slow_disk:
      return slow_disk(dice);
    case FaultKind::death_in_write:
      return die_in_write(dice);
    case FaultKind::long_turn:
      return take_long(node, dice);
    case FaultKind::scale:
      return scale(dice);
    case FaultKind::restart_at_once:
      return restart_at_once(dice);
    case FaultKind::rejected_module:
      return reject_module();
    case FaultKind::crash_leaving:
      return crash_leaving(node, dice);
    case FaultKind::failed_open:
      return fail_opening(dice);
    case FaultKind::standstill:
      return stand_still(node, dice);
    case FaultKind::pause_in_tick:
      return pause_in_tick(node, dice);
    case FaultKind::lose_machine:
      return lose_machine(dice);
    case FaultKind::lose_service:
      return lose_service(dice);
    case FaultKind::slow_service:
      return slow_service(dice);
    case FaultKind::resharding:
      return reshard(dice);
    case FaultKind::crash_machine:
      return crash_machine(dice.draw(cluster_.count_machines()), dice);
    case FaultKind::crash_leader:
      return crash_leader(dice);
    case FaultKind::pause_machine:
      return pause_machine(dice.draw(cluster_.count_machines()), dice);
    case FaultKind::cut_machines:
      return cut_machines(dice.draw(cluster_.count_machines()), dice);
    case FaultKind::break_links:
      return break_links(dice);
    case FaultKind::lose_contact:
      return lose_contact(dice.draw(cluster_.count_machines()), dice);
    case FaultKind::stop_machine:
      return stop_machine(dice.draw(cluster_.count_machines()));
    case FaultKind::lose_database:
      return lose_database(dice);
    case FaultKind::break_commits:
      return break_commits(dice);
    case FaultKind::part_machines:
      return part_machines(dice.draw(cluster_.count_machines()), dice);
  }
  return {};
}

void Faults::end() {
  is_over_ = true;
  cluster_.network().heal_all();
  cluster_.network().set_slowness(1);
  for (std::uint16_t one = 1; one <= nodes_; ++one)
    for (std::uint16_t other = one; other <= nodes_; ++other) cluster_.network().set_slowness(one, other, 1);
  cluster_.coordination().set_away(false);
  cluster_.coordination().set_slowness(0s);
  cluster_.disk().set_full(false);
  cluster_.disk().set_failing(false);
  cluster_.disk().set_death(0);
  cluster_.disk().set_slowness(1);
  for (std::uint16_t node = 1; node <= nodes_ + kMoreNodes; ++node)
    if (SimNode* const held = cluster_.find_node(node)) {
      held->go_on();
      held->free();
    }
  if (cluster_.count_machines() > 0) return end_of_machines();
  want_all_nodes();
}

std::vector<std::string> Faults::list_unanswered() const {
  std::vector<std::string> requests;
  for (const auto& [number, request] : unanswered_)
    if (request.run == cluster_.run())
      requests.push_back(
          fmt::format("{}, made at {:.3f} s", request.verb, static_cast<double>(request.at.count()) / 1e9));
  return requests;
}

void Faults::later(nanoseconds delay, std::function<void()> event) {
  world().after(delay, 0, fingerprint_of("fault ends"), std::move(event));
}

void Faults::ask(std::string verb, std::string body, std::function<void(bool)> on_end) {
  if (cluster_.find_supervisor() == nullptr) return;
  const std::uint64_t number = ++last_request_;
  unanswered_[number] = {.verb = verb, .at = world().now(), .run = cluster_.run()};
  cluster_.request(verb, std::move(body),
                   [this, number, on_end = std::move(on_end)](bool is_done, const std::vector<std::string>&) {
                     unanswered_.erase(number);
                     if (on_end) on_end(is_done);
                   });
}

std::string Faults::crash(std::uint16_t node) {
  cluster_.crash(node);
  return fmt::format("node-{} crashes", node);
}

std::string Faults::pause(std::uint16_t node, Dice& dice) {
  const nanoseconds duration = dice.chance(kLongPausePercent) ? dice.between(5s, 8s) : dice.between(20ms, 3s);
  cluster_.pause(node, duration);
  return fmt::format("node-{} pauses for {} ms", node, ms(duration));
}

std::string Faults::take_long(std::uint16_t node, Dice& dice) {
  const nanoseconds duration = dice.chance(kLongTurnPercent) ? dice.between(300ms, 1500ms) : dice.between(5ms, 300ms);
  cluster_.occupy(node, duration);
  return fmt::format("a turn of node-{} takes {} ms", node, ms(duration));
}

std::string Faults::cut(Place one, Place other, nanoseconds max, Dice& dice) {
  const bool is_one_way = dice.chance(kOneWayPercent);
  const nanoseconds duration = dice.between(20ms, max);
  Network& network = cluster_.network();
  network.cut(one, other);
  if (!is_one_way) network.cut(other, one);
  later(duration, [&network, one, other] {
    network.heal(one, other);
    network.heal(other, one);
  });
  return fmt::format("{} to {} is cut{} for {} ms", name_of(one), name_of(other), is_one_way ? "" : ", and back,",
                     ms(duration));
}

std::string Faults::break_streams(std::uint16_t one, std::uint16_t other) {
  cluster_.network().break_streams(one, other);
  return fmt::format("the streams between node-{} and node-{} break", one, other);
}

std::string Faults::slow_network(Dice& dice) {
  const nanoseconds duration = dice.between(50ms, 2s);
  const auto times = static_cast<std::int64_t>(2 + dice.draw(40));
  cluster_.network().set_slowness(times);
  later(duration, [this] { cluster_.network().set_slowness(1); });
  return fmt::format("the network is {} times as slow for {} ms", times, ms(duration));
}

std::string Faults::slow_pair(std::uint16_t one, std::uint16_t other, Dice& dice) {
  const nanoseconds duration = dice.between(50ms, 5s);
  const auto times = static_cast<std::int64_t>(10 + dice.draw(200));
  cluster_.network().set_slowness(one, other, times);
  later(duration, [this, one, other] { cluster_.network().set_slowness(one, other, 1); });
  return fmt::format("the network between node-{} and node-{} is {} times as slow for {} ms", one, other, times,
                     ms(duration));
}

std::string Faults::vanish(std::uint16_t one, Dice& dice) {
  const Place other = dice.chance(50) ? draw_client(dice) : Place{draw_other(one, dice)};
  const bool is_reverse = dice.chance(50);
  cluster_.network().vanish(is_reverse ? other : one, is_reverse ? one : other);
  return fmt::format("the streams between {} and {} end for {} only", name_of(one), name_of(other),
                     name_of(is_reverse ? other : one));
}

std::string Faults::storm(Dice& dice) {
  const std::uint64_t times = 3 + dice.draw(12);
  nanoseconds at{0};
  for (std::uint64_t i = 0; i < times; ++i) {
    later(at, [this] { cluster_.network().break_all(); });
    at += dice.between(1ms, 150ms);
  }
  return fmt::format("all streams break {} times within {} ms", times, ms(at));
}

std::string Faults::slow_disk(Dice& dice) {
  const nanoseconds duration = dice.between(50ms, 3s);
  const auto times = static_cast<std::int64_t>(2 + dice.draw(60));
  cluster_.disk().set_slowness(times);
  later(duration, [this] { cluster_.disk().set_slowness(1); });
  return fmt::format("the disk is {} times as slow for {} ms", times, ms(duration));
}

std::string Faults::fill_disk(Dice& dice) {
  const nanoseconds duration = dice.between(20ms, 3s);
  cluster_.disk().set_full(true);
  later(duration, [this] { cluster_.disk().set_full(false); });
  return fmt::format("the disk is full for {} ms", ms(duration));
}

std::string Faults::fail_write() {
  cluster_.disk().set_failing(true);
  return "the next write fails";
}

std::string Faults::die_in_write(Dice& dice) {
  const std::uint64_t calls = 1 + dice.draw(kCallsUntilDeathMax);
  cluster_.disk().set_death(calls);
  return fmt::format("a process dies at file call {} from now on", calls);
}

/// The first to write after the end of all processes is one that opens the store.
std::string Faults::fail_opening(Dice& dice) {
  const std::string what = dice.chance(50) ? cut_power(dice) : crash_supervisor({}, dice);
  if (dice.chance(50)) return fmt::format("{}; then {}", what, die_in_write(dice));
  cluster_.disk().set_failing(true);
  return what + "; then a write or sync fails";
}

std::string Faults::jump_clock(std::uint16_t node, Dice& dice) {
  const nanoseconds by = dice.between(0s, 7200s) - 3600s;
  cluster_.jump_clock(node, by);
  return fmt::format("the wall clock of node-{} jumps by {} ms", node, ms(by));
}

std::string Faults::crash_supervisor(Survival nodes, Dice& dice) {
  const nanoseconds delay = dice.between(10ms, 1s);
  cluster_.crash_supervisor(delay, nodes);
  unanswered_.clear();
  if (nodes.max.count() > 0) later(delay + kNewNodesAfter, [this] { move_client(); });
  return fmt::format("the supervisor dies and is back after {} ms; its nodes live on for up to {} ms", ms(delay),
                     ms(nodes.max));
}

/// What they were about to write when they stopped, they write when others have long had their shards.
std::string Faults::stand_still(std::uint16_t node, Dice& dice) {
  const nanoseconds duration = dice.between(2s, 7s);
  std::string names;
  for (std::uint16_t one = 1; one <= nodes_; ++one) {
    if (one != node && !dice.chance(kStandstillPercent)) continue;
    cluster_.stop_machine(one, duration);
    names += (names.empty() ? "" : " and ") + name_of(one);
  }
  return fmt::format("{} with {} clocks stop for {} ms; {}", names, names.contains(" and ") ? "their" : "its",
                     ms(duration), crash_supervisor({.min = duration, .max = duration + 1s}, dice));
}

std::string Faults::pause_in_tick(std::uint16_t node, Dice& dice) {
  const nanoseconds duration = dice.between(cluster_.lease()->timeout / 2, kStoppedMax);
  cluster_.pause_in_tick(node, duration);
  return fmt::format("node-{} pauses in a tick for {} ms", node, ms(duration));
}

/// At best when the newest renewal has been answered late.
std::string Faults::lose_machine(Dice& dice) {
  const bool is_slow = dice.chance(50);
  const nanoseconds delay = is_slow ? dice.between(1s, 3s) : 1ms;
  if (is_slow) cluster_.coordination().set_slowness(cluster_.lease()->timeout / 4 * 3);
  later(delay, [this, dice]() mutable { lose_machine_now(dice); });
  return fmt::format("{}the machine loses its supervisor in {} ms", is_slow ? "the service answers slowly; " : "",
                     ms(delay));
}

/// Its nodes do not notice, and some stand still in the middle of a tick until others have their shards.
void Faults::lose_machine_now(Dice& dice) {
  cluster_.coordination().set_slowness(0s);
  if (is_over_) return;
  const nanoseconds timeout = cluster_.lease()->timeout;
  for (std::uint16_t one = 1; one <= nodes_; ++one)
    if (dice.chance(kStandstillPercent)) cluster_.pause_in_tick(one, dice.between(timeout, kStoppedMax));
  const nanoseconds uncounted = dice.between(0s, longest_pause(*cluster_.lease()));
  const nanoseconds back_after = dice.between(10ms, 200ms);
  cluster_.lose_machine(back_after, uncounted, {.min = kStoppedMax, .max = kStoppedMax + 500ms});
  unanswered_.clear();
  for (const nanoseconds after : {kNewNodesAfter, 2 * kNewNodesAfter, 4 * kNewNodesAfter})
    later(timeout + after, [this] { move_client(); });
}

std::string Faults::lose_service(Dice& dice) {
  const nanoseconds duration = dice.between(50ms, 2 * cluster_.lease()->timeout);
  cluster_.coordination().set_away(true);
  later(duration, [this] { cluster_.coordination().set_away(false); });
  return fmt::format("the coordination service is away for {} ms", ms(duration));
}

std::string Faults::slow_service(Dice& dice) {
  const nanoseconds duration = dice.between(500ms, 5s);
  const nanoseconds answer_delay_max = dice.between(10ms, cluster_.lease()->timeout);
  cluster_.coordination().set_slowness(answer_delay_max);
  later(duration, [this] { cluster_.coordination().set_slowness(0s); });
  return fmt::format("the coordination service answers up to {} ms late for {} ms", ms(answer_delay_max), ms(duration));
}

/// To the new nodes, while others may still talk to those that should be gone.
void Faults::move_client() {
  for (std::uint16_t node = 1; node <= nodes_; ++node) cluster_.network().break_streams(kFirstClientPlace, node);
}

std::string Faults::cut_power(Dice& dice) {
  const nanoseconds delay = dice.between(10ms, 1s);
  cluster_.cut_power(delay);
  unanswered_.clear();
  return fmt::format("the power is cut for {} ms", ms(delay));
}

std::string Faults::reshard(Dice& dice) {
  const nanoseconds delay = dice.between(10ms, 1s);
  const auto shard_count = static_cast<std::uint32_t>(1 + dice.draw(kShardsMax));
  cluster_.reshard(shard_count, delay);
  unanswered_.clear();
  return fmt::format("the fabric dies and is back after {} ms, with {} shards", ms(delay), shard_count);
}

std::string Faults::drain(std::uint16_t node, Dice& dice) {
  ask("drain", fmt::format(R"({{"node":"node-{}"}})", node));
  const nanoseconds duration = dice.between(200ms, 4s);
  later(duration, [this] { want_all_nodes(); });
  return fmt::format("node-{} is drained, and wanted again after {} ms", node, ms(duration));
}

std::string Faults::crash_leaving(std::uint16_t node, Dice& dice) {
  const nanoseconds delay = dice.between(1ms, kLeavingMax);
  later(delay, [this, node] { cluster_.crash(node); });
  return fmt::format("{}; it crashes after {} ms", drain(node, dice), ms(delay));
}

std::string Faults::scale(Dice& dice) {
  const auto count = static_cast<std::uint16_t>(1 + dice.draw(nodes_ + kMoreNodes));
  ask("scale", fmt::format(R"({{"nodes":{}}})", count));
  const nanoseconds duration = dice.between(200ms, 4s);
  later(duration, [this] { want_all_nodes(); });
  return fmt::format("{} nodes are wanted for {} ms", count, ms(duration));
}

/// In the end, until it is so: a restart under way refuses it, a dead supervisor does not hear it.
void Faults::want_all_nodes() {
  const auto again = [this] {
    if (is_over_) later(kAskAgainAfter, [this] { want_all_nodes(); });
  };
  if (cluster_.find_supervisor() == nullptr) return again();
  ask("scale", fmt::format(R"({{"nodes":{}}})", nodes_), [again](bool is_done) {
    if (!is_done) again();
  });
}

std::string Faults::restart_rolling() {
  ask("restart", R"({"rolling":true})");
  return "a rolling restart begins";
}

std::string Faults::restart_at_once(Dice& dice) {
  const bool is_bad = dice.chance(kBadModulePercent);
  if (is_bad) cluster_.spoil_next_module();
  ask("restart", R"({"rolling":false})");
  return fmt::format("all nodes restart at once, with a module that {} be loaded", is_bad ? "cannot" : "can");
}

std::string Faults::reject_module() {
  cluster_.spoil_next_module();
  ask("restart", R"({"rolling":true})");
  return "a rolling restart begins with a module that cannot be loaded";
}

}  // namespace epic::cluster::sim
