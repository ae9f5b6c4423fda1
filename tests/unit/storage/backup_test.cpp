// A whole store as one file: of one moment, with everything, and never of a damaged structure.

#include "storage/backup.hpp"
#include "storage/sqlite_copy.hpp"
#include "support/mail_fixtures.hpp"
#include "support/recorded_store.hpp"
#include "support/reminder_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using namespace epic::kernel;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t kBigBytes = 4u << 20;  // a store with three of them is copied in several steps

StoreAddress address_of(const fs::path& file) { return {.kind = "sqlite", .location = file}; }

/// Two states, an erased one, two messages.
void fill_store(Store& store) {
  const auto tenure = take(store);
  const auto other = take(store, ShardId{1});
  must(store.commit(batch_of({tenure, other}, {put("T", "a", "first"), put("T", "b", "second"), put("T", "c", "third"),
                                               sent(message(1)), sent(message(2))})));
  must(store.commit(batch_of({tenure, other}, {erasure("T", "c"), marked(message(2), MailStatus::dead, "it threw")})));
}

}  // namespace

TEST_CASE("backup: the file alone has everything, tables of a later format included", "[storage]") {
  const TempDir directory;
  const fs::path file = directory.path() / "copy.epic";
  const auto store = open_sqlite(directory.file());
  fill_store(*store);
  run_sql(directory.file(), "CREATE TABLE later(id INTEGER PRIMARY KEY, text TEXT); INSERT INTO later VALUES(7, 'x');");

  const auto content = must(write_backup(address_of(directory.file()), file, {}));
  CHECK(content.entities == 2);
  CHECK(content.bytes == 11);
  CHECK(content.mail.waiting == 1);
  CHECK(content.mail.dead == 1);
  CHECK(content.messages() == 2);
  CHECK(content.damaged == 0);
  CHECK(content.identity.placement.shard_count() == kShardCount);

  CHECK_FALSE(fs::exists(file.string() + "-wal"));
  const fs::path moved = directory.path() / "elsewhere";
  fs::rename(file, moved);
  const auto copy = open_sqlite(moved, reading());
  CHECK(contents(*copy) == contents(*store));
  CHECK(mail_numbers(*copy, {.status = MailStatus::dead}) == std::vector<std::uint64_t>{2});
  CHECK(must(copy->version_floor(ShardId{0})) == must(store->version_floor(ShardId{0})));
  CHECK(must(copy->shards()).size() == 2);
  run_sql(moved,
          "CREATE TEMP TABLE seen(n INTEGER NOT NULL CHECK(n = 7)); INSERT INTO seen SELECT sum(id) FROM later;");
}

TEST_CASE("backup: what is written while it is copied is not in it", "[storage]") {
  const TempDir directory;
  const auto store = open_sqlite(directory.file());
  const auto tenure = take(*store);
  for (const char* key : {"a", "b", "c"})
    must(store->commit(batch_of({tenure}, {put("T", key, std::string(kBigBytes, 'x'))})));
  const auto before = contents(*store);

  int steps = 0;
  const auto write_on = [&](BackupStep step, std::uint64_t done, std::uint64_t total) {
    CHECK(done <= total);
    if (step != BackupStep::copying) return;
    ++steps;
    must(store->commit(batch_of({tenure}, {put("T", "a", "changed"), put("T", "new", "one"), erasure("T", "c")})));
    must(store->maintain());
  };
  const auto content =
      must(write_backup(address_of(directory.file()), directory.path() / "copy.epic", {.on_progress = write_on}));
  CHECK(steps > 1);
  CHECK(content.entities == 3);
  CHECK(contents(*open_sqlite(directory.path() / "copy.epic", reading())) == before);
  CHECK(contents(*store) != before);
}

TEST_CASE("backup: it ends before the log of the store is full", "[storage]") {
  const TempDir directory;
  const auto store = open_sqlite(directory.file());
  const auto tenure = take(*store);
  for (const char* key : {"a", "b", "c"})
    must(store->commit(batch_of({tenure}, {put("T", key, std::string(kBigBytes, 'x'))})));
  const WalLimits limits{.frames_max = 65536};
  const auto write_much = [&](BackupStep, std::uint64_t, std::uint64_t) {
    for (int i = 0; i < 17; ++i)  // more than 32,768 pages of 2 KiB
      must(store->commit(batch_of({tenure}, {put("T", "a", std::string(kBigBytes, i % 2 == 0 ? 'y' : 'z'))})));
  };
  const auto error = error_of(copy_database(directory.file(), directory.path() / "copy.epic", write_much, limits));
  CHECK(error.code == StoreErrorCode::busy);
  CHECK_THAT(error.message, Catch::Contains("would become full"));
}

