#include "storage/memory_store.hpp"

#include <fmt/format.h>

#include "kernel/assert.hpp"
#include "storage/batch_check.hpp"

namespace epic::storage {

namespace {
constexpr std::size_t kPageRowsMax = 256;
}

MemoryStore::MemoryStore(std::uint16_t shard_count, WallClock wall_clock)
    : shared_(std::make_shared<Shared>(shard_count, std::move(wall_clock))) {
  EPIC_ASSERT(shard_count > 0, "a store needs a shard count");
}

std::expected<std::vector<ShardEpoch>, StoreError> MemoryStore::take(std::span<const kernel::ShardId> shards,
                                                                     kernel::NodeId node,
                                                                     kernel::Incarnation incarnation) {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<ShardEpoch> taken;
  taken.reserve(shards.size());
  for (const kernel::ShardId shard : shards) {
    EPIC_ASSERT(shard.value < shared_->shard_count, "shard {} of {}", shard, shared_->shard_count);
    ShardRow& row = shared_->shards[shard];
    row = {.shard = shard, .epoch = row.epoch.next(), .node = node, .incarnation = incarnation};
    taken.push_back({shard, row.epoch});
  }
  return taken;
}

std::expected<void, StoreError> MemoryStore::write_next(const NextBatch& next) {
  const Batch& batch = next();
  check_batch(batch, shared_->shard_count);
  const std::scoped_lock lock(shared_->mutex);
  for (const ShardEpoch& held : batch.epochs) {
    const auto found = shared_->shards.find(held.shard);
    const ShardRow stored = found == shared_->shards.end() ? ShardRow{.shard = held.shard} : found->second;
    if (stored.epoch == held.epoch) continue;
    return std::unexpected(StoreError{
        StoreErrorCode::lost_ownership,
        fmt::format(
            "shard {} is at epoch {} in the memory store, owned by node-{} (incarnation {}); this batch was made "
            "under epoch {}. Nothing was written.",
            held.shard, stored.epoch, stored.node, stored.incarnation, held.epoch)});
  }
  for (const SchemaText& schema : batch.schemas) shared_->schemas.try_emplace(schema.id, schema.text);
  const auto saved_at = shared_->wall_clock();
  for (const Write& write : batch.writes) {
    Name name{write.type, write.key};
    if (!write.bytes) {
      shared_->snapshots.erase(name);
      continue;
    }
    shared_->snapshots.insert_or_assign(std::move(name), Snapshot{.type = write.type,
                                                                  .key = write.key,
                                                                  .shard = write.shard,
                                                                  .version = write.version,
                                                                  .schema = write.schema,
                                                                  .saved_at = saved_at,
                                                                  .bytes = *write.bytes});
  }
  return {};
}

std::expected<std::optional<Snapshot>, StoreError> MemoryStore::load(std::string_view type, std::string_view key) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = snapshots().find(Name{type, key});
  if (found == snapshots().end()) return std::nullopt;
  return found->second;
}

std::expected<std::optional<std::string>, StoreError> MemoryStore::schema(kernel::SchemaId id) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = shared_->schemas.find(id);
  if (found == shared_->schemas.end()) return std::nullopt;
  return found->second;
}

// Memory does not rot, so `on_corrupt` has nothing to hear.
std::expected<void, StoreError> MemoryStore::list(const ListFilter& filter,
                                                  const std::function<Visit(const Snapshot&)>& visit,
                                                  const std::function<void(const StoreError&)>&) {
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
  for (const auto& [shard, row] : shared_->shards) rows.push_back(row);
  return rows;
}

StoreIdentity MemoryStore::identity() const { return {.format_version = 1, .shard_count = shared_->shard_count}; }

}  // namespace epic::storage
