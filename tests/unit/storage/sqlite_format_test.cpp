// Stores of older formats, as they were recorded when the format was new, are opened and migrated.

#include "storage/sqlite_format.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include "storage/grants.hpp"
#include "support/mail_fixtures.hpp"
#include "support/recorded_store.hpp"
#include "support/reminder_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::Epoch;
using epic::kernel::Incarnation;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::kernel::Version;

namespace fs = std::filesystem;

namespace {

const std::vector<std::string> kContents{"Barrel/0=", "Player/Bob: Slayer=score 7",
                                         std::string("Player/Zo\xc3\xab 'x'=\0\1\2", 19)};

const AnswerId kAnswerId{.shard = ShardId{3}, .entity = "Player/Bob: Slayer", .subject = {}, .key = "order-17"};

/// Every table and index, as SQLite keeps them.
std::vector<std::string> layout_of(const fs::path& file) {
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
  std::vector<std::string> columns;
  const auto add = [](void* to, int count, char** values, char**) {
    std::string row;
    for (int i = 0; i < count; ++i) row += std::string(values[i] == nullptr ? "" : values[i]) + "|";
    static_cast<std::vector<std::string>*>(to)->push_back(row);
    return 0;
  };
  REQUIRE(sqlite3_exec(database,
                       "SELECT m.type, m.name, c.name, c.type, c.\"notnull\", c.pk FROM sqlite_schema m "
                       "JOIN pragma_table_info(m.name) c ORDER BY m.name, c.cid",
                       add, &columns, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, "SELECT name, tbl_name, sql FROM sqlite_schema WHERE type = 'index' ORDER BY name",
                       add, &columns, nullptr) == SQLITE_OK);
  REQUIRE(sqlite3_exec(database, "SELECT name FROM meta ORDER BY name", add, &columns, nullptr) == SQLITE_OK);
  sqlite3_close(database);
  return columns;
}

}  // namespace

TEST_CASE("sqlite format: an older store is migrated by the first who writes, and nothing of it is lost", "[storage]") {
  const TempDir directory;
  const auto format = GENERATE(1U, 2U, 3U, 4U);
  restore_store(fmt::format("format_{}.sql", format), directory.file());
  const Answer answer{.id = kAnswerId, .method = "pay", .arguments_schema = kSchema};
  {
    const auto store = open_sqlite(directory.file());
    CHECK(store->identity().format_version == kStoreFormatVersion);
    CHECK(store->identity().migrated_from == format);
    CHECK_FALSE(store->identity().is_old_format);
    CHECK(contents(*store) == kContents);
    const Snapshot bob = must(store->load("Player", "Bob: Slayer")).value();
    CHECK(bob.version == Version{12});
    CHECK(bob.shard == ShardId{3});
    CHECK(must(store->schema(kSchema)) == "record Player { score: int64 }");
    const auto rows = must(store->shards());
    REQUIRE(rows.size() == 3);
    CHECK(rows[1].shard == ShardId{3});
    CHECK(rows[1].epoch == Epoch{2});
    CHECK(rows[1].incarnation == Incarnation{format == 1 ? 1000002U : 2000U});
    CHECK(must(store->version_floor(ShardId{3})) == Version{format == 1 ? 0U : 6U});

    CHECK_FALSE(must(store->answer(kAnswerId)).has_value());

    // The first supervisor grants over owners that it never knew.
    const auto epochs = must(take_all(*store, Incarnation{77}));
    CHECK(epochs[3] == ShardEpoch{ShardId{3}, Epoch{3}});
    Batch batch = batch_of(epochs, {replacing(Version{12}, put("Player", "Bob: Slayer", "score 8", ShardId{3}))});
    batch.writer = Incarnation{77};
    batch.operations.push_back(sent(message(1)));
    batch.operations.push_back(PutAnswer{answer});
    batch.operations.push_back(set(reminder("tick", 5)));
    must(store->commit(batch));
  }
  const auto again = open_sqlite(directory.file());
  CHECK_FALSE(again->identity().migrated_from);
  CHECK(mail_numbers(*again) == (format < 3 ? std::vector<std::uint64_t>{1} : std::vector<std::uint64_t>{7, 1}));
  CHECK(must(again->answer(kAnswerId)) == answer);
  CHECK(must(again->count_reminders()) == 1);
  CHECK(must(again->load("Player", "Bob: Slayer"))->version == Version{13});
}

