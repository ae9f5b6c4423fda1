#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/assert.hpp"
#include "storage/batch_check.hpp"
#include "storage/row_checksum.hpp"

namespace epic::storage {

namespace {

constexpr std::size_t kRowsRememberedMax = 65'536;

std::string name_of(const Write& write) { return write.type + '/' + write.key; }

std::int64_t to_nanoseconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::chrono::system_clock::time_point from_nanoseconds(std::int64_t nanoseconds) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(nanoseconds)));
}

// SQLite's integers are signed; the bits are kept.
std::int64_t to_signed(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t to_unsigned(std::int64_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

StoreError SqliteStore::note(StoreError error) {
  const std::lock_guard lock(failure_mutex_);
  if (error.code == StoreErrorCode::io && !failure_) failure_ = error;
  return error;
}

std::optional<StoreError> SqliteStore::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

std::expected<void, StoreError> SqliteStore::transact(const std::function<std::expected<void, StoreError>()>& body) {
  EPIC_ASSERT(writer_ != nullptr, "a store that was opened for reading is written");
  if (const auto failed = failure()) return std::unexpected(*failed);
  if (writer_->wal.must_checkpoint()) {
    if (auto made_room = maintain(); !made_room) return made_room;
  }
  auto hold = writer_->writers.lock();
  if (!hold) return std::unexpected(note(hold.error()));
  if (auto done = transact_locked(body); !done) return std::unexpected(note(done.error()));
  return {};
}

std::expected<void, StoreError> SqliteStore::sync() {
  if (const auto failed = failure()) return std::unexpected(*failed);
  if (auto synced = writer_->wal.sync(); !synced) return std::unexpected(note(synced.error()));
  return {};
}

std::expected<void, StoreError> SqliteStore::transact_locked(
    const std::function<std::expected<void, StoreError>()>& body) {
  if (auto begun = execute(statements_.begin, "begin a change"); !begun) return begun;
  auto done = body();
  if (done) done = execute(statements_.end, "commit a change");
  if (done) return {};
  if (!connection_.in_transaction()) return done;  // SQLite has already rolled it back
  if (auto abandoned = execute(statements_.abandon, "take back a change"); !abandoned) {
    abandoned.error().code = StoreErrorCode::io;
    return abandoned;
  }
  return done;
}

std::expected<void, StoreError> SqliteStore::execute(Statement& statement, std::string_view doing) {
  const ResetGuard guard(statement);
  if (statement.step() == Step::done) return {};
  return std::unexpected(connection_.error(doing));
}

std::expected<std::vector<ShardEpoch>, StoreError> SqliteStore::take(std::span<const kernel::ShardId> shards,
                                                                     kernel::NodeId node,
                                                                     kernel::Incarnation incarnation) {
  std::vector<ShardEpoch> taken;
  taken.reserve(shards.size());
  const auto raise_epochs = [&]() -> std::expected<void, StoreError> {
    if (auto counted = execute(statements_.add_take, "count a take"); !counted) return counted;
    for (const kernel::ShardId shard : shards) {
      EPIC_ASSERT(shard.value < identity_.shard_count, "shard {} of {}", shard, identity_.shard_count);
      const ResetGuard guard(statements_.take);
      statements_.take.set(1, std::int64_t{shard.value})
          .set(2, std::int64_t{node.value})
          .set(3, to_signed(incarnation.value));
      if (statements_.take.step() != Step::row) return std::unexpected(connection_.error("take a shard"));
      taken.push_back({shard, kernel::Epoch{to_unsigned(statements_.take.integer(0))}});
      if (statements_.take.step() != Step::done) return std::unexpected(connection_.error("take a shard"));
    }
    return {};
  };
  if (auto done = transact(raise_epochs); !done) return std::unexpected(done.error());
  if (auto synced = sync(); !synced) return std::unexpected(synced.error());
  return taken;
}

std::expected<void, StoreError> SqliteStore::write_next(const NextBatch& next) {
  return transact([&]() -> std::expected<void, StoreError> {
    const Batch& batch = next();
    check_batch(batch, identity_.shard_count);
    if (auto checked = check_epochs(batch); !checked) return checked;
    if (auto put = put_schemas(batch); !put) return put;
    return put_snapshots(batch);
  });
}

std::expected<void, StoreError> SqliteStore::check_epochs(const Batch& batch) {
  if (auto fresh = refresh_owners(); !fresh) return fresh;
  for (const ShardEpoch& held : batch.epochs) {
    const ShardRow& row = owners_[held.shard.value];
    if (row.epoch == held.epoch) continue;
    return std::unexpected(StoreError{
        StoreErrorCode::lost_ownership,
        fmt::format(
            "shard {} is at epoch {} in the store '{}', owned by node-{} (incarnation {}); this batch was made under "
            "epoch {}. Nothing was written.",
            held.shard, row.epoch, connection_.path().string(), row.node, row.incarnation, held.epoch)});
  }
  return {};
}

/// Reads who owns what, unless nobody has taken a shard since the last time. In a transaction.
std::expected<void, StoreError> SqliteStore::refresh_owners() {
  const ResetGuard guard(statements_.count_takes);
  if (statements_.count_takes.step() != Step::row)
    return std::unexpected(connection_.error("read how often shards were taken"));
  const std::int64_t takes = statements_.count_takes.integer(0);
  if (owners_takes_ == takes) return {};
  std::vector<ShardRow> owners(identity_.shard_count);
  Statement& rows = statements_.epochs;
  const ResetGuard rows_guard(rows);
  Step step = rows.step();
  for (; step == Step::row; step = rows.step()) {
    const auto shard = static_cast<std::size_t>(rows.integer(0));
    if (shard >= owners.size()) continue;  // of no use to anybody
    owners[shard] = {.shard = kernel::ShardId{static_cast<std::uint16_t>(shard)},
                     .epoch = kernel::Epoch{to_unsigned(rows.integer(1))},
                     .node = kernel::NodeId{static_cast<std::uint16_t>(rows.integer(2))},
                     .incarnation = kernel::Incarnation{to_unsigned(rows.integer(3))}};
  }
  if (step == Step::failed) return std::unexpected(connection_.error("read the epochs of the shards"));
  owners_ = std::move(owners);
  owners_takes_ = takes;
  return {};
}

std::expected<void, StoreError> SqliteStore::put_schemas(const Batch& batch) {
  for (const SchemaText& schema : batch.schemas) {
    statements_.put_schema.set(1, to_signed(schema.id.value)).set(2, std::string_view(schema.text));
    if (auto put = execute(statements_.put_schema, "write a schema"); !put) return put;
  }
  return {};
}

std::expected<void, StoreError> SqliteStore::put_snapshots(const Batch& batch) {
  const std::int64_t saved_at_ns = to_nanoseconds(options_.wall_clock());
  for (const Write& write : batch.writes)
    if (auto put = put_snapshot(write, saved_at_ns); !put) return put;
  return {};
}

std::expected<void, StoreError> SqliteStore::put_snapshot(const Write& write, std::int64_t saved_at_ns) {
  const auto execute_for = [&](Statement& statement) -> std::expected<void, StoreError> {
    statement.set(1, std::string_view(write.type)).set(2, std::string_view(write.key));
    if (write.bytes) {
      const std::uint64_t checksum =
          row_checksum(write.type, write.key, write.shard, write.version, write.schema, saved_at_ns, *write.bytes);
      statement.set(3, std::int64_t{write.shard.value})
          .set(4, to_signed(write.version.value))
          .set(5, to_signed(write.schema.value))
          .set(6, saved_at_ns)
          .set(7, to_signed(checksum))
          .set(8, std::span<const std::byte>(*write.bytes));
    }
    const ResetGuard guard(statement);
    if (statement.step() == Step::done) return {};
    return std::unexpected(connection_.error(fmt::format("write {}/{}", write.type, write.key)));
  };
  if (!write.bytes) return execute_for(statements_.remove);
  // The row is almost always there. An update by its number spares the ways through the index, whose pages are read
  // anew in each transaction.
  if (write.version.value > 1) {
    const auto row = find_row(write);
    if (!row) return std::unexpected(row.error());
    if (*row) {
      statements_.update.set(9, **row);
      if (auto updated = execute_for(statements_.update); !updated || connection_.changed_count() > 0) return updated;
      rows_.erase(name_of(write));
    }
  }
  return execute_for(statements_.put);
}

/// The number of an entity's row, as far as is known: it may have got another one since.
std::expected<std::optional<std::int64_t>, StoreError> SqliteStore::find_row(const Write& write) {
  std::string name = name_of(write);
  if (const auto known = rows_.find(name); known != rows_.end()) return known->second;
  const ResetGuard guard(statements_.row);
  switch (statements_.row.set(1, std::string_view(write.type)).set(2, std::string_view(write.key)).step()) {
    case Step::done:
      return std::nullopt;
    case Step::failed:
      return std::unexpected(connection_.error(fmt::format("find {}", name)));
    case Step::row:
      break;
  }
  if (rows_.size() >= kRowsRememberedMax) rows_.clear();
  return rows_.emplace(std::move(name), statements_.row.integer(0)).first->second;
}

SqliteStore::Row SqliteStore::read_row(const Statement& statement) const {
  Row row;
  Snapshot& snapshot = row.snapshot;
  snapshot.type = statement.text(0);
  snapshot.key = statement.text(1);
  snapshot.shard = kernel::ShardId{static_cast<std::uint16_t>(statement.integer(2))};
  snapshot.version = kernel::Version{to_unsigned(statement.integer(3))};
  snapshot.schema = kernel::SchemaId{to_unsigned(statement.integer(4))};
  const std::int64_t saved_at_ns = statement.integer(5);
  snapshot.saved_at = from_nanoseconds(saved_at_ns);
  const std::span<const std::byte> bytes = statement.blob(7);
  const std::uint64_t checksum =
      row_checksum(snapshot.type, snapshot.key, snapshot.shard, snapshot.version, snapshot.schema, saved_at_ns, bytes);
  if (checksum == to_unsigned(statement.integer(6))) {
    snapshot.bytes.assign(bytes.begin(), bytes.end());
    return row;
  }
  row.damage = StoreError{
      StoreErrorCode::corrupt,
      fmt::format(
          "the snapshot of {}/{} in the store '{}' is damaged: its checksum is {:016x} and should be {:016x}. It was "
          "left as it is.",
          snapshot.type, snapshot.key, connection_.path().string(), checksum, to_unsigned(statement.integer(6)))};
  return row;
}

std::expected<std::optional<Snapshot>, StoreError> SqliteStore::load(std::string_view type, std::string_view key) {
  Statement& statement = statements_.load;
  const ResetGuard guard(statement);
  switch (statement.set(1, type).set(2, key).step()) {
    case Step::done:
      return std::nullopt;
    case Step::failed:
      return std::unexpected(connection_.error(fmt::format("read {}/{}", type, key)));
    case Step::row:
      break;
  }
  Row row = read_row(statement);
  if (row.damage) return std::unexpected(std::move(*row.damage));
  return std::move(row.snapshot);
}

std::expected<std::optional<std::string>, StoreError> SqliteStore::schema(kernel::SchemaId id) {
  Statement& statement = statements_.schema;
  const ResetGuard guard(statement);
  switch (statement.set(1, to_signed(id.value)).step()) {
    case Step::done:
      return std::nullopt;
    case Step::failed:
      return std::unexpected(connection_.error("read a schema"));
    case Step::row:
      break;
  }
  return std::string(statement.text(0));
}

std::expected<void, StoreError> SqliteStore::maintain() {
  if (const auto failed = failure()) return std::unexpected(*failed);
  if (!writer_ || !writer_->wal.has_frames()) return {};
  if (auto done = writer_->wal.checkpoint(); !done) return std::unexpected(note(done.error()));
  return {};
}

}  // namespace epic::storage
