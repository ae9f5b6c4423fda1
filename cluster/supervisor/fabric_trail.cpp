#include "cluster/supervisor/fabric_trail.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "protocol/log_line.hpp"

namespace epic::cluster {

namespace control = protocol::control;
using kernel::NodeId;
using kernel::ShardId;

namespace {

/// "shard 12 came from node-1"; of several, only the requested one is named.
std::string describe_move(const FabricTrail::Entry& entry, std::optional<ShardId> asked) {
  const std::string what = asked || entry.shards.size() == 1
                               ? fmt::format("shard {}", asked.value_or(entry.shards.front()))
                               : fmt::format("{} shards", entry.shards.size());
  return what + " came " + entry.why;
}

control::Events::Timed event_of(const FabricTrail::Entry& entry, std::optional<ShardId> asked) {
  control::Events::Answer event;
  event.time = protocol::format_time(entry.time);
  event.node = entry.node;
  event.what = entry.what;
  if (!entry.entity.empty()) event.entity = entry.entity;
  const std::string why = entry.shards.empty() ? entry.why : describe_move(entry, asked);
  if (!why.empty()) event.why = why;
  if (entry.took) event.took_us = entry.took->count();
  if (!entry.shards.empty()) {
    event.shards.emplace();
    for (const ShardId shard : entry.shards) event.shards->push_back(shard.value);
  }
  return {.wall_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(entry.time.time_since_epoch()).count(),
          .event = std::move(event)};
}

}  // namespace

void FabricTrail::add(Entry entry) {
  entry.number = ++newest_;
  entries_.push_back(std::move(entry));
  if (entries_.size() > kEntriesMax) entries_.pop_front();
}

void FabricTrail::on_map(const kernel::ShardMap& map, Time now) {
  owners_.resize(map.owners.size());
  std::map<std::pair<NodeId, NodeId>, std::vector<ShardId>> moves;  // from, to
  for (std::uint32_t i = 0; i < map.owners.size(); ++i) {
    if (map.owners[i] == NodeId{0} || map.owners[i] == owners_[i]) continue;
    moves[{owners_[i], map.owners[i]}].push_back(ShardId{i});
    owners_[i] = map.owners[i];
  }
  for (auto& [ends, shards] : moves)
    add({.time = now,
         .node = fmt::format("node-{}", ends.second),
         .what = "moved",
         .why = ends.first == NodeId{0} ? std::string("for the first time") : fmt::format("from node-{}", ends.first),
         .shards = std::move(shards)});
}

std::vector<protocol::FabricNotes::Event> FabricTrail::note() const {
  std::vector<protocol::FabricNotes::Event> noted;
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && noted.size() < kNotedMax; ++entry) {
    if (!entry->shards.empty()) continue;
    noted.push_back(
        {.wall_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(entry->time.time_since_epoch()).count(),
         .node = entry->node,
         .what = entry->what,
         .why = entry->why,
         .entity = entry->entity});
    if (entry->took) noted.back().took_us = entry->took->count();
  }
  std::ranges::reverse(noted);
  return noted;
}

void FabricTrail::go_on(const std::vector<protocol::FabricNotes::Event>& noted, std::vector<NodeId> owners) {
  owners_ = std::move(owners);
  for (const auto& event : noted) {
    Entry entry{.time = Time(std::chrono::duration_cast<Time::duration>(std::chrono::nanoseconds(event.wall_ns))),
                .node = event.node,
                .what = event.what,
                .why = event.why,
                .entity = event.entity};
    if (event.took_us) entry.took = std::chrono::microseconds(*event.took_us);
    add(std::move(entry));
  }
}

std::vector<control::Events::Timed> FabricTrail::list(std::uint64_t number, std::optional<ShardId> shard,
                                                      const std::string& entity) const {
  std::vector<control::Events::Timed> events;
  for (const Entry& entry : entries_) {
    if (entry.number <= number) continue;
    const bool is_about_entity = !entity.empty() && entry.entity == entity;
    if (shard && !is_about_entity && std::ranges::find(entry.shards, *shard) == entry.shards.end()) continue;
    events.push_back(event_of(entry, shard));
  }
  return events;
}

}  // namespace epic::cluster
