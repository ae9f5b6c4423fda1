// Reading from a PostgresStore: one row, or many a page at a time, each page one statement that ends by rows or bytes.
// No transaction is open while a visitor runs, except for readers that ask for one moment.

#include <fmt/format.h>

#include <array>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/postgres_statements.hpp"
#include "storage/postgres_store.hpp"
#include "storage/row_check.hpp"
#include "storage/row_checksum.hpp"

namespace epic::storage {

namespace {

/// A snapshot, or what is wrong with it.
struct PgSnapshotRow {
  Snapshot snapshot;
  std::optional<StoreError> damage;
};

PgSnapshotRow read_pg_snapshot(const PgRows& rows, std::size_t row, const std::string& where) {
  const std::span<const std::byte> bytes = rows.blob(row, 7);
  const std::int64_t saved_at_ns = rows.integer(row, 5);
  PgSnapshotRow read{.snapshot = {.type = std::string(rows.text(row, 0)),
                                  .key = std::string(rows.text(row, 1)),
                                  .shard = kernel::ShardId{static_cast<std::uint32_t>(rows.integer(row, 2))},
                                  .version = kernel::Version{to_unsigned(rows.integer(row, 3))},
                                  .schema = kernel::SchemaId{to_unsigned(rows.integer(row, 4))},
                                  .saved_at = from_nanoseconds(saved_at_ns),
                                  .bytes = {bytes.begin(), bytes.end()}},
                     .damage = {}};
  read.damage = find_damage(read.snapshot, to_unsigned(rows.integer(row, 6)), where);
  return read;
}

}  // namespace

std::expected<std::optional<Snapshot>, StoreError> PostgresStore::load(std::string_view type, std::string_view key) {
  const auto rows = EPIC_TRY(read(pg::kLoad, PgParams().add(type).add(key), fmt::format("read {}/{}", type, key)));
  if (rows.size() == 0) return std::nullopt;
  PgSnapshotRow row = read_pg_snapshot(rows, 0, where());
  if (row.damage) return std::unexpected(*std::move(row.damage));
  return std::move(row.snapshot);
}

std::expected<kernel::Version, StoreError> PostgresStore::version_floor(kernel::ShardId shard) {
  const auto rows = EPIC_TRY(read(pg::kFloor, PgParams().add(shard.value), "read the versions of erased entities"));
  return rows.size() == 0 ? kernel::Version{0} : kernel::Version{to_unsigned(rows.integer(0, 0))};
}

std::expected<std::optional<std::string>, StoreError> PostgresStore::schema(kernel::SchemaId id) {
  const auto rows = EPIC_TRY(read(pg::kSchema, PgParams().add(to_signed(id.value)), "read a schema"));
  if (rows.size() == 0) return std::nullopt;
  return std::string(rows.text(0, 0));
}

std::expected<void, StoreError> PostgresStore::list(const ListFilter& filter,
                                                    const std::function<Visit(const Snapshot&)>& visit,
                                                    const std::function<void(const DamagedRow&)>& on_corrupt) {
  const auto next_type = [&](std::string_view type) -> std::expected<std::optional<std::string>, StoreError> {
    const auto rows = EPIC_TRY(read(pg::kNextType, PgParams().add(type), "read the types of snapshots"));
    if (rows.size() == 0) return std::nullopt;
    return std::string(rows.text(0, 0));
  };
  std::uint64_t left = filter.limit;
  std::optional<std::string> type = filter.type;
  if (filter.type.empty()) type = EPIC_TRY(next_type(""));
  while (type && left > 0) {
    std::string key = filter.key_prefix;
    bool is_after = false;
    if (!filter.after_key.empty() && filter.after_key >= filter.key_prefix) {
      key = filter.after_key;
      is_after = true;
    }
    for (bool is_last = false; !is_last && left > 0;) {
      const auto rows = EPIC_TRY(read(pg::kSnapshotPage,
                                      PgParams()
                                          .add(std::string_view(*type))
                                          .add(std::string_view(key))
                                          .add(std::int64_t{is_after ? 1 : 0})
                                          .add(std::int64_t{kPageRowsMax})
                                          .add(std::int64_t{kPageBytesMax}),
                                      "read snapshots"));
      is_last = rows.size() == 0 || static_cast<std::size_t>(rows.integer(0, 8)) == rows.size();
      for (std::size_t i = 0; i < rows.size(); ++i) {
        // Keys come in order, so the first one without the prefix ends them all.
        if (!rows.text(i, 1).starts_with(filter.key_prefix)) {
          is_last = true;
          break;
        }
        const PgSnapshotRow row = read_pg_snapshot(rows, i, where());
        if (row.damage) {
          on_corrupt({*row.damage, *type, row.snapshot.key});
          continue;
        }
        if (left-- == 0 || visit(row.snapshot) == Visit::stop) return {};
      }
      if (rows.size() > 0) key = rows.text(rows.size() - 1, 1);
      is_after = true;
    }
    if (!filter.type.empty()) break;
    type = EPIC_TRY(next_type(*type));
  }
  return {};
}

std::expected<std::vector<TypeCount>, StoreError> PostgresStore::count_by_type() {
  const auto rows = EPIC_TRY(read(pg::kCountTypes, {}, "count snapshots"));
  std::vector<TypeCount> counts;
  for (std::size_t i = 0; i < rows.size(); ++i)
    counts.push_back({.type = std::string(rows.text(i, 0)),
                      .entities = to_unsigned(rows.integer(i, 1)),
                      .bytes = to_unsigned(rows.integer(i, 2))});
  return counts;
}

std::expected<std::vector<SchemaCount>, StoreError> PostgresStore::count_by_schema() {
  const auto rows = EPIC_TRY(read(pg::kCountSchemas, {}, "count snapshots by schema"));
  std::vector<SchemaCount> counts;
  for (std::size_t i = 0; i < rows.size(); ++i)
    counts.push_back({.type = std::string(rows.text(i, 0)),
                      .schema = kernel::SchemaId{to_unsigned(rows.integer(i, 1))},
                      .entities = to_unsigned(rows.integer(i, 2))});
  return counts;
}

// ---- moments ----

Store::OpenReader PostgresStore::reader_opener() const {
  return [url = url_]() -> std::expected<std::unique_ptr<Store>, StoreError> {
    return open(url, {.mode = OpenMode::read_only});
  };
}

std::expected<void, StoreError> PostgresStore::begin_moment() {
  EPIC_ASSERT(!is_writing(), "a store that writes cannot stay at one moment");
  // The server picks the moment with the first statement.
  const std::array calls{PgCall{&pg::kBeginMoment}, PgCall{&pg::kRunning}};
  EPIC_TRY(read(calls, "begin to read"));
  is_in_moment_ = true;
  return {};
}

void PostgresStore::end_moment() {
  if (!std::exchange(is_in_moment_, false) || !connection_->is_open()) return;
  static_cast<void>(connection_->run(pg::kCommit));
}

}  // namespace epic::storage
