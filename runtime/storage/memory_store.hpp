#pragma once
// MemoryStore: the Store's semantics without a disk, for tests, the simulator and fabrics that are thrown away.
//
// One object is the store of as many kernels as hold a reference to it, on any threads: what is the database file to
// SqliteStore is the object here. It is as durable as its process.

#include <map>
#include <mutex>
#include <utility>

#include "storage/store.hpp"

namespace epic::storage {

class MemoryStore final : public Store {
 public:
  MemoryStore(std::uint16_t shard_count, WallClock wall_clock);

  [[nodiscard]] std::expected<std::vector<ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                        kernel::NodeId node,
                                                                        kernel::Incarnation incarnation) override;
  [[nodiscard]] std::expected<void, StoreError> commit_next(const NextBatch& next) override;
  [[nodiscard]] std::expected<std::optional<Snapshot>, StoreError> load(std::string_view type,
                                                                        std::string_view key) override;
  [[nodiscard]] std::expected<std::optional<std::string>, StoreError> schema(kernel::SchemaId id) override;
  [[nodiscard]] std::expected<void, StoreError> list(const ListFilter& filter,
                                                     const std::function<Visit(const Snapshot&)>& visit,
                                                     const std::function<void(const StoreError&)>& on_corrupt) override;
  [[nodiscard]] std::expected<std::vector<TypeCount>, StoreError> count_by_type() override;
  [[nodiscard]] std::expected<std::vector<ShardRow>, StoreError> shards() override;
  [[nodiscard]] StoreIdentity identity() const override;

 private:
  using Name = std::pair<std::string, std::string>;  // type, key

  /// The next snapshots at or after `from`; the visitor runs without the mutex.
  std::vector<Snapshot> copy_page(const Name& from, const ListFilter& filter);

  std::mutex mutex_;
  const std::uint16_t shard_count_;
  const WallClock wall_clock_;
  std::map<kernel::ShardId, ShardRow> shards_;
  std::map<kernel::SchemaId, std::string> schemas_;
  std::map<Name, Snapshot> snapshots_;
};

}  // namespace epic::storage
