#include "protocol/map_change.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "kernel/assert.hpp"

namespace epic::protocol {

namespace {

using kernel::MapVersion;
using kernel::NodeId;
using kernel::ShardId;
using kernel::ShardMap;
using Member = ShardMap::Member;

/// An empty list of a map says that every shard was granted by all of them.
MapVersion since_of(const ShardMap& map, std::size_t shard) {
  return shard < map.owned_since.size() ? map.owned_since[shard] : MapVersion{};
}

void add_shards(const ShardMap& from, const ShardMap& to, MapChange& change) {
  const bool is_whole = from.owners.empty();
  EPIC_ASSERT(is_whole || from.owners.size() == to.owners.size(), "the maps have {} and {} shards", from.owners.size(),
              to.owners.size());
  std::vector<MapVersion> since;
  for (std::uint32_t shard = 0; shard < to.owners.size(); ++shard) {
    if (!is_whole && from.owners[shard] == to.owners[shard] && since_of(from, shard) == since_of(to, shard)) continue;
    if (!is_whole) change.shards.push_back(ShardId{shard});
    change.owners.push_back(to.owners[shard]);
    since.push_back(since_of(to, shard));
  }
  const auto age_of = [&](MapVersion granted) { return to.version.value - granted.value; };
  if (std::ranges::all_of(since, [&](MapVersion granted) {
        return granted <= to.version && age_of(granted) <= std::numeric_limits<std::uint32_t>::max();
      }))
    std::ranges::transform(since, std::back_inserter(change.ages),
                           [&](MapVersion granted) { return static_cast<std::uint32_t>(age_of(granted)); });
  else
    change.owned_since = std::move(since);
}

std::size_t count_shared(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

bool names_machine(const Member& member) { return !member.machine.empty() || !member.host.empty() || member.port != 0; }

void add_machines(const std::vector<Member>& joined, MapChange& change) {
  if (std::ranges::none_of(joined, names_machine)) return;
  std::map<std::pair<std::string_view, std::string_view>, std::uint16_t> places;
  for (const Member& member : joined) {
    const auto [place, is_new] =
        places.emplace(std::pair(std::string_view(member.machine), std::string_view(member.host)),
                       static_cast<std::uint16_t>(change.machines.size()));
    if (is_new) change.machines.push_back({member.machine, member.host});
    change.machine_of.push_back(place->second);
    change.ports.push_back(member.port);
  }
}

void add_members(const ShardMap& from, const ShardMap& to, MapChange& change) {
  std::vector<Member> joined;
  std::ranges::set_difference(to.members, from.members, std::back_inserter(joined),
                              [](const Member& a, const Member& b) {
                                return std::tie(a.node, a.incarnation, a.address, a.machine, a.host, a.port) <
                                       std::tie(b.node, b.incarnation, b.address, b.machine, b.host, b.port);
                              });
  std::string_view start = joined.empty() ? std::string_view() : joined.front().address;
  for (const Member& member : joined) start = start.substr(0, count_shared(start, member.address));
  change.address_start = start;
  for (const Member& member : joined) {
    change.joined.push_back(member.node);
    change.incarnations.push_back(member.incarnation);
    change.address_ends.push_back(member.address.substr(start.size()));
  }
  add_machines(joined, change);
  for (const Member& member : from.members)
    if (!std::ranges::binary_search(to.members, member.node, {}, &Member::node)) change.left.push_back(member.node);
}

/// Why the lists do not belong together; empty: they do.
std::string find_fault(const ShardMap& map, const MapChange& change) {
  const bool is_whole = change.base == MapVersion{};
  if (!is_whole && (change.base != map.version || change.shard_count != map.owners.size()))
    return fmt::format("it changes the map {} of {} shards, not {} of {}", change.base, change.shard_count, map.version,
                       map.owners.size());
  const std::size_t shards = is_whole ? change.shard_count : change.shards.size();
  const std::size_t grants = std::max(change.ages.size(), change.owned_since.size());
  const auto is_outside = [&](ShardId shard) { return shard.value >= change.shard_count; };
  const std::size_t placed = change.machines.empty() ? 0 : change.joined.size();
  const auto is_no_machine = [&](std::uint16_t place) { return place >= change.machines.size(); };
  if (change.version <= change.base || change.owners.size() != shards || grants != shards ||
      (is_whole && !change.shards.empty()) || change.incarnations.size() != change.joined.size() ||
      change.address_ends.size() != change.joined.size() || change.machine_of.size() != placed ||
      change.ports.size() != placed || std::ranges::any_of(change.machine_of, is_no_machine) ||
      std::ranges::any_of(change.shards, is_outside) || std::ranges::any_of(change.moving, is_outside) ||
      std::ranges::any_of(change.orphaned, is_outside))
    return "its lists do not belong together";
  return {};
}

void change_members(const MapChange& change, std::vector<Member>& members) {
  std::vector<Member> joined;
  for (std::size_t i = 0; i < change.joined.size(); ++i) {
    joined.push_back({change.joined[i], change.incarnations[i], change.address_start + change.address_ends[i]});
    if (change.machines.empty()) continue;
    const auto& [machine, host] = change.machines[change.machine_of[i]];
    joined.back().machine = machine;
    joined.back().host = host;
    joined.back().port = change.ports[i];
  }
  std::erase_if(members, [&](const Member& member) {
    return std::ranges::binary_search(change.left, member.node) ||
           std::ranges::binary_search(change.joined, member.node);
  });
  std::vector<Member> all;
  all.reserve(members.size() + joined.size());
  std::ranges::merge(std::make_move_iterator(members.begin()), std::make_move_iterator(members.end()),
                     std::make_move_iterator(joined.begin()), std::make_move_iterator(joined.end()),
                     std::back_inserter(all), {}, &Member::node, &Member::node);
  members = std::move(all);
}

}  // namespace

MapChange make_map_change(const ShardMap& from, const ShardMap& to) {
  MapChange change{.base = from.version,
                   .version = to.version,
                   .shard_count = static_cast<std::uint32_t>(to.owners.size()),
                   .moving = to.moving};
  add_shards(from, to, change);
  add_members(from, to, change);
  std::ranges::set_difference(to.orphaned, from.orphaned, std::back_inserter(change.orphaned));
  std::ranges::set_difference(from.orphaned, to.orphaned, std::back_inserter(change.orphaned_not));
  return change;
}

std::expected<ShardMap, std::string> apply_map_change(const ShardMap& to, const MapChange& change) {
  if (std::string fault = find_fault(to, change); !fault.empty()) return std::unexpected(std::move(fault));
  const bool is_whole = change.base == MapVersion{};
  ShardMap map = is_whole ? ShardMap{} : to;
  map.version = change.version;
  map.owners.resize(change.shard_count);
  map.owned_since.resize(change.shard_count);
  for (std::size_t i = 0; i < change.owners.size(); ++i) {
    const std::size_t shard = is_whole ? i : change.shards[i].value;
    map.owners[shard] = change.owners[i];
    map.owned_since[shard] =
        change.owned_since.empty() ? MapVersion{change.version.value - change.ages[i]} : change.owned_since[i];
  }
  change_members(change, map.members);
  map.moving = change.moving;
  std::vector<ShardId> orphaned;
  std::ranges::set_difference(map.orphaned, change.orphaned_not, std::back_inserter(orphaned));
  map.orphaned.clear();
  std::ranges::set_union(orphaned, change.orphaned, std::back_inserter(map.orphaned));
  return map;
}

std::optional<kernel::NodeId> find_owner(const MapChange& change, kernel::ShardId shard) {
  std::size_t at = shard.value;
  if (change.base != kernel::MapVersion{}) {
    const auto found = std::ranges::lower_bound(change.shards, shard);
    if (found == change.shards.end() || *found != shard) return std::nullopt;
    at = static_cast<std::size_t>(found - change.shards.begin());
  }
  return at < change.owners.size() ? change.owners[at] : kernel::NodeId{};
}

}  // namespace epic::protocol
