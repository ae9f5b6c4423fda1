#include "storage/postgres_copy.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <string_view>
#include <vector>

#include "reflect/try.hpp"
#include "storage/postgres_connection.hpp"
#include "storage/postgres_format.hpp"
#include "storage/postgres_statements.hpp"
#include "storage/row_checksum.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_format.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kFileTimeout{10};
constexpr std::size_t kRowsAtOnce = 32;  // of up to 8 MiB each
constexpr std::size_t kBytesAtOnce = 4u << 20;

/// A column of both: in the file text and blobs are apart, in the database both are bytea.
struct CopiedColumn {
  enum class Kind : std::uint8_t { int4, int8, text, blob };
  std::string_view name;
  Kind kind;
};
constexpr auto k4 = CopiedColumn::Kind::int4;
constexpr auto k8 = CopiedColumn::Kind::int8;
constexpr auto kText = CopiedColumn::Kind::text;
constexpr auto kBlob = CopiedColumn::Kind::blob;

struct CopiedTable {
  std::string_view name;
  std::span<const CopiedColumn> columns;
  std::string_view from_database = {};  // instead of the table
};

constexpr CopiedColumn kShardColumns[] = {{"shard", k4},       {"epoch", k8}, {"node", k4},         {"incarnation", k8},
                                          {"map_version", k8}, {"term", k8},  {"version_floor", k8}};
constexpr CopiedColumn kSchemaColumns[] = {{"id", k8}, {"text", kText}};
constexpr CopiedColumn kSnapshotsColumns[] = {{"type", kText}, {"key", kText},   {"shard", k4},    {"version", k8},
                                              {"schema", k8},  {"saved_at", k8}, {"checksum", k8}, {"bytes", kBlob}};
constexpr CopiedColumn kMailsColumns[] = {
    {"place", k8},           {"from_shard", k4},      {"epoch", k8},     {"number", k8},
    {"to_shard", k4},        {"status", k4},          {"schema", k8},    {"sent_at", k8},
    {"checksum", k8},        {"status_checksum", k8}, {"sender", kText}, {"receiver_type", kText},
    {"receiver_key", kText}, {"method", kText},       {"why", kText},    {"arguments", kBlob}};
constexpr CopiedColumn kAnswersColumns[] = {{"shard", k4},          {"entity", kText},    {"subject", kText},
                                            {"key", kText},         {"method", kText},    {"arguments_schema", k8},
                                            {"arguments_hash", k8}, {"begun_at", k8},     {"status", k4},
                                            {"schema", k8},         {"error_code", k4},   {"error_type", kText},
                                            {"checksum", k8},       {"end_checksum", k8}, {"bytes", kBlob}};
constexpr CopiedColumn kRemindersColumns[] = {
    {"type", kText}, {"key", kText}, {"name", kText},  {"shard", k4},        {"due_at", k8},    {"starts_at", k8},
    {"every", k8},   {"schema", k8}, {"checksum", k8}, {"due_checksum", k8}, {"method", kText}, {"arguments", kBlob}};
constexpr CopiedTable kCopiedTables[] = {
    {.name = "shards",
     .columns = kShardColumns,
     .from_database = "(SELECT s.*, coalesce(f.version, 0) AS version_floor FROM epic.shards s "
                      "LEFT JOIN epic.version_floors f ON f.shard = s.shard) AS owned"},
    {.name = "schemas", .columns = kSchemaColumns},
    {.name = "snapshots", .columns = kSnapshotsColumns},
    {.name = "mail", .columns = kMailsColumns},
    {.name = "answers", .columns = kAnswersColumns},
    {.name = "reminders", .columns = kRemindersColumns},
};

std::string list_columns(const CopiedTable& table) {
  std::string list;
  for (const CopiedColumn& column : table.columns) list += fmt::format("{}{}", list.empty() ? "" : ", ", column.name);
  return list;
}

constexpr PgStatement kStamp{"",
                             "SELECT (SELECT history FROM epic.store), coalesce(max(writer), 0)::int8, "
                             "coalesce(sum(number), 0)::int8 FROM epic.writers"};
constexpr PgStatement kHoldWriters{"", "LOCK TABLE epic.store, epic.shards, epic.writers IN EXCLUSIVE MODE"};
constexpr PgStatement kEmptyTables{
    "",
    "TRUNCATE epic.shards, epic.version_floors, epic.schemas, epic.snapshots, epic.mail, epic.answers, "
    "epic.reminders, epic.placement_groups"};
constexpr PgStatement kSetPlacement{"", "UPDATE epic.store SET shard_count = $1::int4"};
constexpr PgStatement kNextPlace{"",
                                 "SELECT setval('epic.mail_places', greatest((SELECT max(place) FROM epic.mail), 1))"};
constexpr PgStatement kCountRows{"",
                                 "SELECT (SELECT count(*) FROM epic.snapshots) + (SELECT count(*) FROM epic.mail) + "
                                 "(SELECT count(*) FROM epic.answers) + (SELECT count(*) FROM epic.reminders)"};

