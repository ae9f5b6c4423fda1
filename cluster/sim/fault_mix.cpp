#include "cluster/sim/fault_mix.hpp"

#include <fmt/format.h>

#include <array>
#include <functional>
#include <utility>

namespace epic::cluster::sim {

namespace {

using namespace std::chrono_literals;

constexpr nanoseconds kSurviveMax = 3s;
constexpr nanoseconds kNewNodesAfter = 300ms;  // most have started by then
constexpr std::uint32_t kLongPausePercent = 20;
constexpr std::uint32_t kOneWayPercent = 50;

std::int64_t ms(nanoseconds duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

FaultMix FaultMix::gentle() {
  return {.crash = 0,
          .crash_two = 0,
          .pause = 0,
          .cut = 0,
          .cut_client = 0,
          .break_streams = 0,
          .slow_network = 2,
          .full_disk = 0,
          .failed_write = 0,
          .clock_jump = 1,
          .crash_supervisor = 0,
          .orphan_nodes = 0,
          .cut_power = 0,
          .drain = 4,
          .restart_rolling = 2};
}

const std::string& Faults::strike() {
  const std::array<std::pair<std::uint32_t, std::function<std::string()>>, 15> all = {{
      {mix_.crash, [this] { return crash(draw_node()); }},
      {mix_.crash_two, [this] { return crash(draw_node()) + " and " + crash(draw_node()); }},
      {mix_.pause, [this] { return pause(); }},
      {mix_.cut, [this] { return cut(draw_node(), draw_node()); }},
      {mix_.cut_client,
       [this] { return cut(kFirstClientPlace + static_cast<Place>(world().draw(clients_)), draw_node()); }},
      {mix_.break_streams, [this] { return break_streams(); }},
      {mix_.slow_network, [this] { return slow_network(); }},
      {mix_.full_disk, [this] { return fill_disk(); }},
      {mix_.failed_write,
       [this] {
         cluster_.disk().set_failing(true);
         return std::string("the next write fails");
       }},
      {mix_.clock_jump,
       [this] {
         const std::uint16_t node = draw_node();
         const nanoseconds by = draw_between(0s, 7200s) - 3600s;
         cluster_.jump_clock(node, by);
         return fmt::format("the wall clock of node-{} jumps by {} ms", node, ms(by));
       }},
      {mix_.crash_supervisor, [this] { return crash_supervisor(0s); }},
      {mix_.orphan_nodes, [this] { return crash_supervisor(draw_between(1ms, kSurviveMax)); }},
      {mix_.cut_power, [this] { return cut_power(); }},
      {mix_.drain, [this] { return drain(); }},
      {mix_.restart_rolling,
       [this] {
         cluster_.request("restart", R"({"rolling":true})");
         return std::string("a rolling restart begins");
       }},
  }};
  std::uint64_t weights = 0;
  for (const auto& [weight, fault] : all) weights += weight;
  std::uint64_t drawn = world().draw(weights);
  std::size_t chosen = 0;
  while (drawn >= all[chosen].first) drawn -= all[chosen++].first;
  const double at_s = static_cast<double>(world().now_ns()) / 1e9;
  struck_.push_back(fmt::format("at {:.3f} s: {}", at_s, all[chosen].second()));
  return struck_.back();
}

void Faults::end() {
  cluster_.network().heal_all();
  cluster_.network().set_slowness(1);
  cluster_.disk().set_full(false);
  cluster_.disk().set_failing(false);
  for (std::uint16_t node = 1; node <= nodes_; ++node)
    if (SimNode* const paused = cluster_.find_node(node)) paused->go_on();
}

nanoseconds Faults::draw_between(nanoseconds min, nanoseconds max) {
  return min + nanoseconds(static_cast<std::int64_t>(world().draw(static_cast<std::uint64_t>((max - min).count()))));
}

void Faults::later(nanoseconds delay, std::function<void()> event) {
  world().after(delay, 0, fingerprint_of("fault ends"), std::move(event));
}

std::string Faults::crash(std::uint16_t node) {
  cluster_.crash(node);
  return fmt::format("node-{} crashes", node);
}

std::string Faults::pause() {
  const std::uint16_t node = draw_node();
  const nanoseconds duration = world().chance(kLongPausePercent) ? draw_between(5s, 8s) : draw_between(20ms, 3s);
  cluster_.pause(node, duration);
  return fmt::format("node-{} pauses for {} ms", node, ms(duration));
}

std::string Faults::cut(Place one, Place other) {
  const bool is_one_way = world().chance(kOneWayPercent);
  const nanoseconds duration = draw_between(20ms, 4s);
  Network& network = cluster_.network();
  network.cut(one, other);
  if (!is_one_way) network.cut(other, one);
  later(duration, [&network, one, other] {
    network.heal(one, other);
    network.heal(other, one);
  });
  return fmt::format("{} {} {} are cut for {} ms", one, is_one_way ? "to" : "and", other, ms(duration));
}

std::string Faults::break_streams() {
  const std::uint16_t one = draw_node();
  const std::uint16_t other = draw_node();
  cluster_.network().break_streams(one, other);
  return fmt::format("the streams between node-{} and node-{} break", one, other);
}

std::string Faults::slow_network() {
  const nanoseconds duration = draw_between(50ms, 2s);
  const auto times = static_cast<std::int64_t>(2 + world().draw(40));
  cluster_.network().set_slowness(times);
  later(duration, [this] { cluster_.network().set_slowness(1); });
  return fmt::format("the network is {} times as slow for {} ms", times, ms(duration));
}

std::string Faults::fill_disk() {
  const nanoseconds duration = draw_between(20ms, 3s);
  cluster_.disk().set_full(true);
  later(duration, [this] { cluster_.disk().set_full(false); });
  return fmt::format("the disk is full for {} ms", ms(duration));
}

std::string Faults::crash_supervisor(nanoseconds nodes_survive) {
  const nanoseconds delay = draw_between(10ms, 1s);
  cluster_.crash_supervisor(delay, nodes_survive);
  if (nodes_survive.count() > 0) later(delay + kNewNodesAfter, [this] { move_client(); });
  return fmt::format("the supervisor dies and is back after {} ms; its nodes live on for up to {} ms", ms(delay),
                     ms(nodes_survive));
}

/// To the new nodes, while others may still talk to those that should be gone.
void Faults::move_client() {
  for (std::uint16_t node = 1; node <= nodes_; ++node) cluster_.network().break_streams(kFirstClientPlace, node);
}

std::string Faults::cut_power() {
  const nanoseconds delay = draw_between(10ms, 1s);
  cluster_.cut_power(delay);
  return fmt::format("the power is cut for {} ms", ms(delay));
}

std::string Faults::drain() {
  const std::uint16_t node = draw_node();
  cluster_.request("drain", fmt::format(R"({{"node":"node-{}"}})", node));
  const nanoseconds duration = draw_between(200ms, 4s);
  later(duration, [this] { cluster_.request("scale", fmt::format(R"({{"nodes":{}}})", nodes_)); });
  return fmt::format("node-{} is drained, and wanted again after {} ms", node, ms(duration));
}

}  // namespace epic::cluster::sim
