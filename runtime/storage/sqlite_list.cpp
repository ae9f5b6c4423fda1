// Reads many rows of a SqliteStore, a page at a time. No read transaction is open while a visitor runs, because a long
// one would prevent the log from being reused; except for readers that ask for one moment.

#include <sqlite3.h>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

constexpr int kAwayMs = 5;  // between two looks at whether the log has started anew …
constexpr int kAwayMaxMs = 1000;

}  // namespace

std::expected<void, StoreError> SqliteStore::list(const ListFilter& filter,
                                                  const std::function<Visit(const Snapshot&)>& visit,
                                                  const std::function<void(const DamagedRow&)>& on_corrupt) {
  std::uint64_t left = filter.limit;
  std::optional<std::string> type = filter.type;
  if (filter.type.empty()) {
    type = EPIC_TRY(find_next_type(""));
  }
  while (type && left > 0) {
    Cursor cursor{.key = filter.key_prefix};
    if (!filter.after_key.empty() && filter.after_key >= filter.key_prefix)
      cursor = {.key = filter.after_key, .bound = Cursor::Bound::exclusive};
    for (bool is_last = false; !is_last && left > 0;) {
      auto page = read_page(*type, cursor, filter.key_prefix);
      if (!page && page.error().code == StoreErrorCode::corrupt)
        page = read_around_damage(*type, cursor, filter.key_prefix);
      if (!page) return std::unexpected(page.error());
      for (const Row& row : page->rows) {
        if (row.damage) {
          on_corrupt({*row.damage, *type, row.snapshot.key});
          continue;
        }
        if (left-- == 0 || visit(row.snapshot) == Visit::stop) return {};
      }
      if (!page->rows.empty()) cursor = {.key = page->rows.back().snapshot.key, .bound = Cursor::Bound::exclusive};
      is_last = page->is_last;
    }
    if (!filter.type.empty()) break;
    type = EPIC_TRY(find_next_type(*type));
  }
  return {};
}

std::expected<SqliteStore::Page, StoreError> SqliteStore::read_page(std::string_view type, const Cursor& cursor,
                                                                    std::string_view key_prefix) {
  Statement& statement = statements_.page;
  const ResetGuard guard(statement);
  statement.set(1, type)
      .set(2, std::string_view(cursor.key))
      .set(3, std::int64_t{cursor.bound == Cursor::Bound::exclusive ? 1 : 0});
  Page page;
  for (std::size_t bytes = 0; page.rows.size() < kPageRowsMax && bytes < kPageBytesMax;) {
    const Step step = statement.step();
    if (step == Step::failed) return std::unexpected(connection_.error("read snapshots"));
    // Keys come in order, so the first one without the prefix ends them all.
    page.is_last = step == Step::done || !statement.text(1).starts_with(key_prefix);
    if (page.is_last) break;
    page.rows.push_back(read_row(statement));
    bytes += page.rows.back().snapshot.bytes.size();
  }
  return page;
}

/// A page of the table is damaged. The names are read from the index alone, and then each row separately, so that only
/// the rows on that page are lost.
std::expected<SqliteStore::Page, StoreError> SqliteStore::read_around_damage(std::string_view type,
                                                                             const Cursor& cursor,
                                                                             std::string_view key_prefix) {
  Page page;
  std::vector<std::string> keys;
  {
    Statement& statement = statements_.keys;
    const ResetGuard guard(statement);
    statement.set(1, type)
        .set(2, std::string_view(cursor.key))
        .set(3, std::int64_t{cursor.bound == Cursor::Bound::exclusive ? 1 : 0});
    while (keys.size() < kPageRowsMax) {
      const Step step = statement.step();
      if (step == Step::failed) return std::unexpected(connection_.error("read the names of snapshots"));
      page.is_last = step == Step::done || !statement.text(0).starts_with(key_prefix);
      if (page.is_last) break;
      keys.emplace_back(statement.text(0));
    }
  }
  std::size_t bytes = 0;
  for (std::string& key : keys) {
    if (bytes >= kPageBytesMax) {
      page.is_last = false;
      break;
    }
    auto snapshot = load(type, key);
    if (snapshot && !*snapshot) continue;  // removed meanwhile
    Row row{.snapshot = {}, .damage = {}};
    if (snapshot) {
      row.snapshot = std::move(**snapshot);
      bytes += row.snapshot.bytes.size();
    } else if (snapshot.error().code == StoreErrorCode::corrupt) {
      row.damage = std::move(snapshot.error());
    } else {
      return std::unexpected(std::move(snapshot.error()));
    }
    row.snapshot.key = std::move(key);
    page.rows.push_back(std::move(row));
  }
  return page;
}