TEST_CASE("sqlite format: a migrated store is laid out as a new one", "[storage]") {
  const TempDir migrated;
  const TempDir made;
  restore_store(GENERATE("format_1.sql", "format_2.sql", "format_3.sql", "format_4.sql"), migrated.file());
  open_sqlite(migrated.file()).reset();
  open_sqlite(made.file()).reset();
  CHECK(layout_of(migrated.file()) == layout_of(made.file()));
}

TEST_CASE("sqlite format: reading an older store leaves it as it is", "[storage]") {
  const TempDir directory;
  const auto format = GENERATE(1U, 2U, 3U, 4U);
  restore_store(fmt::format("format_{}.sql", format), directory.file());
  const auto layout = layout_of(directory.file());
  const auto store = open_sqlite(directory.file(), reading());
  CHECK(store->identity().format_version == format);
  CHECK(store->identity().is_old_format);
  CHECK(contents(*store) == kContents);
  CHECK(must(store->shards()).size() == 3);
  CHECK(must(store->count_by_type()).size() == 2);
  CHECK(must(store->count_by_schema()).size() == 2);
  CHECK(must(store->version_floor(ShardId{3})) == Version{format == 1 ? 0U : 6U});
  const MailPage page = must(store->mail_of(ShardId{3}, 5));
  CHECK(page.rows.empty());
  CHECK(page.last_place == 5);
  CHECK(page.is_last);
  CHECK(mail_numbers(*store).size() == (format < 3 ? 0 : 1));
  CHECK(must(store->count_mail()).waiting == (format < 3 ? 0 : 1));
  CHECK_FALSE(must(store->answer(kAnswerId)).has_value());
  CHECK_FALSE(must(store->oldest_answer(ShardId{3})).has_value());
  CHECK(must(store->reminders_of(ShardId{3}, {}, 10)).is_last);
  CHECK(must(store->count_reminders()) == 0);
  CHECK(layout_of(directory.file()) == layout);
}

TEST_CASE("sqlite format: a migration that fails leaves the store as it was", "[storage]") {
  const TempDir directory;
  restore_store(GENERATE("format_1.sql", "format_2.sql", "format_3.sql", "format_4.sql"), directory.file());
  run_sql(directory.file(), "CREATE TABLE placement_groups(x)");  // the migration's last step cannot be taken
  const auto layout = layout_of(directory.file());
  CHECK_FALSE(SqliteStore::open(directory.file(), creating()).has_value());
  CHECK(layout_of(directory.file()) == layout);
  run_sql(directory.file(), "DROP TABLE placement_groups");
  CHECK(contents(*open_sqlite(directory.file())) == kContents);
}

TEST_CASE("sqlite format: another format than any is refused before anything is changed", "[storage]") {
  const TempDir directory;
  restore_store("format_1.sql", directory.file());
  run_sql(directory.file(), "UPDATE meta SET value = 0 WHERE name = 'format_version'");
  const auto layout = layout_of(directory.file());
  CHECK(error_of(SqliteStore::open(directory.file(), creating())).code == StoreErrorCode::corrupt);
  CHECK(layout_of(directory.file()) == layout);
}

TEST_CASE("sqlite format: a store keeps the groups that it was made with, and an older one has none", "[storage]") {
  const epic::kernel::PlacementGroups groups{{"Guest", "Room"}, {"Zo\xc3\xab", "'x'"}};
  const TempDir directory;
  OpenOptions options = creating();
  options.groups = groups;
  CHECK(open_sqlite(directory.file(), options)->identity().placement.groups() == groups);
  CHECK(open_sqlite(directory.file(), creating())->identity().placement.groups() == groups);  // not asked again
  CHECK(open_sqlite(directory.file(), reading())->identity().placement.groups() == groups);

  const TempDir older;
  restore_store("format_4.sql", older.file());
  CHECK(open_sqlite(older.file(), reading())->identity().placement.groups().empty());
  CHECK(open_sqlite(older.file(), options)->identity().placement.groups().empty());
}
