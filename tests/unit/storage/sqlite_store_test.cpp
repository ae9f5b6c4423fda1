#include "storage/sqlite_store.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <fstream>

#include "storage/open_store.hpp"
#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::ShardId;
using epic::kernel::Version;

namespace fs = std::filesystem;

namespace {

void write_file(const fs::path& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs SQL as a user of the sqlite3 shell might.
void run_sql(const fs::path& path, const char* sql) {
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &raw) == SQLITE_OK);
  char* message = nullptr;
  sqlite3_exec(raw, sql, nullptr, nullptr, &message);
  const std::string error = message == nullptr ? "" : message;
  sqlite3_free(message);
  sqlite3_close(raw);
  REQUIRE(error == "");
}

}  // namespace

TEST_CASE("sqlite store: keeps its state and epochs over a restart", "[storage]") {
  const TempDir directory;
  {
    const auto store = open_sqlite(directory.file());
    Batch batch = batch_of({take(*store, ShardId{2})}, {put("Player", "Bob", "7", ShardId{2}, Version{5})});
    batch.schemas = {{kSchema, "text"}};
    must(store->commit(batch));
  }
  const auto store = open_sqlite(directory.file());
  CHECK(must(store->load("Player", "Bob")).value().version == Version{5});
  CHECK(must(store->schema(kSchema)) == "text");
  CHECK(take(*store, ShardId{2}).epoch.value == 2);
}

TEST_CASE("sqlite store: a path longer than SQLite takes is opened all the same, and again after a move", "[storage]") {
  const TempDir directory;
  fs::path deep = directory.path();
  for (int i = 0; i < 5; ++i) deep /= std::string(200, 'd');
  const fs::path file = deep / "state.sqlite";
  for (std::uint64_t version = 1; version <= 2; ++version) {
    fs::create_directories(deep);
    {
      const auto store = open_sqlite(file);
      must(store->commit(
          batch_of({take(*store, ShardId{2})}, {put("Player", "Bob", "7", ShardId{2}, Version{version})})));
      CHECK(fs::exists(deep / "state.sqlite-wal"));
      const auto reader = must(SqliteStore::open(file, {.mode = OpenMode::read_only}));
      CHECK(must(reader->load("Player", "Bob")).value().version == Version{version});
      CHECK(must(must(store->reader_opener()())->load("Player", "Bob")).value().version == Version{version});
    }
    CHECK(fs::exists(file));
    CHECK_FALSE(fs::exists(deep / "state.sqlite-wal"));                    // SQLite removes it by the same name
    const fs::path aside = deep.string() + "-" + std::to_string(version);  // too long to be opened by its own name
    fs::rename(deep, aside);
    CHECK(error_of(SqliteStore::open(file, {.mode = OpenMode::read_only})).code == StoreErrorCode::not_found);
    const auto moved = must(SqliteStore::open(aside / "state.sqlite", {.mode = OpenMode::read_only}));
    CHECK(must(moved->load("Player", "Bob")).value().version == Version{version});
  }
}

TEST_CASE("sqlite store: a missing store is not found, and not made", "[storage]") {
  const TempDir directory;
  for (const OpenMode mode : {OpenMode::existing, OpenMode::read_only}) {
    const StoreError error = error_of(SqliteStore::open(directory.file(), {.mode = mode}));
    CHECK(error.code == StoreErrorCode::not_found);
    CHECK_THAT(error.message, Catch::Contains(directory.file().string()) && Catch::Contains("`epic run`"));
  }
  CHECK(fs::is_empty(directory.path()));
  const StoreError error = error_of(SqliteStore::open(directory.path() / "nowhere" / "state.sqlite", creating()));
  CHECK(error.code == StoreErrorCode::not_found);
  CHECK_THAT(error.message, Catch::Contains((directory.path() / "nowhere").string()));
}

