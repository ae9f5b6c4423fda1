#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/batch_check.hpp"
#include "storage/row_check.hpp"
#include "storage/row_checksum.hpp"
#include "storage/sqlite_rows.hpp"
#include "storage/store_mark.hpp"

namespace epic::storage {

namespace {

constexpr std::size_t kRowsRememberedMax = 65'536;
constexpr std::uint64_t kPageBytes = 2048;

std::string name_of(const PutSnapshot& put) { return put.type + '/' + put.key; }

}  // namespace

/// The last to close a database copies the log into it. Of a log that was cut off that would be pages of various times.
SqliteStore::~SqliteStore() {
  if (!writer_) return;
  const auto mark = read_mark(connection_.path());
  if (mark && mark->kind == StoreMark::Kind::lost) connection_.set_at_close(AtClose::keep_log);
}

StoreError SqliteStore::note(StoreError error) {
  const std::lock_guard lock(failure_mutex_);
  if ((error.code == StoreErrorCode::io || error.code == StoreErrorCode::marked) && !failure_) failure_ = error;
  return error;
}

std::optional<StoreError> SqliteStore::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

std::expected<void, StoreError> SqliteStore::transact(const std::function<std::expected<void, StoreError>()>& body) {
  EPIC_ASSERT(writer_ != nullptr, "a store that was opened for reading is written");
  if (const auto failed = failure()) return std::unexpected(*failed);
  if (writer_->is_displaced) {
    if (auto back = check_files(); !back) return back;
  }
  if (auto limit = check_log_limit(); !limit) return limit;
  if (writer_->wal.must_checkpoint()) {
    EPIC_TRY(maintain());
  }
  auto hold = writer_->writers.lock();
  if (!hold) return std::unexpected(note(hold.error()));
  if (auto done = transact_locked(body); !done) return std::unexpected(explain(done.error()));
  return {};
}

/// What fails with files that were exchanged or cut off is not the disk's fault. The failed transaction is visible to
/// nobody, and may be repeated.
StoreError SqliteStore::explain(StoreError error) {
  if (error.code == StoreErrorCode::io || error.code == StoreErrorCode::corrupt)
    if (auto compared = compare_files(); !compared) return compared.error();
  return note(std::move(error));
}

std::expected<void, StoreError> SqliteStore::sync() {
  if (const auto failed = failure()) return std::unexpected(*failed);
  if (auto synced = writer_->wal.sync(); !synced) return std::unexpected(note(synced.error()));
  return compare_files();
}

std::expected<void, StoreError> SqliteStore::compare_files() {
  auto compared = writer_->files.check();
  writer_->is_displaced = !compared;
  if (!compared) note(compared.error());
  return compared;
}

std::expected<void, StoreError> SqliteStore::check_files() {
  if (!writer_) return {};
  auto compared = compare_files();
  if (compared || compared.error().code != StoreErrorCode::displaced || !writer_->files.is_only_log_gone())
    return compared;
  const auto copied = writer_->wal.copy_all();
  if (!copied) return std::unexpected(note(copied.error()));
  if (*copied)
    compared.error().message = fmt::format(
        "'{0}-wal' was deleted or moved away while the fabric ran, so nothing more can be saved. Everything "
        "acknowledged "
        "has been copied into '{0}'. Restart the fabric: `epic stop`, then `epic run`.",
        connection_.path().string());
  else
    writer_->files.mark_log_gone();
  return compared;
}

std::expected<void, StoreError> SqliteStore::check_log_limit() {
  const auto is_full = writer_->wal.is_full();
  if (!is_full) return std::unexpected(note(is_full.error()));
  if (!*is_full) return {};
  const std::vector<std::string> readers = find_readers(connection_.path());
  return std::unexpected(StoreError{
      StoreErrorCode::full,
      fmt::format("the write-ahead log '{0}-wal' has reached its limit of {1} MiB, because {2} keeps reading the store "
                  "as it was when it began. Nothing was written. End that program{3}.",
                  connection_.path().string(), std::uint64_t{options_.wal.frames_max} * kPageBytes >> 20,
                  readers.empty() ? "another program" : fmt::format("{}", fmt::join(readers, " or ")),
                  readers.empty() ? fmt::format("; `fuser -v '{}'` shows which", connection_.path().string()) : "")});
}

std::expected<void, StoreError> SqliteStore::transact_locked(
    const std::function<std::expected<void, StoreError>()>& body) {
  EPIC_TRY(execute(statements_.begin, "begin a change"));
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

std::string SqliteStore::where() const { return fmt::format("the store '{}'", connection_.path().string()); }

// ---- whose shards they are ----

std::expected<void, StoreError> SqliteStore::grant(const Grants& grants) {
  EPIC_TRY(compare_files());  // no sync follows, which would
  return transact([&]() -> std::expected<void, StoreError> {
    EPIC_TRY(note_owner_change());
    for (const Grant& grant : grants.list) {
      const auto row = EPIC_TRY(owner_of(grant.shard));
      if (!may_grant(grant, grants.term, row)) return std::unexpected(not_granted(grant, grants.term, row, where()));
      statements_.grant.set(1, std::int64_t{grant.shard.value})
          .set(2, std::int64_t{grant.node.value})
          .set(3, to_signed(grant.incarnation.value))
          .set(4, to_signed(grants.map_version.value))
          .set(5, to_signed(grants.term.value));
      EPIC_TRY(execute(statements_.grant, "grant a shard"));
    }
    return {};
  });
}

std::expected<std::vector<ShardEpoch>, StoreError> SqliteStore::take(std::span<const kernel::ShardId> shards,
                                                                     kernel::NodeId node,
                                                                     kernel::Incarnation incarnation) {
  std::vector<ShardEpoch> taken;
  taken.reserve(shards.size());
  const auto raise_epochs = [&]() -> std::expected<void, StoreError> {
    EPIC_TRY(note_owner_change());
    for (const kernel::ShardId shard : shards) {
      EPIC_ASSERT(shard.value < identity_.placement.shard_count(), "shard {} of {}", shard,
                  identity_.placement.shard_count());
      const auto row = EPIC_TRY(owner_of(shard));
      if (row.node != node || row.incarnation != incarnation)
        return std::unexpected(not_granted(node, incarnation, row, where()));
      statements_.take.set(1, std::int64_t{shard.value});
      EPIC_TRY(execute(statements_.take, "take a shard"));
      taken.push_back({shard, row.epoch.next()});
    }
    return {};
  };
  EPIC_TRY(transact(raise_epochs));
  EPIC_TRY(sync());
  return taken;
}

/// For all who remember owners. In a transaction.
std::expected<void, StoreError> SqliteStore::note_owner_change() {
  return execute(statements_.add_change, "count a change of owners");
}

/// Forgets who owns what, unless nobody has changed it since the last time. In a transaction.
std::expected<void, StoreError> SqliteStore::refresh_owners() {
  const ResetGuard guard(statements_.count_changes);
  if (statements_.count_changes.step() != Step::row)
    return std::unexpected(connection_.error("read how often owners have changed"));
  const std::int64_t changes = statements_.count_changes.integer(0);
  if (owner_changes_ != changes) owners_.clear();
  owner_changes_ = changes;
  return {};
}

std::expected<Store::ShardRow, StoreError> SqliteStore::owner_of(kernel::ShardId shard) {
  Statement& statement = statements_.owner;
  const ResetGuard guard(statement);
  switch (statement.set(1, std::int64_t{shard.value}).step()) {
    case Step::row:
      return read_shard_row(statement);
    case Step::done:
      return ShardRow{.shard = shard};
    case Step::failed:
      break;
  }
  return std::unexpected(connection_.error("read the owner of a shard"));
}

std::expected<void, StoreError> SqliteStore::check_owners(const Batch& batch) {
  EPIC_TRY(refresh_owners());
  for (const ShardEpoch& held : batch.epochs) {
    auto known = owners_.find(held.shard.value);
    if (known == owners_.end()) {
      const auto row = EPIC_TRY(owner_of(held.shard));
      known = owners_.emplace(held.shard.value, row).first;
    }
    const ShardRow& row = known->second;
    if (row.epoch != held.epoch || row.incarnation != batch.writer)
      return std::unexpected(lost_ownership(batch, held, row, where()));
  }
  return {};
}

// ---- batches ----

std::expected<void, StoreError> SqliteStore::write_next(const NextBatch& next) {
  return transact([&]() -> std::expected<void, StoreError> {
    const Batch& batch = next();
    check_batch(batch, identity_.placement.shard_count());
    EPIC_TRY(check_owners(batch));
    EPIC_TRY(put_schemas(batch));
    return apply_operations(batch);
  });
}

std::expected<void, StoreError> SqliteStore::put_schemas(const Batch& batch) {
  for (const SchemaText& schema : batch.schemas) {
    statements_.put_schema.set(1, to_signed(schema.id.value)).set(2, std::string_view(schema.text));
    EPIC_TRY(execute(statements_.put_schema, "write a schema"));
  }
  return {};
}

std::expected<void, StoreError> SqliteStore::apply_operations(const Batch& batch) {
  const std::int64_t saved_at_ns = to_nanoseconds(options_.wall_clock());
  for (std::size_t i = 0; i < batch.operations.size(); ++i) {
    const auto applied =
        EPIC_TRY(std::visit([&](const auto& change) { return apply(change, saved_at_ns); }, batch.operations[i]));
    if (applied) continue;
    const auto found = EPIC_TRY(find_version(batch.operations[i]));
    return std::unexpected(conflict(batch, i, found, where()));
  }
  return {};
}

std::expected<bool, StoreError> SqliteStore::apply(const PutSnapshot& put, std::int64_t saved_at_ns) {
  const auto run = [&](Statement& statement) -> std::expected<bool, StoreError> {
    const std::uint64_t checksum =
        row_checksum(put.type, put.key, put.shard, put.version, put.schema, saved_at_ns, put.bytes);
    statement.set(1, std::string_view(put.type))
        .set(2, std::string_view(put.key))
        .set(3, std::int64_t{put.shard.value})
        .set(4, to_signed(put.version.value))
        .set(5, to_signed(put.schema.value))
        .set(6, saved_at_ns)
        .set(7, to_signed(checksum))
        .set(8, std::span<const std::byte>(put.bytes));
    const ResetGuard guard(statement);
    if (statement.step() != Step::done)
      return std::unexpected(connection_.error(fmt::format("write {}/{}", put.type, put.key)));
    return connection_.changed_count() == 1;
  };
  if (!put.replaces) return run(statements_.overwrite);
  if (*put.replaces == kernel::Version{0}) return run(statements_.insert);
  // An update by the row's number avoids the index, whose pages are read anew in each transaction. The row may have got
  // another number since it was remembered.
  for (const bool is_remembered : {true, false}) {
    if (!is_remembered && rows_.erase(name_of(put)) == 0) break;
    const auto row = EPIC_TRY(find_row(put));
    if (!row) return false;
    statements_.update.set(9, *row).set(10, to_signed(put.replaces->value));
    if (const auto updated = run(statements_.update); !updated || *updated) return updated;
  }
  return false;
}

std::expected<bool, StoreError> SqliteStore::apply(const EraseSnapshot& erase, std::int64_t) {
  const std::string doing = fmt::format("erase {}/{}", erase.type, erase.key);
  if (erase.replaces == kernel::Version{0}) {
    const auto found = EPIC_TRY(find_version(erase.type, erase.key));
    if (found != kernel::Version{0}) return false;
  } else {
    Statement& statement = erase.replaces ? statements_.remove : statements_.remove_any;
    statement.set(1, std::string_view(erase.type)).set(2, std::string_view(erase.key));
    if (erase.replaces) statement.set(3, to_signed(erase.replaces->value));
    EPIC_TRY(execute(statement, doing));
    if (erase.replaces && connection_.changed_count() != 1) return false;
  }
  statements_.raise_floor.set(1, std::int64_t{erase.shard.value}).set(2, to_signed(erase.version.value));
  EPIC_TRY(execute(statements_.raise_floor, doing));
  return true;
}

/// The rowid of an entity, as far as known: it may have changed since.
std::expected<std::optional<std::int64_t>, StoreError> SqliteStore::find_row(const PutSnapshot& put) {
  std::string name = name_of(put);
  if (const auto known = rows_.find(name); known != rows_.end()) return known->second;
  const ResetGuard guard(statements_.row);
  switch (statements_.row.set(1, std::string_view(put.type)).set(2, std::string_view(put.key)).step()) {
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

/// Of the entity that it changes; 0 if it changes none.
std::expected<kernel::Version, StoreError> SqliteStore::find_version(const Operation& operation) {
  if (const auto* const put = std::get_if<PutSnapshot>(&operation)) return find_version(put->type, put->key);
  if (const auto* const erase = std::get_if<EraseSnapshot>(&operation)) return find_version(erase->type, erase->key);
  return kernel::Version{0};
}

/// 0: there is no row.
std::expected<kernel::Version, StoreError> SqliteStore::find_version(std::string_view type, std::string_view key) {
  const ResetGuard guard(statements_.version);
  switch (statements_.version.set(1, type).set(2, key).step()) {
    case Step::row:
      return kernel::Version{to_unsigned(statements_.version.integer(0))};
    case Step::done:
      return kernel::Version{0};
    case Step::failed:
      break;
  }
  return std::unexpected(connection_.error(fmt::format("find {}/{}", type, key)));
}

std::expected<kernel::Version, StoreError> SqliteStore::version_floor(kernel::ShardId shard) {
  if (identity_.format_version == 1) return kernel::Version{0};  // read as it is
  const ResetGuard guard(statements_.floor);
  switch (statements_.floor.set(1, std::int64_t{shard.value}).step()) {
    case Step::row:
      return kernel::Version{to_unsigned(statements_.floor.integer(0))};
    case Step::done:
      return kernel::Version{0};
    case Step::failed:
      break;
  }
  return std::unexpected(connection_.error("read the versions of erased entities"));
}

// ---- reading ----

Store::ShardRow SqliteStore::read_shard_row(const Statement& statement) {
  return {.shard = kernel::ShardId{static_cast<std::uint32_t>(statement.integer(0))},
          .epoch = kernel::Epoch{to_unsigned(statement.integer(1))},
          .node = kernel::NodeId{static_cast<std::uint16_t>(statement.integer(2))},
          .incarnation = kernel::Incarnation{to_unsigned(statement.integer(3))},
          .map_version = kernel::MapVersion{to_unsigned(statement.integer(4))},
          .term = kernel::Term{to_unsigned(statement.integer(5))}};
}

SqliteStore::Row SqliteStore::read_row(const Statement& statement) const {
  Row row{.snapshot = read_snapshot(statement), .damage = {}};
  row.damage = find_damage(row.snapshot, to_unsigned(statement.integer(kSnapshotChecksum)), where());
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
  if (auto whole = compare_files(); !whole) return whole;
  if (auto done = writer_->wal.checkpoint(); !done) return std::unexpected(explain(done.error()));
  return {};
}

}  // namespace epic::storage
