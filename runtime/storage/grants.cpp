#include "storage/grants.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "reflect/try.hpp"

namespace epic::storage {

using kernel::Incarnation;
using kernel::NodeId;
using kernel::ShardId;

namespace {

StoreError replaced_by(const Store::ShardRow& row, kernel::Term term) {
  return {StoreErrorCode::not_granted,
          fmt::format("another supervisor leads: shard {} is granted to node-{} under term {}, and this one has term "
                      "{}. Nothing was written. Does another fabric use this store?",
                      row.shard, row.node, row.term, term)};
}

}  // namespace

std::expected<Granter, StoreError> Granter::lead(Store& store, kernel::Term term, const std::vector<Incarnation>& alive,
                                                 TermRule rule) {
  const auto rows = EPIC_TRY(store.shards());
  Granter granter;
  granter.term_ = term;
  granter.know(rows, store.identity().placement.shard_count());
  for (const Store::ShardRow& row : rows) {
    if (rule == TermRule::exact && row.term >= term) return std::unexpected(replaced_by(row, term));
    granter.term_ = std::max(granter.term_, row.term.next());
    const bool is_alive = std::ranges::find(alive, row.incarnation) != alive.end();
    if (row.node != NodeId{0} && !is_alive) granter.orphans_.push_back(row.shard);
  }
  return granter;
}

std::expected<void, StoreError> Granter::go_on(Store& store) {
  const auto rows = EPIC_TRY(store.shards());
  for (const Store::ShardRow& row : rows)
    if (row.term > term_) return std::unexpected(replaced_by(row, term_));
  know(rows, store.identity().placement.shard_count());
  return {};
}

/// What they name may have been written under an earlier map, or under one that is to be repeated.
void Granter::know(std::span<const Store::ShardRow> rows, std::uint32_t shard_count) {
  holders_.assign(shard_count, {});
  for (const Store::ShardRow& row : rows)
    if (row.shard.value < shard_count) holders_[row.shard.value].incarnation = row.incarnation;
}

std::expected<void, StoreError> Granter::write(Store& store, const kernel::ShardMap& map) {
  std::unordered_map<std::uint16_t, Incarnation> members;
  for (const kernel::ShardMap::Member& member : map.members) members.emplace(member.node.value, member.incarnation);
  Grants grants{.term = term_, .map_version = map.version, .list = {}};
  for (std::uint32_t shard = 0; shard < map.owners.size(); ++shard) {
    const auto owner = members.find(map.owners[shard].value);
    if (owner == members.end()) continue;
    const Holder& holder = holders_[shard];
    const kernel::MapVersion since = map.owned_since.empty() ? map.version : map.owned_since[shard];
    if (holder.incarnation == owner->second && holder.since >= since) continue;
    grants.list.push_back({ShardId{shard}, map.owners[shard], owner->second, holder.incarnation});
  }
  if (grants.list.empty()) return {};
  EPIC_TRY(store.grant(grants));
  for (const Grant& grant : grants.list) holders_[grant.shard.value] = {grant.incarnation, map.version};
  return {};
}

std::expected<void, StoreError> Granter::give_back(Store& store, const std::vector<ShardId>& orphans) {
  Grants grants{.term = term_, .map_version = {}, .list = {}};
  for (std::uint32_t shard = 0; shard < holders_.size(); ++shard)
    if (const Incarnation holder = holders_[shard].incarnation;
        holder != Incarnation{0} && std::ranges::find(orphans, ShardId{shard}) == orphans.end())
      grants.list.push_back({ShardId{shard}, NodeId{0}, Incarnation{0}, holder});
  if (grants.list.empty()) return {};
  EPIC_TRY(store.grant(grants));
  for (const Grant& grant : grants.list) holders_[grant.shard.value] = {};
  return {};
}

std::expected<std::vector<ShardEpoch>, StoreError> take_all(Store& store, Incarnation incarnation) {
  const std::uint32_t shard_count = store.identity().placement.shard_count();
  kernel::ShardMap map{.version = kernel::MapVersion{1},
                       .owners = std::vector(shard_count, NodeId{0}),
                       .members = {{NodeId{0}, incarnation, {}}},
                       .moving = {},
                       .owned_since = std::vector(shard_count, kernel::MapVersion{1})};
  auto granter = EPIC_TRY(Granter::lead(store, kernel::Term{1}));
  EPIC_TRY(granter.write(store, map));
  std::vector<ShardId> shards;
  for (std::uint32_t shard = 0; shard < shard_count; ++shard) shards.push_back(ShardId{shard});
  return store.take(shards, NodeId{0}, incarnation);
}

}  // namespace epic::storage