TEST_CASE("backup: a damaged row is copied as it is, and named", "[storage]") {
  const TempDir directory;
  fill_store(*open_sqlite(directory.file()));
  run_sql(directory.file(),
          "UPDATE snapshots SET bytes = x'00' WHERE key = 'b'; UPDATE mail SET why = 'else' WHERE status = 2;");
  std::vector<std::string> damage;
  const auto content = must(write_backup(address_of(directory.file()), directory.path() / "copy.epic",
                                         {.on_damage = [&](const std::string& what) { damage.push_back(what); }}));
  CHECK(content.damaged == 2);
  CHECK(content.entities == 1);
  CHECK(content.messages() == 1);
  REQUIRE(damage.size() == 2);
  CHECK_THAT(damage[0], Catch::Contains("T/b"));
  CHECK_THAT(damage[1], Catch::Contains("message 0.1.2"));
}

TEST_CASE("backup: reminders and answers are counted, and damaged ones named", "[storage]") {
  const TempDir directory;
  const auto answer = [](const char* key) {
    return PutAnswer{{.id = {.shard = ShardId{0}, .entity = "T/a", .subject = {}, .key = key},
                      .method = "pay",
                      .arguments_schema = kSchema}};
  };
  {
    const auto store = open_sqlite(directory.file());
    must(store->commit(batch_of(
        {take(*store)}, {set(reminder("tick", 5)), set(reminder("tock", 6)), answer("order-1"), answer("order-2")})));
  }
  const auto whole = must(write_backup(address_of(directory.file()), directory.path() / "whole.epic", {}));
  CHECK(whole.reminders == 2);
  CHECK(whole.answers == 2);
  CHECK(whole.damaged == 0);

  run_sql(
      directory.file(),
      "UPDATE reminders SET due_at = 7 WHERE name = 'tock'; UPDATE answers SET bytes = x'00' WHERE key = 'order-2';");
  std::vector<std::string> damage;
  const auto content = must(write_backup(address_of(directory.file()), directory.path() / "copy.epic",
                                         {.on_damage = [&](const std::string& what) { damage.push_back(what); }}));
  CHECK(content.reminders == 1);
  CHECK(content.answers == 1);
  CHECK(content.damaged == 2);
  REQUIRE(damage.size() == 2);
  CHECK_THAT(damage[0], Catch::Contains("'tock' of T/a"));
  CHECK_THAT(damage[1], Catch::Contains("'order-2' of T/a"));
}

TEST_CASE("backup: there is none of a store whose structure is damaged", "[storage]") {
  const TempDir directory;
  {
    const auto store = open_sqlite(directory.file());
    const auto tenure = take(*store);
    for (int i = 0; i < 200; ++i)
      must(store->commit(batch_of({tenure}, {put("T", std::to_string(i), std::string(500, 'x'))})));
  }
  // The index no longer has every row.
  run_sql(
      directory.file(),
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, '(shard)', '(shard) WHERE shard > 5') "
      "WHERE name = 'snapshots_by_shard';");
  run_sql(directory.file(),
          "INSERT INTO snapshots SELECT type, 'hidden', 0, version, schema, saved_at, checksum, bytes "
          "FROM snapshots LIMIT 1;");
  run_sql(
      directory.file(),
      "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ' WHERE shard > 5', '') WHERE name = "
      "'snapshots_by_shard';");
  const auto error = error_of(write_backup(address_of(directory.file()), directory.path() / "copy.epic", {}));
  CHECK(error.code == StoreErrorCode::corrupt);
  CHECK_THAT(error.message, Catch::Contains("there is no backup") && Catch::Contains("snapshots_by_shard"));
}

TEST_CASE("backup: an older format is copied as it is, and a missing or foreign store is refused", "[storage]") {
  const TempDir directory;
  restore_store("format_1.sql", directory.file());
  const auto content = must(write_backup(address_of(directory.file()), directory.path() / "copy.epic", {}));
  CHECK(content.identity.format_version == 1);
  CHECK(content.entities == contents(*open_sqlite(directory.file(), reading())).size());

  const fs::path foreign = directory.path() / "foreign";
  run_sql(foreign, "CREATE TABLE theirs(id INTEGER);");
  CHECK(error_of(write_backup(address_of(foreign), directory.path() / "a", {})).code == StoreErrorCode::corrupt);
  CHECK(error_of(write_backup(address_of(directory.path() / "none"), directory.path() / "a", {})).code ==
        StoreErrorCode::not_found);
  CHECK(error_of(write_backup({.kind = "memory"}, directory.path() / "a", {})).code == StoreErrorCode::not_found);
  CHECK_FALSE(fs::exists(directory.path() / "a"));
}