TEST_CASE("sqlite store: garbage is refused and left as it was", "[storage]") {
  const TempDir directory;
  const std::string garbage = GENERATE(as<std::string>{}, "x", "no database at all", std::string(100'000, '\7'),
                                       "SQLite format 3" + std::string(5'000, '\0'));
  write_file(directory.file(), garbage);
  for (const OpenMode mode : {OpenMode::create, OpenMode::existing, OpenMode::read_only}) {
    const StoreError error = error_of(SqliteStore::open(directory.file(), {.mode = mode, .shard_count = kShardCount}));
    CHECK(error.code == StoreErrorCode::corrupt);
    CHECK_THAT(error.message, Catch::Contains(directory.file().string()) && Catch::Contains("is not an epic store") &&
                                  Catch::Contains("from a copy"));
  }
  CHECK(read_file(directory.file()) == garbage);
}

TEST_CASE("sqlite store: another program's database is refused", "[storage]") {
  const TempDir directory;
  run_sql(directory.file(), "CREATE TABLE accounts(id)");
  const std::string before = read_file(directory.file());
  const StoreError error = error_of(SqliteStore::open(directory.file(), creating()));
  CHECK(error.code == StoreErrorCode::corrupt);
  CHECK_THAT(error.message, Catch::Contains("another program's database"));
  CHECK(read_file(directory.file()) == before);
}

TEST_CASE("sqlite store: another shard count is refused and names the way over", "[storage]") {
  const TempDir directory;
  open_sqlite(directory.file()).reset();
  OpenOptions options = creating();
  options.shard_count = 16;
  const StoreError error = error_of(SqliteStore::open(directory.file(), options));
  CHECK(error.code == StoreErrorCode::incompatible);
  CHECK_THAT(error.message, Catch::Contains("was made with 8 shards") && Catch::Contains("asks for 16") &&
                                Catch::Contains("epic reshard 16"));
  // Migrating needs a reader that accepts any shard count.
  CHECK(open_sqlite(directory.file(), reading())->identity().placement.shard_count() == kShardCount);
}

TEST_CASE("sqlite store: a newer format and another hash are refused", "[storage]") {
  const TempDir directory;
  open_sqlite(directory.file()).reset();
  SECTION("format") {
    run_sql(directory.file(), "UPDATE meta SET value = 6 WHERE name = 'format_version'");
    run_sql(directory.file(), "UPDATE meta SET value = '9.5' WHERE name = 'needs_epic'");
    for (const OpenOptions& options : {creating(), reading()}) {
      const StoreError error = error_of(SqliteStore::open(directory.file(), options));
      CHECK(error.code == StoreErrorCode::incompatible);
      CHECK_THAT(error.message, Catch::Contains("has format 6, and this epic reads formats up to 5") &&
                                    Catch::Contains("epic 9.5 or newer reads it"));
    }
  }
  SECTION("format of an epic that did not say which") {
    run_sql(directory.file(), "UPDATE meta SET value = 6 WHERE name = 'format_version'");
    run_sql(directory.file(), "DELETE FROM meta WHERE name = 'needs_epic'");
    CHECK_THAT(error_of(SqliteStore::open(directory.file(), reading())).message,
               Catch::Contains("the epic that wrote it reads it"));
  }
  SECTION("hash") {
    run_sql(directory.file(), "UPDATE meta SET value = 'md5' WHERE name = 'hash'");
    CHECK(error_of(SqliteStore::open(directory.file(), reading())).code == StoreErrorCode::incompatible);
  }
  SECTION("a description with a hole, or with what cannot be") {
    run_sql(directory.file(), GENERATE("DELETE FROM meta WHERE name = 'shard_count'",
                                       "UPDATE meta SET value = 0 WHERE name = 'shard_count'",
                                       "UPDATE meta SET value = 'two' WHERE name = 'format_version'",
                                       "UPDATE meta SET value = -1 WHERE name = 'format_version'"));
    CHECK(error_of(SqliteStore::open(directory.file(), creating())).code == StoreErrorCode::corrupt);
  }
}

TEST_CASE("sqlite store: triggers and views are refused, and do not run where they come later", "[storage]") {
  const TempDir directory;
  const auto store = open_sqlite(directory.file());
  const ShardEpoch held = take(*store);
  const std::string foreign = GENERATE("CREATE TRIGGER t AFTER INSERT ON snapshots BEGIN DELETE FROM snapshots; END",
                                       "CREATE VIEW v AS SELECT * FROM snapshots");
  run_sql(directory.file(), foreign.c_str());
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=1"});
  for (const OpenOptions& options : {creating(), reading()}) {
    const StoreError error = error_of(SqliteStore::open(directory.file(), options));
    CHECK(error.code == StoreErrorCode::incompatible);
    CHECK_THAT(error.message, Catch::Contains("triggers or views") && Catch::Contains("sqlite3 "));
  }
}

TEST_CASE("sqlite store: damage to any column of a row concerns that entity only", "[storage]") {
  const TempDir directory;
  {
    const auto store = open_sqlite(directory.file());
    must(store->commit(batch_of({take(*store)}, {put("T", "a", "one"), put("T", "b", "two"), put("T", "c", "three")})));
  }
  const std::string change = GENERATE(as<std::string>{}, "bytes = x'747770'", "version = 9", "shard = 1", "schema = 1",
                                      "saved_at = saved_at + 1", "checksum = checksum + 1", "bytes = x''");
  INFO(change);
  run_sql(directory.file(), ("UPDATE snapshots SET " + change + " WHERE key = 'b'").c_str());

  const auto store = open_sqlite(directory.file());
  const StoreError error = error_of(store->load("T", "b"));
  CHECK(error.code == StoreErrorCode::corrupt);
  CHECK_THAT(error.message, Catch::Contains("T/b") && Catch::Contains("checksum"));
  CHECK(must(store->load("T", "a")).has_value());

  std::vector<std::string> visited;
  std::vector<std::string> damaged;
  must(store->list(
      {},
      [&](const Snapshot& snapshot) {
        visited.push_back(snapshot.key);
        return Visit::go_on;
      },
      [&](const StoreError& damage) { damaged.push_back(damage.message); }));
  CHECK(visited == std::vector<std::string>{"a", "c"});
  REQUIRE(damaged.size() == 1);
  CHECK_THAT(damaged[0], Catch::Contains("T/b"));

  must(store->commit(batch_of({take(*store)}, {put("T", "b", "repaired")})));
  CHECK(text_of(must(store->load("T", "b")).value().bytes) == "repaired");
}

TEST_CASE("sqlite store: a damaged page hides the rows that lie on it, and no others", "[storage]") {
  const TempDir directory;
  constexpr int kCount = 600;  // more than one page of a listing, before and after the damage
  {
    const auto store = open_sqlite(directory.file());
    std::vector<Operation> writes;
    for (int i = 0; i < kCount; ++i) writes.push_back(put("T", std::to_string(i), std::string(200, 'g')));
    writes.push_back(put("U", "last", "here"));
    must(store->commit(batch_of({take(*store)}, std::move(writes))));
  }
  run_sql(directory.file(), "PRAGMA wal_checkpoint(TRUNCATE)");
  std::fstream file(directory.file(), std::ios::in | std::ios::out | std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)), {});
  const std::size_t at = content.find(std::string(200, 'g'), content.size() / 2);
  REQUIRE(at != std::string::npos);
  file.clear();
  file.seekp(static_cast<std::streamoff>(at / 2048 * 2048));
  file << std::string(16, '\xff');  // the page's header
  file.close();

  const auto store = open_sqlite(directory.file(), reading());
  int whole = 0;
  int damaged = 0;
  must(store->list(
      {},
      [&](const Snapshot&) {
        ++whole;
        return Visit::go_on;
      },
      [&](const StoreError& damage) {
        ++damaged;
        CHECK_THAT(damage.message, Catch::Contains("T/") && Catch::Contains("malformed"));
      }));
  CHECK(whole + damaged == kCount + 1);
  CHECK(damaged > 5);
  CHECK(damaged < 30);
  const auto counts = must(store->count_by_type());
  REQUIRE(counts.size() == 2);
  CHECK(counts[0].entities == kCount);
}

TEST_CASE("sqlite store: a log that was cut off recovers to a whole commit", "[storage]") {
  const TempDir directory;
  const auto store = open_sqlite(directory.file());
  const ShardEpoch held = take(*store);
  constexpr int kCommits = 10;
  for (int i = 1; i <= kCommits; ++i) {
    const std::string text = std::to_string(i) + std::string(6'000, '.');
    must(store->commit(batch_of({held}, {put("T", "a", text), put("T", "b", text)})));
  }
  const fs::path log = directory.path() / "state.sqlite-wal";
  const auto log_bytes = fs::file_size(log);

  int newest_seen = 0;
  for (int part = 0; part <= 40; ++part) {
    const TempDir cut;
    fs::copy_file(directory.file(), cut.file());
    fs::copy_file(log, cut.path() / "state.sqlite-wal");
    fs::resize_file(cut.path() / "state.sqlite-wal", log_bytes * static_cast<std::uintmax_t>(part) / 40);
    auto reopened = SqliteStore::open(cut.file(), creating());
    if (part < 5 && !reopened) continue;  // not even the tables are complete
    if (!reopened) FAIL(reopened.error().message);
    const auto a = must((*reopened)->load("T", "a"));
    const auto b = must((*reopened)->load("T", "b"));
    REQUIRE(a.has_value() == b.has_value());
    if (!a) continue;
    CHECK(a->bytes == b->bytes);
    const int seen = std::stoi(text_of(a->bytes));
    CHECK(seen >= newest_seen);
    newest_seen = seen;
  }
  CHECK(newest_seen == kCommits);
}

TEST_CASE("sqlite store: beyond its bound a write is refused as full, and nothing of it is there", "[storage]") {
  const TempDir directory;
  OpenOptions options = creating();
  options.page_count_max = 64;
  const auto store = open_sqlite(directory.file(), options);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "small")})));

  const StoreError error =
      error_of(store->commit(batch_of({held}, {put("T", "a", "changed"), put("T", "b", std::string(1 << 20, 'x'))})));
  CHECK(error.code == StoreErrorCode::full);
  CHECK_THAT(error.message, Catch::Contains("Nothing was written"));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=small"});
  must(store->commit(batch_of({held}, {put("T", "c", "fits")})));
}

