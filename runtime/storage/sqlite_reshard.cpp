#include "storage/sqlite_reshard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "reflect/try.hpp"
#include "storage/row_checksum.hpp"
#include "storage/sqlite_format.hpp"
#include "storage/sqlite_rows.hpp"

namespace epic::storage {

namespace {

using kernel::Placement;
using kernel::ShardId;

constexpr std::size_t kReshardedAtOnce = 1024;  // rows

/// What becomes of a row.
struct NewPlace {
  std::int64_t row_number = 0;
  ShardId shard;
  std::uint64_t checksum = 0;
  bool is_moved = false;
};

/// `checksum_of_row` covers `shard`. A row that is damaged keeps its checksum, and stays damaged.
template <class ChecksumOfRow>
NewPlace place_anew(ShardId& shard, ShardId to, std::uint64_t stored, const ChecksumOfRow& checksum_of_row) {
  const bool is_whole = checksum_of_row() == stored;
  const bool is_moved = shard != to;
  shard = to;
  return {.shard = to, .checksum = is_whole ? checksum_of_row() : stored, .is_moved = is_moved};
}

NewPlace place_snapshot(const Statement& row, const Placement& placement) {
  Snapshot one = read_snapshot(row);
  return place_anew(one.shard, placement.shard_of(one.type, one.key), to_unsigned(row.integer(kSnapshotChecksum)), [&] {
    return row_checksum(one.type, one.key, one.shard, one.version, one.schema, to_nanoseconds(one.saved_at), one.bytes);
  });
}

NewPlace place_mail(const Statement& row, const Placement& placement) {
  Mail one = read_mail(row);
  return place_anew(one.to_shard, placement.shard_of(one.to), to_unsigned(row.integer(kMailChecksum)),
                    [&] { return mail_checksum(one); });
}

NewPlace place_reminder(const Statement& row, const Placement& placement) {
  Reminder one = read_reminder(row);
  return place_anew(one.shard, placement.shard_of(one.name.type, one.name.key),
                    to_unsigned(row.integer(kReminderChecksum)), [&] { return reminder_checksum(one); });
}

NewPlace place_answer(const Statement& row, const Placement& placement) {
  Answer one = read_answer(row);
  return place_anew(one.id.shard, placement.shard_of(one.id.entity), to_unsigned(row.integer(kAnswerChecksum)),
                    [&] { return answer_checksum(one); });
}

/// Every table whose rows belong to shards, but for the table of shards itself.
struct PlacedTable {
  std::string_view name;
  std::string_view shard_column;
  std::string_view columns;
  NewPlace (*place)(const Statement& row, const Placement& placement);
};
constexpr std::array kPlacedTables{
    PlacedTable{"snapshots", "shard", kSnapshotColumns, &place_snapshot},
    PlacedTable{"mail", "to_shard", kMailColumns, &place_mail},
    PlacedTable{"reminders", "shard", kReminderColumns, &place_reminder},
    PlacedTable{"answers", "shard", kAnswerColumns, &place_answer},
};

/// Those after the row `after`, in order: at most kReshardedAtOnce.
std::expected<std::vector<NewPlace>, StoreError> read_places(Statement& select, const PlacedTable& table,
                                                             const Connection& connection, const Placement& placement,
                                                             std::int64_t after) {
  const ResetGuard guard(select);
  select.set(1, after);
  const auto number_column = static_cast<int>(std::ranges::count(table.columns, ',')) + 1;
  std::vector<NewPlace> places;
  while (places.size() < kReshardedAtOnce) {
    const Step step = select.step();
    if (step == Step::failed) return std::unexpected(connection.error(fmt::format("read {}", table.name)));
    if (step == Step::done) break;
    places.push_back(table.place(select, placement));
    places.back().row_number = select.integer(number_column);
  }
  return places;
}

std::expected<void, StoreError> reshard_table(const PlacedTable& table, Connection& connection,
                                              const Placement& placement, ReshardedRows& rows,
                                              const std::function<void()>& on_rows) {
  auto select = EPIC_TRY(connection.prepare(
      fmt::format("SELECT {}, rowid FROM {} WHERE rowid > ?1 ORDER BY rowid", table.columns, table.name)));
  auto update = EPIC_TRY(connection.prepare(
      fmt::format("UPDATE {} SET {} = ?2, checksum = ?3 WHERE rowid = ?1", table.name, table.shard_column)));
  for (std::int64_t after = INT64_MIN;;) {
    const auto places = EPIC_TRY(read_places(select, table, connection, placement, after));
    if (places.empty()) return {};
    for (const NewPlace& place : places) {
      ++rows.all;
      if (!place.is_moved) continue;
      ++rows.moved;
      const ResetGuard guard(update);
      update.set(1, place.row_number).set(2, std::int64_t{place.shard.value}).set(3, to_signed(place.checksum));
      if (update.step() != Step::done) return std::unexpected(connection.error(fmt::format("rewrite {}", table.name)));
    }
    after = places.back().row_number;
    on_rows();
  }
}

/// If the last owner of any shard has died, whatever is in any shard now may have lost what was only in memory. The
/// row then names its slot, but no process.
std::expected<void, StoreError> renew_shards(Connection& connection, const Placement& placement) {
  auto former = EPIC_TRY(connection.prepare(
      "SELECT count(*), max(epoch), max(node), max(map_version), max(term), max(version_floor) FROM shards"));
  if (former.step() != Step::row) return std::unexpected(connection.error("read the shards' owners"));
  const bool was_ever_owned = former.integer(0) > 0;
  const std::int64_t epoch = former.integer(1) + 1;
  const std::int64_t orphaned_by = former.integer(2);
  const std::int64_t map_version = former.integer(3);
  const std::int64_t term = former.integer(4);
  const std::int64_t version_floor = former.integer(5);
  former.reset();
  EPIC_TRY(connection.run("DELETE FROM shards", "forget the former shards"));
  if (!was_ever_owned) return {};
  auto insert = EPIC_TRY(
      connection.prepare("INSERT INTO shards(shard, epoch, node, incarnation, map_version, term, version_floor) "
                         "VALUES(?1, ?2, ?3, 0, ?4, ?5, ?6)"));
  for (std::uint32_t shard = 0; shard < placement.shard_count(); ++shard) {
    const ResetGuard guard(insert);
    insert.set(1, std::int64_t{shard}).set(2, epoch).set(3, orphaned_by).set(4, map_version).set(5, term);
    if (insert.set(6, version_floor).step() != Step::done)
      return std::unexpected(connection.error("write the new shards"));
  }
  return {};
}

std::expected<ReshardedRows, StoreError> reshard_in_transaction(Connection& connection, const Placement& placement,
                                                                const OnBackupProgress& on_progress) {
  std::uint64_t total = 0;
  for (const PlacedTable& table : kPlacedTables)
    total += to_unsigned(EPIC_TRY(connection.integer(fmt::format("SELECT count(*) FROM {}", table.name))));
  ReshardedRows rows;
  for (const PlacedTable& table : kPlacedTables)
    EPIC_TRY(reshard_table(table, connection, placement, rows,
                           [&] { on_progress(BackupStep::rewriting, rows.all, total); }));
  EPIC_TRY(renew_shards(connection, placement));
  EPIC_TRY(connection.run(fmt::format("UPDATE meta SET value = {} WHERE name = 'shard_count';"
                                      "UPDATE meta SET value = value + 1 WHERE name = 'owner_changes';",
                                      placement.shard_count())
                              .c_str(),
                          "write the number of shards"));
  EPIC_TRY(write_groups(connection, placement.groups()));
  return rows;
}

}  // namespace

std::expected<ReshardedRows, StoreError> reshard_rows(Connection& connection, const Placement& placement,
                                                      const OnBackupProgress& on_progress) {
  EPIC_TRY(connection.run("BEGIN IMMEDIATE", "begin to reshard"));
  auto rows = reshard_in_transaction(connection, placement, on_progress);
  if (rows) {
    if (auto done = connection.run("COMMIT", "finish resharding"); !done) rows = std::unexpected(done.error());
  }
  if (!rows && connection.in_transaction()) static_cast<void>(connection.run("ROLLBACK", "take back resharding"));
  return rows;
}

}  // namespace epic::storage