PgStamp stamp_of(const PgRows& rows) {
  return {.history = rows.integer(0, 0), .writers = rows.integer(0, 1), .numbers = rows.integer(0, 2)};
}

/// A session, and the sentences for its errors.
class CopyingSession {
 public:
  CopyingSession(PgConnection connection, std::string_view doing) : connection_(std::move(connection)), doing_(doing) {}
  std::expected<PgRows, StoreError> run(const PgStatement& statement, PgParams params = {}) {
    auto rows = connection_.run(statement, std::move(params));
    if (!rows) return std::unexpected(connection_.error(doing_, rows.error()));
    return *std::move(rows);
  }
  PgConnection& connection() { return connection_; }

 private:
  PgConnection connection_;
  std::string_view doing_;
};

/// How much is done, of all rows.
class CopyProgress {
 public:
  CopyProgress(const OnBackupProgress& on_progress, BackupStep step, std::uint64_t total)
      : on_progress_(on_progress), step_(step), total_(total) {}
  void add(std::uint64_t rows) {
    done_ = std::min(done_ + rows, total_);
    if (on_progress_) on_progress_(step_, done_, total_);
  }

 private:
  const OnBackupProgress& on_progress_;
  BackupStep step_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
};

// ---- from the database

std::expected<void, StoreError> fill_file(CopyingSession& session, Connection& file, const CopiedTable& table,
                                          CopyProgress& progress) {
  const std::string source =
      table.from_database.empty() ? fmt::format("epic.{}", table.name) : std::string(table.from_database);
  const std::string declare =
      fmt::format("DECLARE rows NO SCROLL CURSOR FOR SELECT {} FROM {}", list_columns(table), source);
  const std::string fetch = fmt::format("FETCH {} FROM rows", kRowsAtOnce);
  EPIC_TRY(session.run(PgStatement{"", declare.c_str()}));
  std::string places = "?";
  for (std::size_t i = 1; i < table.columns.size(); ++i) places += ", ?";
  auto insert =
      EPIC_TRY(file.prepare(fmt::format("INSERT INTO {}({}) VALUES({})", table.name, list_columns(table), places)));
  const PgStatement fetching{"", fetch.c_str()};
  for (;;) {
    const auto rows = EPIC_TRY(session.run(fetching));
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const ResetGuard guard(insert);
      for (int column = 0; column < static_cast<int>(table.columns.size()); ++column) {
        const auto kind = table.columns[static_cast<std::size_t>(column)].kind;
        if (kind == kText)
          insert.set(column + 1, rows.text(row, column));
        else if (kind == kBlob)
          insert.set(column + 1, rows.blob(row, column));
        else
          insert.set(column + 1, rows.integer(row, column));
      }
      if (insert.step() != Step::done) return std::unexpected(file.error(fmt::format("copy {}", table.name)));
    }
    progress.add(rows.size());
    if (rows.size() < kRowsAtOnce) break;
  }
  EPIC_TRY(session.run(PgStatement{"", "CLOSE rows"}));
  return {};
}

// ---- into the database

std::expected<void, StoreError> insert_rows(CopyingSession& session, const CopiedTable& table,
                                            const std::vector<PgColumn>& columns) {
  std::string given;
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    given += fmt::format("{}${}::{}[]", i == 0 ? "" : ", ", i + 1,
                         table.columns[i].kind == k4   ? "int4"
                         : table.columns[i].kind == k8 ? "int8"
                                                       : "bytea");
  const std::string names = list_columns(table);
  const std::string sql =
      table.from_database.empty()
          ? fmt::format("INSERT INTO epic.{0}({1}) SELECT {1} FROM unnest({2}) AS given({1})", table.name, names, given)
          : fmt::format(
                "WITH given AS (SELECT * FROM unnest({0}) AS given({1})), "
                "floors AS (INSERT INTO epic.version_floors SELECT shard, version_floor FROM given "
                "WHERE version_floor > 0) "
                "INSERT INTO epic.shards(shard, epoch, node, incarnation, map_version, term) "
                "SELECT shard, epoch, node, incarnation, map_version, term FROM given",
                given, names);
  PgParams params;
  for (const PgColumn& column : columns) params.add(column);
  EPIC_TRY(session.run(PgStatement{"", sql.c_str()}, std::move(params)));
  return {};
}

std::vector<PgColumn> empty_columns(const CopiedTable& table) {
  std::vector<PgColumn> columns;
  for (const CopiedColumn& column : table.columns)
    columns.emplace_back(column.kind == k4   ? PgColumn::Type::int4
                         : column.kind == k8 ? PgColumn::Type::int8
                                             : PgColumn::Type::bytea);
  return columns;
}

