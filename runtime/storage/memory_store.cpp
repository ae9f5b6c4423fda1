#include "storage/memory_store.hpp"

#include <algorithm>

#include "kernel/assert.hpp"
#include "storage/batch_check.hpp"

namespace epic::storage {

namespace {
constexpr const char* kWhere = "the memory store";
}  // namespace

MemoryStore::MemoryStore(std::uint32_t shard_count, WallClock wall_clock, Granting granting)
    : shared_(std::make_shared<Shared>(shard_count, std::move(wall_clock), granting)) {
  EPIC_ASSERT(shard_count > 0, "a store needs a shard count");
}

Store::ShardRow& MemoryStore::row_of(kernel::ShardId shard) {
  EPIC_ASSERT(shard.value < shared_->shard_count, "shard {} of {}", shard, shared_->shard_count);
  return shared_->shards.try_emplace(shard, ShardRow{.shard = shard}).first->second;
}

std::expected<void, StoreError> MemoryStore::grant(const Grants& grants) {
  const std::scoped_lock lock(shared_->mutex);
  for (const Grant& grant : grants.list)
    if (const ShardRow& row = row_of(grant.shard); !may_grant(grant, grants.term, row))
      return std::unexpected(not_granted(grant, grants.term, row, kWhere));
  for (const Grant& grant : grants.list) {
    ShardRow& row = row_of(grant.shard);
    row = {.shard = grant.shard,
           .epoch = row.epoch,
           .node = grant.node,
           .incarnation = grant.incarnation,
           .map_version = grants.map_version,
           .term = grants.term};
  }
  return {};
}

std::expected<std::vector<ShardEpoch>, StoreError> MemoryStore::take(std::span<const kernel::ShardId> shards,
                                                                     kernel::NodeId node,
                                                                     kernel::Incarnation incarnation) {
  const std::scoped_lock lock(shared_->mutex);
  for (const kernel::ShardId shard : shards) {
    ShardRow& row = row_of(shard);
    if (shared_->granting == Granting::implied) {
      row.node = node;
      row.incarnation = incarnation;
    } else if (row.node != node || row.incarnation != incarnation) {
      return std::unexpected(not_granted(node, incarnation, row, kWhere));
    }
  }
  std::vector<ShardEpoch> taken;
  taken.reserve(shards.size());
  for (const kernel::ShardId shard : shards) {
    ShardRow& row = row_of(shard);
    row.epoch = row.epoch.next();
    taken.push_back({shard, row.epoch});
  }
  return taken;
}

std::expected<void, StoreError> MemoryStore::write_next(const NextBatch& next) {
  const Batch& batch = next();
  check_batch(batch, shared_->shard_count);
  const std::scoped_lock lock(shared_->mutex);
  for (const ShardEpoch& held : batch.epochs)
    if (const ShardRow& row = row_of(held.shard); row.epoch != held.epoch || row.incarnation != batch.writer)
      return std::unexpected(lost_ownership(batch, held, row, kWhere));
  for (std::size_t i = 0; i < batch.operations.size(); ++i) {
    const kernel::Version found = version_of(batch.operations[i]);
    const auto replaces = std::visit([](const auto& change) { return change.replaces; }, batch.operations[i]);
    if (replaces && *replaces != found) return std::unexpected(conflict(batch, i, found, kWhere));
  }
  for (const SchemaText& schema : batch.schemas) shared_->schemas.try_emplace(schema.id, schema.text);
  for (const Operation& operation : batch.operations)
    std::visit([this](const auto& change) { apply(change); }, operation);
  return {};
}

kernel::Version MemoryStore::version_of(const Operation& operation) const {
  const auto name = std::visit([](const auto& change) { return Name{change.type, change.key}; }, operation);
  const auto found = shared_->snapshots.find(name);
  return found == shared_->snapshots.end() ? kernel::Version{0} : found->second.version;
}

void MemoryStore::apply(const PutSnapshot& put) {
  shared_->snapshots.insert_or_assign(Name{put.type, put.key}, Snapshot{.type = put.type,
                                                                        .key = put.key,
                                                                        .shard = put.shard,
                                                                        .version = put.version,
                                                                        .schema = put.schema,
                                                                        .saved_at = shared_->wall_clock(),
                                                                        .bytes = put.bytes});
}

void MemoryStore::apply(const EraseSnapshot& erase) {
  shared_->snapshots.erase(Name{erase.type, erase.key});
  kernel::Version& floor = shared_->version_floors[erase.shard];
  floor = std::max(floor, erase.version);
}

std::expected<std::optional<Snapshot>, StoreError> MemoryStore::load(std::string_view type, std::string_view key) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = snapshots().find(Name{type, key});
  if (found == snapshots().end()) return std::nullopt;
  return found->second;
}

std::expected<kernel::Version, StoreError> MemoryStore::version_floor(kernel::ShardId shard) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = shared_->version_floors.find(shard);
  return found == shared_->version_floors.end() ? kernel::Version{0} : found->second;
}

std::expected<std::optional<std::string>, StoreError> MemoryStore::schema(kernel::SchemaId id) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = shared_->schemas.find(id);
  if (found == shared_->schemas.end()) return std::nullopt;
  return found->second;
}

// Memory does not rot, so `on_corrupt` is never called.
std::expected<void, StoreError> MemoryStore::list(const ListFilter& filter,
                                                  const std::function<Visit(const Snapshot&)>& visit,
                                                  const std::function<void(const DamagedRow&)>&) {
  std::uint64_t left = filter.limit;
  Name from{filter.type, filter.type.empty() ? std::string() : filter.key_prefix};
  while (left > 0) {
    const std::vector<Snapshot> page = copy_page(from, filter);
    if (page.empty()) return {};
    for (const Snapshot& snapshot : page) {
      if (left-- == 0 || visit(snapshot) == Visit::stop) return {};
    }
    from = {page.back().type, page.back().key + '\0'};  // the smallest name after the last one
  }
  return {};
}

std::vector<Snapshot> MemoryStore::copy_page(const Name& from, const ListFilter& filter) {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<Snapshot> page;
  for (auto at = snapshots().lower_bound(from); at != snapshots().end() && page.size() < kPageRowsMax; ++at) {
    const Snapshot& snapshot = at->second;
    if (!filter.type.empty() && snapshot.type != filter.type) break;
    if (snapshot.key.starts_with(filter.key_prefix)) page.push_back(snapshot);
  }
  return page;
}

std::expected<void, StoreError> MemoryStore::begin_moment() {
  const std::scoped_lock lock(shared_->mutex);
  moment_ = std::make_unique<Snapshots>(shared_->snapshots);
  return {};
}

void MemoryStore::end_moment() { moment_.reset(); }

std::expected<std::vector<TypeCount>, StoreError> MemoryStore::count_by_type() {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<TypeCount> counts;
  for (const auto& [name, snapshot] : snapshots()) {
    if (counts.empty() || counts.back().type != name.first)
      counts.push_back({.type = name.first, .entities = 0, .bytes = 0});
    ++counts.back().entities;
    counts.back().bytes += snapshot.bytes.size();
  }
  return counts;
}

std::expected<std::vector<Store::ShardRow>, StoreError> MemoryStore::shards() {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<ShardRow> rows;
  for (const auto& [shard, row] : shared_->shards)
    if (row.incarnation != kernel::Incarnation{0}) rows.push_back(row);
  return rows;
}

StoreIdentity MemoryStore::identity() const { return {.format_version = 1, .shard_count = shared_->shard_count}; }

}  // namespace epic::storage