TEST_CASE("sqlite store: a foreign program that holds the database makes a commit busy, not lost", "[storage]") {
  const TempDir directory;
  OpenOptions options = creating();
  options.timeout = std::chrono::milliseconds(1);
  const auto store = open_sqlite(directory.file(), options);
  const ShardEpoch held = take(*store);

  sqlite3* foreign = nullptr;
  REQUIRE(sqlite3_open(directory.file().c_str(), &foreign) == SQLITE_OK);
  REQUIRE(sqlite3_exec(foreign, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  const StoreError error = error_of(store->commit(batch_of({held}, {put("T", "a", "1")})));
  CHECK(error.code == StoreErrorCode::busy);
  CHECK_THAT(error.message, Catch::Contains("fuser"));
  sqlite3_close(foreign);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
}

TEST_CASE("sqlite store: the log is copied away and used again from its start", "[storage]") {
  const TempDir directory;
  OpenOptions options = creating();
  options.wal.checkpoint_frames = 20;
  const auto store = open_sqlite(directory.file(), options);
  const auto neighbour = open_sqlite(directory.file(), options);
  const ShardEpoch held = take(*store);
  const fs::path log = directory.path() / "state.sqlite-wal";

  int maintained = 0;
  for (int i = 0; i < 300; ++i) {
    must((i % 2 == 0 ? *store : *neighbour).commit(batch_of({held}, {put("T", "a", std::to_string(i))})));
    for (Store* each : {static_cast<Store*>(store.get()), static_cast<Store*>(neighbour.get())}) {
      if (!each->wants_maintenance()) continue;
      must(each->maintain());
      ++maintained;
    }
  }
  CHECK(maintained >= 10);
  CHECK(fs::file_size(log) < 100 * 4'200);
  CHECK(contents(*neighbour) == std::vector<std::string>{"T/a=299"});
}

TEST_CASE("sqlite store: a reader that stays delays the copying, and no commit", "[storage]") {
  const TempDir directory;
  OpenOptions options = creating();
  options.wal = {.checkpoint_frames = 10, .frames_wait = 40};
  const auto store = open_sqlite(directory.file(), options);
  const ShardEpoch held = take(*store);

  sqlite3* reader = nullptr;
  REQUIRE(sqlite3_open(directory.file().c_str(), &reader) == SQLITE_OK);
  REQUIRE(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM snapshots", nullptr, nullptr, nullptr) == SQLITE_OK);
  for (int i = 0; i < 100; ++i) must(store->commit(batch_of({held}, {put("T", "a", std::to_string(i))})));
  const auto pinned_bytes = fs::file_size(directory.path() / "state.sqlite-wal");
  sqlite3_close(reader);
  for (int i = 0; i < 100; ++i) must(store->commit(batch_of({held}, {put("T", "a", std::to_string(i))})));
  CHECK(fs::file_size(directory.path() / "state.sqlite-wal") <= pinned_bytes + 100 * 4'200);
}

TEST_CASE("sqlite store: a read-only store sees a living one, and changes nothing", "[storage]") {
  const TempDir directory;
  const auto store = open_sqlite(directory.file());
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));

  const auto reader = open_sqlite(directory.file(), reading());
  CHECK(contents(*reader) == std::vector<std::string>{"T/a=1"});
  must(store->commit(batch_of({held}, {put("T", "a", "2")})));
  CHECK(contents(*reader) == std::vector<std::string>{"T/a=2"});
  CHECK(must(reader->shards()).size() == 1);
  CHECK_FALSE(reader->wants_maintenance());
  must(reader->maintain());
}

TEST_CASE("sqlite store: an empty file is a store that is yet to be made", "[storage]") {
  const TempDir directory;
  write_file(directory.file(), "");
  CHECK(error_of(SqliteStore::open(directory.file(), reading())).code == StoreErrorCode::not_found);
  CHECK(error_of(SqliteStore::open(directory.file(), {})).code == StoreErrorCode::not_found);
  CHECK(open_sqlite(directory.file())->identity().placement.shard_count() == kShardCount);
}

TEST_CASE("open_store: makes each kind by its name and refuses others", "[storage]") {
  const TempDir directory;
  StoreConfig config{.address = {.kind = "sqlite", .location = directory.file()},
                     .shard_count = kShardCount,
                     .mode = OpenMode::create};
  CHECK(must(open_store(config))->identity().placement.shard_count() == kShardCount);
  config.address.kind = "memory";
  CHECK(must(open_store(config))->identity().placement.shard_count() == kShardCount);
  config.mode = OpenMode::read_only;
  CHECK(error_of(open_store(config)).code == StoreErrorCode::not_found);
  config.address.kind = "oracle";
  const StoreError error = error_of(open_store(config));
  CHECK(error.code == StoreErrorCode::incompatible);
  CHECK_THAT(error.message,
             Catch::Contains("'oracle'") && Catch::Contains("\"sqlite\", \"memory\" or \"postgresql://"));
}

TEST_CASE("open_store: a setting is a kind that needs no more, or a URL that can be used", "[storage]") {
  for (const char* good : {"sqlite", "memory", "postgresql://db.example/arena", "postgresql:///arena?host=/run/pg",
                           "postgresql://one,two/arena"})
    CHECK(is_store_setting(good));
  for (const char* bad : {"", "postgresql", "postgres", "postgresql://", "postgresql://u:secret@db.example/arena",
                          "postgresql://db.example/arena?no_such_option=1"}) {
    INFO(bad);
    CHECK_FALSE(is_store_setting(bad));
  }
}

TEST_CASE("store address: goes through a command line as text", "[storage]") {
  const StoreAddress memory{.kind = "memory", .location = {}};
  const StoreAddress odd{.kind = "sqlite", .location = "/tmp/a:b/state.sqlite"};
  const StoreAddress url = locate_store("postgresql://epic@db.example:5433/arena?sslmode=require", {});
  CHECK(url.kind == "postgresql");
  CHECK(url.shown() == "postgresql://epic@db.example:5433/arena?sslmode=require");
  CHECK(StoreAddress::parse(url.text()) == url);
  CHECK_FALSE(url.has_file());
  CHECK(StoreAddress::parse(memory.text()) == memory);
  CHECK(StoreAddress::parse(odd.text()) == odd);
  CHECK(StoreAddress::parse("/tmp/a:b/state.sqlite") == odd);  // as a person may write it
}

TEST_CASE("sqlite store: files of another user's are read only if the caller has asked for anyone's", "[storage]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  const TempDir directory;
  open_sqlite(directory.file()).reset();
  REQUIRE(::chown(directory.file().c_str(), 65534, 65534) == 0);
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::existing, OpenMode::create}) {
    OpenOptions options = creating();
    options.mode = mode;
    CHECK_THAT(error_of(SqliteStore::open(directory.file(), options)).message,
               Catch::Contains("belongs to user 65534"));
  }
  CHECK(SqliteStore::open(directory.file(), {.mode = OpenMode::read_only, .owner = StoreOwner::anyone}).has_value());
}