std::expected<void, StoreError> fill_table(CopyingSession& session, Connection& file, const CopiedTable& table,
                                           CopyProgress& progress) {
  auto select = EPIC_TRY(file.prepare(fmt::format("SELECT {} FROM {}", list_columns(table), table.name)));
  std::vector<PgColumn> columns = empty_columns(table);
  std::size_t bytes = 0;
  Step step = select.step();
  while (step == Step::row) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const int place = static_cast<int>(i);
      switch (table.columns[i].kind) {
        case k4:
          columns[i].add(static_cast<std::uint32_t>(select.integer(place)));
          break;
        case k8:
          columns[i].add(select.integer(place));
          break;
        case kText:
          columns[i].add(select.text(place));
          break;
        case kBlob:
          columns[i].add(select.blob(place));
          bytes += select.blob(place).size();
      }
    }
    step = select.step();
    const std::size_t count = columns.front().size();
    if (count < kRowsAtOnce && bytes < kBytesAtOnce && step == Step::row) continue;
    EPIC_TRY(insert_rows(session, table, columns));
    progress.add(count);
    columns = empty_columns(table);
    bytes = 0;
  }
  if (step == Step::failed) return std::unexpected(file.error(fmt::format("read {}", table.name)));
  return {};
}

/// In the transaction.
std::expected<void, StoreError> replace_all(CopyingSession& session, Connection& file, const std::string& url,
                                            const kernel::Placement& placement, const std::optional<PgStamp>& expected,
                                            const OnBackupProgress& on_progress) {
  EPIC_TRY(session.run(kHoldWriters));
  if (const auto found = EPIC_TRY(session.run(kStamp)); expected && stamp_of(found) != *expected)
    return std::unexpected(StoreError{
        StoreErrorCode::busy,
        fmt::format("the store '{}' was written meanwhile, by a fabric that runs elsewhere. Nothing was changed. Stop "
                    "that, and run the command again.",
                    url)});
  std::uint64_t total = 0;
  for (const CopiedTable& table : kCopiedTables)
    total += to_unsigned(EPIC_TRY(file.integer(fmt::format("SELECT count(*) FROM {}", table.name))));
  CopyProgress progress(on_progress, BackupStep::replacing, total);
  EPIC_TRY(session.run(kEmptyTables));
  for (const CopiedTable& table : kCopiedTables) EPIC_TRY(fill_table(session, file, table, progress));
  EPIC_TRY(session.run(kSetPlacement, PgParams().add(placement.shard_count())));
  for (const auto& [type, group] : placement.groups())
    EPIC_TRY(session.run(pg::kPutGroup, PgParams().add(type).add(group)));
  EPIC_TRY(session.run(kNextPlace));
  EPIC_TRY(session.run(pg::kLiftMark));
  EPIC_TRY(session.run(pg::kCutOffWriters));
  return {};
}

}  // namespace

std::expected<PgStamp, StoreError> copy_from_database(const std::string& url, const fs::path& file,
                                                      const OnBackupProgress& on_progress) {
  CopyingSession session(EPIC_TRY(PgConnection::open(url, PgAccess::read)), "copy the store");
  EPIC_TRY(session.run(pg::kBeginMoment));
  const auto opened = EPIC_TRY(open_format(session.connection(), url, {}));
  const PgStamp stamp = stamp_of(EPIC_TRY(session.run(kStamp)));
  const auto count = EPIC_TRY(session.run(kCountRows));
  CopyProgress progress(on_progress, BackupStep::copying, to_unsigned(count.integer(0, 0)));

  auto copy = EPIC_TRY(Connection::open(file, Access::create, "", kFileTimeout));
  EPIC_TRY(copy.run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", "set up a copy"));  // all of it, or none
  EPIC_TRY(create_format(copy, opened.identity.placement, OpenOptions{}.wall_clock()));
  EPIC_TRY(copy.run("BEGIN", "begin a copy"));
  for (const CopiedTable& table : kCopiedTables) EPIC_TRY(fill_file(session, copy, table, progress));
  EPIC_TRY(copy.run("COMMIT", "write a copy"));
  return stamp;
}

std::expected<void, StoreError> copy_into_database(const fs::path& file, const std::string& url,
                                                   const std::optional<PgStamp>& expected,
                                                   const OnBackupProgress& on_progress) {
  const kernel::Placement placement =
      EPIC_TRY(SqliteStore::open(file, {.mode = OpenMode::read_only}))->identity().placement;
  auto source = EPIC_TRY(Connection::open(file, Access::read, "", kFileTimeout));
  CopyingSession session(EPIC_TRY(PgConnection::open(url, PgAccess::write)), "replace the store");
  EPIC_TRY(open_format(session.connection(), url,
                       {.shard_count = expected ? std::nullopt : std::optional(placement.shard_count()),
                        .groups = placement.groups(),
                        .may_create = !expected,
                        .may_migrate = true,
                        .now = OpenOptions{}.wall_clock()}));
  EPIC_TRY(session.run(pg::kBegin));
  auto replaced = replace_all(session, source, url, placement, expected, on_progress);
  const auto ended = session.run(replaced ? pg::kCommit : pg::kRollback);
  if (replaced && !ended) return std::unexpected(ended.error());
  return replaced;
}

}  // namespace epic::storage
