#include "cluster/supervisor/fabric_trail.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <map>
#include <utility>

#include "wire/log_line.hpp"

namespace epic::cluster {

namespace json = boost::json;
using kernel::NodeId;
using kernel::ShardId;

namespace {

/// "shard 12 came from node-1"; of several only the one that is asked for is named.
std::string describe_move(const FabricTrail::Entry& entry, std::optional<ShardId> asked) {
  const std::string what = asked || entry.shards.size() == 1
                               ? fmt::format("shard {}", asked.value_or(entry.shards.front()))
                               : fmt::format("{} shards", entry.shards.size());
  return what + " came " + entry.why;
}

json::object to_json(const FabricTrail::Entry& entry, std::optional<ShardId> asked) {
  const std::string why = entry.shards.empty() ? entry.why : describe_move(entry, asked);
  json::object event{
      {"time", wire::format_time(entry.time)},
      {"node", entry.node},
      {"entity", nullptr},
      {"what", entry.what},
      {"why", why.empty() ? json::value(nullptr) : json::value(why)},
      {"version", nullptr},
      {"wall_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(entry.time.time_since_epoch()).count()},
      {"took_us", entry.took ? json::value(entry.took->count()) : json::value(nullptr)}};
  if (!entry.shards.empty()) {
    json::array shards;
    for (const ShardId shard : entry.shards) shards.emplace_back(shard.value);
    event["shards"] = std::move(shards);
  }
  return event;
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
  for (std::uint16_t i = 0; i < map.owners.size(); ++i) {
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

std::vector<json::object> FabricTrail::list(std::uint64_t number, std::optional<ShardId> shard) const {
  std::vector<json::object> events;
  for (const Entry& entry : entries_) {
    if (entry.number <= number) continue;
    if (shard && std::ranges::find(entry.shards, *shard) == entry.shards.end()) continue;
    events.push_back(to_json(entry, shard));
  }
  return events;
}

}  // namespace epic::cluster
