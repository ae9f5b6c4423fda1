#pragma once
// Store: where snapshots are kept, and the fence that keeps a former owner from writing.
//
// A batch is committed as one transaction which first checks that every shard it touches is still at the epoch that the
// writer took it with. Shard epochs live in the store itself and are raised in the transaction that takes a shard, so a
// node that has lost a shard without knowing cannot write to it. What commit() returned is durable.
//
// Calls block, and are made by one thread at a time (but sync()); several processes open the same store.
// Implementations: sqlite_store.hpp (one database a fabric), memory_store.hpp (tests, throw-away fabrics).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/batch.hpp"
#include "kernel/ids.hpp"

namespace epic::storage {

enum class StoreErrorCode : std::uint8_t {
  lost_ownership,  // a shard of the batch is at a newer epoch: nothing was written
  full,            // no space: nothing was written, may be retried
  busy,            // another program keeps the store locked: nothing was written, may be retried
  io,              // unknown whether it was written: the caller must end the process
  corrupt,         // the row or file is not what was written
  incompatible,    // another format version, hash or shard count
  not_found,       // the file or directory does not exist
};

struct StoreError {
  StoreErrorCode code;
  std::string message;  // a sentence with the path and the way out
};

// What the kernel hands over, under the store's own name.
using kernel::Batch;
using kernel::SchemaText;
using kernel::ShardEpoch;
using kernel::Write;

/// The saved state of an entity.
struct Snapshot {
  std::string type;
  std::string key;
  kernel::ShardId shard;
  kernel::Version version;
  kernel::SchemaId schema;
  std::chrono::system_clock::time_point saved_at;
  std::vector<std::byte> bytes;
};

/// What the store was made with; a different answer refuses to open.
struct StoreIdentity {
  std::uint32_t format_version;
  std::uint16_t shard_count;
};

struct ListFilter {
  std::string type = {};        // empty: all
  std::string key_prefix = {};  // empty: all
  std::uint64_t limit = UINT64_MAX;
};

struct TypeCount {
  std::string type;
  std::uint64_t entities;
  std::uint64_t bytes;
};

struct SchemaCount {
  std::string type;
  kernel::SchemaId schema;
  std::uint64_t entities;
};

enum class Visit : std::uint8_t { go_on, stop };

/// Where `saved_at` comes from; the simulator hands in its own.
using WallClock = std::function<std::chrono::system_clock::time_point()>;

class Store {
 public:
  virtual ~Store() = default;

  /// Raises the epoch of each shard and records the owner, in one durable transaction. Returns the new epochs.
  [[nodiscard]] virtual std::expected<std::vector<ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                                kernel::NodeId node,
                                                                                kernel::Incarnation incarnation) = 0;

  /// Asked once, as late as can be: when it is this store's turn to write. What it returns must live until the end.
  using NextBatch = std::function<const Batch&()>;
  /// All or nothing. Others see it on return, but a power cut may take it back until sync() has returned.
  [[nodiscard]] virtual std::expected<void, StoreError> write_next(const NextBatch& next) = 0;
  /// Makes durable what write_next() had written before. Any thread, also while another has the store. After an error
  /// nobody knows what is durable: this and every later change is refused.
  [[nodiscard]] virtual std::expected<void, StoreError> sync() = 0;
  /// All or nothing, durable on return.
  [[nodiscard]] std::expected<void, StoreError> commit(const Batch& batch) {
    auto written = write_next([&]() -> const Batch& { return batch; });
    return written ? sync() : written;
  }

  /// Empty: never saved. `corrupt` concerns this entity only.
  [[nodiscard]] virtual std::expected<std::optional<Snapshot>, StoreError> load(std::string_view type,
                                                                                std::string_view key) = 0;

  [[nodiscard]] virtual std::expected<std::optional<std::string>, StoreError> schema(kernel::SchemaId id) = 0;

  /// Snapshots by type, then key, a bounded amount in memory at a time. The bytes are checked; a corrupt row, or one on
  /// a corrupt page, is reported through `on_corrupt` and passed over.
  [[nodiscard]] virtual std::expected<void, StoreError> list(
      const ListFilter& filter, const std::function<Visit(const Snapshot&)>& visit,
      const std::function<void(const StoreError&)>& on_corrupt) = 0;

  /// Everything that is read until end_moment() is of this one moment, however long that takes and whatever others
  /// write. A store on a disk keeps what they write in its log meanwhile, which grows by as much; one in memory copies
  /// itself. A store that writes must not.
  [[nodiscard]] virtual std::expected<void, StoreError> begin_moment() = 0;
  virtual void end_moment() = 0;

  /// Without bytes where a corrupt page keeps them from being counted.
  [[nodiscard]] virtual std::expected<std::vector<TypeCount>, StoreError> count_by_type() = 0;

  /// By type. Damaged snapshots count as well where that can be told without reading them.
  [[nodiscard]] virtual std::expected<std::vector<SchemaCount>, StoreError> count_by_schema();

  /// The epoch and last owner of every shard that was ever taken.
  struct ShardRow {
    kernel::ShardId shard;
    kernel::Epoch epoch = {};
    kernel::NodeId node = {};
    kernel::Incarnation incarnation = {};
  };
  [[nodiscard]] virtual std::expected<std::vector<ShardRow>, StoreError> shards() = 0;

  [[nodiscard]] virtual StoreIdentity identity() const = 0;

  /// Housekeeping that must not delay a commit, such as moving a log into the main file. A storage worker calls it
  /// when it is idle, and between two commits as soon as wants_maintenance() says so. An error is as serious as that of
  /// a commit.
  [[nodiscard]] virtual bool wants_maintenance() const { return false; }
  [[nodiscard]] virtual std::expected<void, StoreError> maintain() { return {}; }
};

}  // namespace epic::storage
