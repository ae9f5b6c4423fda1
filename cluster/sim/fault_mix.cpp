#include "cluster/sim/fault_mix.hpp"

#include <array>
#include <random>
#include <utility>

namespace epic::cluster::sim {

namespace {

constexpr std::uint64_t kScheduleStream = 0x5ced'0000'0000'0001;  // not the world's numbers from the same seed

constexpr std::array kKinds = {
    std::pair(FaultKind::crash, &FaultMix::crash),
    std::pair(FaultKind::crash_two, &FaultMix::crash_two),
    std::pair(FaultKind::pause, &FaultMix::pause),
    std::pair(FaultKind::cut, &FaultMix::cut),
    std::pair(FaultKind::cut_client, &FaultMix::cut_client),
    std::pair(FaultKind::break_streams, &FaultMix::break_streams),
    std::pair(FaultKind::slow_network, &FaultMix::slow_network),
    std::pair(FaultKind::full_disk, &FaultMix::full_disk),
    std::pair(FaultKind::failed_write, &FaultMix::failed_write),
    std::pair(FaultKind::clock_jump, &FaultMix::clock_jump),
    std::pair(FaultKind::crash_supervisor, &FaultMix::crash_supervisor),
    std::pair(FaultKind::orphan_nodes, &FaultMix::orphan_nodes),
    std::pair(FaultKind::cut_power, &FaultMix::cut_power),
    std::pair(FaultKind::drain, &FaultMix::drain),
    std::pair(FaultKind::restart_rolling, &FaultMix::restart_rolling),
    std::pair(FaultKind::slow_pair, &FaultMix::slow_pair),
    std::pair(FaultKind::half_open, &FaultMix::half_open),
    std::pair(FaultKind::reconnect_storm, &FaultMix::reconnect_storm),
    std::pair(FaultKind::slow_disk, &FaultMix::slow_disk),
    std::pair(FaultKind::death_in_write, &FaultMix::death_in_write),
    std::pair(FaultKind::long_turn, &FaultMix::long_turn),
    std::pair(FaultKind::scale, &FaultMix::scale),
    std::pair(FaultKind::restart_at_once, &FaultMix::restart_at_once),
    std::pair(FaultKind::rejected_module, &FaultMix::rejected_module),
    std::pair(FaultKind::crash_leaving, &FaultMix::crash_leaving),
    std::pair(FaultKind::failed_open, &FaultMix::failed_open),
    std::pair(FaultKind::standstill, &FaultMix::standstill),
    std::pair(FaultKind::pause_in_tick, &FaultMix::pause_in_tick),
    std::pair(FaultKind::lose_machine, &FaultMix::lose_machine),
    std::pair(FaultKind::lose_service, &FaultMix::lose_service),
    std::pair(FaultKind::slow_service, &FaultMix::slow_service),
    std::pair(FaultKind::resharding, &FaultMix::resharding),
    std::pair(FaultKind::crash_machine, &FaultMix::crash_machine),
    std::pair(FaultKind::crash_leader, &FaultMix::crash_leader),
    std::pair(FaultKind::pause_machine, &FaultMix::pause_machine),
    std::pair(FaultKind::cut_machines, &FaultMix::cut_machines),
    std::pair(FaultKind::break_links, &FaultMix::break_links),
    std::pair(FaultKind::lose_contact, &FaultMix::lose_contact),
    std::pair(FaultKind::stop_machine, &FaultMix::stop_machine),
    std::pair(FaultKind::lose_database, &FaultMix::lose_database),
    std::pair(FaultKind::break_commits, &FaultMix::break_commits),
    std::pair(FaultKind::part_machines, &FaultMix::part_machines),
};
static_assert(kKinds.size() * sizeof(std::uint32_t) == sizeof(FaultMix), "a weight without a kind is never drawn");

FaultKind draw_kind(const FaultMix& mix, std::uint64_t drawn) {
  std::size_t chosen = 0;
  while (drawn >= mix.*kKinds[chosen].second) drawn -= mix.*kKinds[chosen++].second;
  return kKinds[chosen].first;
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
          .restart_rolling = 2,
          .slow_pair = 2,
          .half_open = 0,
          .reconnect_storm = 0,
          .slow_disk = 1,
          .death_in_write = 0,
          .long_turn = 1,
          .scale = 2,
          .restart_at_once = 0,
          .rejected_module = 1,
          .crash_leaving = 0,
          .failed_open = 0,
          .standstill = 0,
          .pause_in_tick = 0,
          .lose_machine = 0,
          .lose_service = 0,
          .slow_service = 0,
          .resharding = 0};
}

FaultMix FaultMix::machines() {
  return {.crash = 3,
          .crash_two = 1,
          .pause = 2,
          .cut = 2,
          .cut_client = 1,
          .break_streams = 2,
          .slow_network = 1,
          .full_disk = 0,
          .failed_write = 0,
          .clock_jump = 0,
          .crash_supervisor = 0,
          .cut_power = 0,
          .drain = 0,
          .restart_rolling = 2,
          .slow_pair = 1,
          .half_open = 1,
          .reconnect_storm = 1,
          .slow_disk = 2,
          .death_in_write = 0,
          .long_turn = 1,
          .scale = 0,
          .restart_at_once = 1,
          .rejected_module = 1,
          .crash_leaving = 0,
          .failed_open = 0,
          .pause_in_tick = 3,
          .lose_service = 3,
          .slow_service = 3,
          .crash_machine = 6,
          .crash_leader = 6,
          .pause_machine = 8,
          .cut_machines = 6,
          .break_links = 4,
          .lose_contact = 8,
          .stop_machine = 2,
          .lose_database = 3,
          .break_commits = 4,
          .part_machines = 4};
}

std::vector<Fault> draw_schedule(std::uint64_t seed, const FaultMix& mix, const ScheduleOptions& options) {
  std::uint64_t weights = 0;
  for (const auto& [kind, weight] : kKinds) weights += mix.*weight;
  std::vector<Fault> schedule;
  if (weights == 0) return schedule;
  std::mt19937_64 random(seed ^ kScheduleStream);
  const auto pause_max = static_cast<std::uint64_t>(2 * options.every.count());
  nanoseconds at{0};
  while (true) {
    at += nanoseconds(1 + static_cast<std::int64_t>(random() % pause_max));
    if (at >= options.duration && schedule.size() >= options.count_min) return schedule;
    const FaultKind kind = draw_kind(mix, random() % weights);
    schedule.push_back({.number = schedule.size(), .at = at, .kind = kind, .chance = random()});
  }
}

}  // namespace epic::cluster::sim
