#include "cluster/supervisor/partitions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace epic::cluster {

void Partitions::report(const std::string& machine, std::vector<protocol::Unreached::Machine> unreached,
                        Host::TimePoint now) {
  if (unreached.empty())
    reports_.erase(machine);
  else
    reports_[machine] = {std::move(unreached), now};
}

std::vector<Partitions::Eviction> Partitions::decide(std::vector<ConnectedMachine> machines, Host::TimePoint now,
                                                     Leader leader) {
  const auto is_there = [&](const std::string& name) {
    return std::ranges::any_of(machines, [&](const ConnectedMachine& machine) { return machine.name == name; });
  };
  std::erase_if(reports_, [&](const auto& one) { return now - one.second.at > kReportMax || !is_there(one.first); });
  std::erase_if(evicted_, [&](const std::string& name) { return !is_there(name); });
  std::erase_if(machines, [&](const ConnectedMachine& machine) { return evicted_.contains(machine.name); });

  std::chrono::nanoseconds longest{0};
  std::vector<MachineCut> cuts;
  for (const auto& [name, report] : reports_)
    for (const auto& [other, silence] : report.unreached) {
      if (!is_there(other) || evicted_.contains(name) || evicted_.contains(other)) continue;
      longest = std::max(longest, silence);
      if (silence >= patience_ / 2) cuts.emplace_back(name, other);  // what comes with the first one counts at once
    }
  if (longest < patience_) return {};

  std::vector<ConnectedMachine> candidates = machines;
  const auto leading = std::ranges::find_if(machines, &ConnectedMachine::leads);
  if (leader == Leader::stays && leading != machines.end())
    for (const auto& [one, other] : cuts) {
      if (one == leading->name) std::erase_if(candidates, [&](const auto& machine) { return machine.name == other; });
      if (other == leading->name) std::erase_if(candidates, [&](const auto& machine) { return machine.name == one; });
    }
  const std::set<std::string> kept = find_connected(candidates, cuts);
  std::vector<Eviction> evictions;
  for (const ConnectedMachine& machine : machines) {
    if (kept.contains(machine.name)) continue;
    Eviction eviction{.machine = machine.name, .unreached = {}};
    for (const auto& [one, other] : cuts) {
      if (one == machine.name && kept.contains(other)) eviction.unreached.push_back(other);
      if (other == machine.name && kept.contains(one)) eviction.unreached.push_back(one);
    }
    std::ranges::sort(eviction.unreached);
    const auto again = std::ranges::unique(eviction.unreached);
    eviction.unreached.erase(again.begin(), again.end());
    evictions.push_back(std::move(eviction));
    evicted_.insert(machine.name);
  }
  return evictions;
}

std::string describe(const Partitions::Eviction& eviction) {
  return fmt::format("cannot reach {}", fmt::join(eviction.unreached, " and "));
}

}  // namespace epic::cluster