std::expected<std::optional<std::string>, StoreError> SqliteStore::find_next_type(std::string_view type) {
  Statement& statement = statements_.next_type;
  const ResetGuard guard(statement);
  switch (statement.set(1, type).step()) {
    case Step::row:
      return std::string(statement.text(0));
    case Step::done:
      return std::nullopt;
    case Step::failed:
      break;
  }
  return std::unexpected(connection_.error("read the types of snapshots"));
}

Store::OpenReader SqliteStore::reader_opener() const {
  return [path = connection_.path(), options = options_]() -> std::expected<std::unique_ptr<Store>, StoreError> {
    return open(path, {.mode = OpenMode::read_only, .wal = options.wal, .vfs = options.vfs});
  };
}

std::expected<void, StoreError> SqliteStore::begin_moment() {
  EPIC_ASSERT(writer_ == nullptr, "a store that writes cannot stay at one moment");
  EPIC_TRY(connection_.run("BEGIN", "begin to read"));
  // SQLite picks the state to read with the first read.
  if (const auto read = connection_.integer("SELECT count(*) FROM meta"); !read) {
    end_moment();
    return std::unexpected(read.error());
  }
  moment_frames_ = WalIndex(connection_).read().value_or(WalIndex::Header()).frames;
  return {};
}

/// From half the limit on, so that a reader that is slow to come by leaves the writers some room. The log can start
/// anew only while nobody reads it, so the reader stays away for a moment.
std::expected<bool, StoreError> SqliteStore::try_move_on() {
  const WalIndex index(connection_);
  const auto is_long = [&](const std::optional<WalIndex::Header>& log) {
    return log && log->frames >= options_.wal.frames_max / 2;
  };
  const auto log = index.read();
  const std::uint32_t since = !log || log->frames < moment_frames_ ? 0 : moment_frames_;
  if (!is_long(log) || log->frames - since < options_.wal.frames_max / 8) return false;
  end_moment();
  for (int waited_ms = 0; waited_ms < kAwayMaxMs && is_long(index.read()); waited_ms += kAwayMs) sqlite3_sleep(kAwayMs);
  if (auto begun = begin_moment(); !begun) return std::unexpected(begun.error());
  return true;
}

void SqliteStore::end_moment() {
  if (connection_.in_transaction()) static_cast<void>(connection_.run("COMMIT", "end reading"));
}

std::expected<std::vector<TypeCount>, StoreError> SqliteStore::count_by_type() {
  auto counts = count_types("SELECT type, count(*), sum(length(bytes)) FROM snapshots GROUP BY type ORDER BY type");
  if (counts || counts.error().code != StoreErrorCode::corrupt) return counts;
  return count_types("SELECT type, count(*), 0 FROM snapshots GROUP BY type ORDER BY type");  // from the index alone
}

std::expected<std::vector<TypeCount>, StoreError> SqliteStore::count_types(const char* query) {
  auto statement = EPIC_TRY(connection_.prepare(query));
  std::vector<TypeCount> counts;
  Step step = statement.step();
  for (; step == Step::row; step = statement.step()) {
    counts.push_back({.type = std::string(statement.text(0)),
                      .entities = static_cast<std::uint64_t>(statement.integer(1)),
                      .bytes = static_cast<std::uint64_t>(statement.integer(2))});
  }
  if (step == Step::failed) return std::unexpected(connection_.error("count snapshots"));
  return counts;
}

std::expected<std::vector<SchemaCount>, StoreError> SqliteStore::count_by_schema() {
  auto statement = EPIC_TRY(
      connection_.prepare("SELECT type, schema, count(*) FROM snapshots GROUP BY type, schema ORDER BY type, schema"));
  std::vector<SchemaCount> counts;
  Step step = statement.step();
  for (; step == Step::row; step = statement.step()) {
    counts.push_back({.type = std::string(statement.text(0)),
                      .schema = kernel::SchemaId{static_cast<std::uint64_t>(statement.integer(1))},
                      .entities = static_cast<std::uint64_t>(statement.integer(2))});
  }
  if (step != Step::failed) return counts;
  StoreError error = connection_.error("count snapshots by schema");
  if (error.code == StoreErrorCode::corrupt) return Store::count_by_schema();  // a row at a time, around the damage
  return std::unexpected(std::move(error));
}

std::expected<std::vector<Store::ShardRow>, StoreError> SqliteStore::shards() {
  // Reading does not migrate; the first format had no grants.
  auto statement = EPIC_TRY(connection_.prepare(
      identity_.format_version == 1
          ? "SELECT shard, epoch, node, incarnation, 0, 0 FROM shards ORDER BY shard"
          : "SELECT shard, epoch, node, incarnation, map_version, term FROM shards ORDER BY shard"));
  std::vector<ShardRow> rows;
  Step step = statement.step();
  for (; step == Step::row; step = statement.step()) rows.push_back(read_shard_row(statement));
  if (step == Step::failed) return std::unexpected(connection_.error("read the shards' owners"));
  return rows;
}

}  // namespace epic::storage
