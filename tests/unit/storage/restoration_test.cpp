// A backup takes the place of a store: in one step, whatever the store is like, and whenever it is interrupted.

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "storage/backup.hpp"
#include "storage/restoration.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/store_mark.hpp"
#include "support/child.hpp"
#include "support/mail_fixtures.hpp"
#include "support/recorded_store.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using namespace epic::kernel;
using epic::test::Child;
using epic::test::Reporter;
namespace fs = std::filesystem;

namespace {

using Rows = std::vector<std::string>;
const Rows kBackupRows{"T/a=backup", "T/b=backup"};
const Rows kPresentRows{"T/a=present"};

OpenOptions writing() { return {.mode = OpenMode::existing}; }

/// A project's directory with a backup of one store, and another store in its place.
struct Place {
  TempDir directory;
  fs::path backup = directory.path() / "monday.epic";
  fs::path state = directory.path() / ".epic";
  StoreAddress store{.kind = "sqlite", .location = state / "state.sqlite"};

  Place() {
    fs::create_directory(state);
    const fs::path other = directory.file();
    {
      const auto made = open_sqlite(other);
      const auto tenure = take(*made);
      const auto receiver = take(*made, ShardId{1});
      must(made->commit(
          batch_of({tenure, receiver}, {put("T", "a", "backup"), put("T", "b", "backup"), sent(message(1))})));
    }
    must(write_backup({.kind = "sqlite", .location = other}, backup, {}));
  }
  void make_present() const {
    const auto made = open_sqlite(store.location);
    const auto tenure = take(*made);
    must(made->commit(batch_of({tenure}, {put("T", "a", "present")})));
  }
  /// The same by a process that was killed; everything is still in the log.
  void crash_present(int commits = 1) const {
    Child fabric([&](const Reporter& reporter) {
      const auto made = open_sqlite(store.location);
      const auto tenure = take(*made);
      for (int i = 1; i < commits; ++i) must(made->commit(batch_of({tenure}, {put("T", "a", std::to_string(i))})));
      must(made->commit(batch_of({tenure}, {put("T", "a", "present")})));
      reporter.line("committed");
      ::pause();
    });
    REQUIRE(fabric.read_line() == "committed");
    fabric.kill();
    REQUIRE(fs::file_size(store.location.string() + "-wal") > 0);
  }
  [[nodiscard]] std::expected<fs::path, StoreError> restore(BackupWatcher watcher = {}) const {
    auto restoration = Restoration::prepare(backup, store, kShardCount, std::move(watcher));
    if (!restoration) return std::unexpected(restoration.error());
    return restoration->finish();
  }
  /// As the next fabric finds it: opened for writing, read, and written.
  [[nodiscard]] Rows rows_of_next_fabric() const {
    const auto opened = open_sqlite(store.location, writing());
    Rows found = contents(*opened);
    const auto tenure = take(*opened, ShardId{0}, NodeId{2});
    must(opened->commit(batch_of({tenure}, {put("T", "z", "later")}, NodeId{2})));
    must(opened->commit(batch_of({tenure}, {erasure("T", "z")}, NodeId{2})));
    return found;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(state))
      if (entry.is_directory() || entry.path().extension() == ".sqlite") found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
  }
};

void write_text(const fs::path& file, const std::string& text) { std::ofstream(file, std::ios::binary) << text; }

}  // namespace

TEST_CASE("restoration: the backup is the store, and the former one can be brought back", "[storage]") {
  const Place place;
  place.make_present();
  {
    auto restoration = must(Restoration::prepare(place.backup, place.store, kShardCount, {}));
    CHECK(restoration.content().entities == 2);
    CHECK(restoration.content().messages() == 1);
    CHECK(contents(*open_sqlite(place.store.location, reading())) == kPresentRows);  // not yet
    CHECK(must(restoration.finish()) == place.state / "replaced-1");
  }
  CHECK(place.names() == std::vector<std::string>{"replaced-1", "state.sqlite"});
  CHECK(fs::status(place.store.location).permissions() == fs::perms(0600));
  CHECK(place.rows_of_next_fabric() == kBackupRows);
  CHECK(mail_numbers(*open_sqlite(place.store.location, reading())) == std::vector<std::uint64_t>{1});

  auto back = must(Restoration::prepare(place.state / "replaced-1/state.sqlite", place.store, kShardCount, {}));
  CHECK(must(back.finish()) == place.state / "replaced-2");
  CHECK(place.rows_of_next_fabric() == kPresentRows);
}

TEST_CASE("restoration: a mark was about the former store", "[storage]") {
  const Place place;
  place.make_present();
  write_mark(place.store.location, {.what = "'state.sqlite-wal' was cut off"}, {});
  CHECK(error_of(SqliteStore::open(place.store.location, writing())).code == StoreErrorCode::marked);
  must(place.restore());
  CHECK(place.rows_of_next_fabric() == kBackupRows);
}

TEST_CASE("restoration: into a place without a store, nothing is kept", "[storage]") {
  const Place place;
  CHECK_FALSE(look_at_store(place.store).exists);
  CHECK(must(place.restore()).empty());
  CHECK(place.names() == std::vector<std::string>{"state.sqlite"});
  CHECK(place.rows_of_next_fabric() == kBackupRows);
}

TEST_CASE("restoration: whether a store has anything to lose", "[storage]") {
  const Place place;
  open_sqlite(place.store.location);
  CHECK(look_at_store(place.store).exists);
  CHECK_FALSE(look_at_store(place.store).has_content);
  run_sql(place.store.location, "CREATE TABLE later(id INTEGER); INSERT INTO later VALUES(1);");  // by a later format
  CHECK(look_at_store(place.store).has_content);
  write_text(place.store.location, std::string(8192, 'x'));
  CHECK(look_at_store(place.store).has_content);
  CHECK_FALSE(look_at_store(place.store).is_readable);
}

TEST_CASE("restoration: an older format is migrated, and the backup stays as it is", "[storage]") {
  const Place place;
  fs::remove(place.backup);
  restore_store("format_1.sql", place.backup);
  const Rows rows = contents(*open_sqlite(place.backup, reading()));
  const std::uint32_t shard_count = open_sqlite(place.backup, reading())->identity().placement.shard_count();
  auto restoration = must(Restoration::prepare(place.backup, place.store, shard_count, {}));
  CHECK(restoration.content().identity.migrated_from == 1);
  must(restoration.finish());
  CHECK(place.rows_of_next_fabric() == rows);
  CHECK(open_sqlite(place.backup, reading())->identity().format_version == 1);
}

TEST_CASE("restoration: what does not fit is refused, and nothing has changed", "[storage]") {
  const Place place;
  place.make_present();
  const auto refused = [&](std::uint32_t shard_count = kShardCount) {
    const auto error = error_of(Restoration::prepare(place.backup, place.store, shard_count, {}));
    CHECK(place.names() == std::vector<std::string>{"state.sqlite"});
    CHECK(contents(*open_sqlite(place.store.location, reading())) == kPresentRows);
    return error;
  };
  SECTION("another number of shards") {
    const auto error = refused(kShardCount * 2);
    CHECK(error.code == StoreErrorCode::incompatible);
    CHECK_THAT(error.message, Catch::Contains("set `shards = 8` in epic.toml"));
  }
  SECTION("a newer format") {
    run_sql(place.backup,
            "UPDATE meta SET value = 99 WHERE name = 'format_version'; UPDATE meta SET value = '7.1' WHERE "
            "name = 'needs_epic';");
    CHECK_THAT(refused().message, Catch::Contains("has format 99") && Catch::Contains("epic 7.1 or newer"));
  }
  SECTION("another program's database") {
    run_sql(place.backup, "PRAGMA application_id = 1;");
    CHECK_THAT(refused().message, Catch::Contains("another program's database") && !Catch::Contains("mkdir"));
  }
  SECTION("no database") {
    write_text(place.backup, std::string(8192, 'x'));
    CHECK(refused().code == StoreErrorCode::corrupt);
  }
  SECTION("an empty file") {
    write_text(place.backup, "");
    CHECK_THAT(refused().message, Catch::Contains("is empty"));
  }
  SECTION("a pipe where SQLite would look for a journal") {
    REQUIRE(::mkfifo((place.backup.string() + "-journal").c_str(), 0600) == 0);
    CHECK_THAT(refused().message, Catch::Contains("monday.epic-journal' is not a regular file"));
  }
  SECTION("with a log that another user has put there") {
    if (::geteuid() != 0) {
      WARN("skipped: only root can give files away");
      return;
    }
    const std::string log = place.backup.string() + "-wal";
    write_text(log, std::string(4096, 'x'));
    REQUIRE(::chown(log.c_str(), 65534, 65534) == 0);
    CHECK_THAT(refused().message, Catch::Contains("belongs to user 65534"));
  }
  SECTION("a file that was cut off") {
    fs::resize_file(place.backup, fs::file_size(place.backup) / 2);
    CHECK(refused().code == StoreErrorCode::corrupt);
  }
}

TEST_CASE("restoration: where others may make files, a log that comes after the check is not read", "[storage]") {
  const Place place;
  const fs::path other = place.directory.path() / "other.epic";
  fs::copy_file(place.backup, other);
  Child writer([&](const Reporter& reporter) {
    const auto opened = open_sqlite(other, writing());
    const auto tenure = take(*opened, ShardId{0}, NodeId{2});
    must(opened->commit(batch_of({tenure}, {put("T", "z", "forged")}, NodeId{2})));
    reporter.line("committed");
    ::pause();
  });
  REQUIRE(writer.read_line() == "committed");
  writer.kill();
  const fs::path shared = place.directory.path() / "shared";
  const fs::path file = shared / "monday.epic";
  fs::create_directory(shared);
  fs::copy_file(other, file);
  REQUIRE(::chmod(shared.c_str(), 01777) == 0);
  const auto count_forged = [&](Access access) {
    auto connection = must(Connection::open(file, access, "", std::chrono::seconds(1)));
    return must(connection.integer("SELECT count(*) FROM snapshots WHERE key = 'z'"));
  };

  CHECK(must(Restoration::prepare(file, place.store, kShardCount, {})).content().entities == 2);
  CHECK(std::distance(fs::directory_iterator(shared), {}) == 1);
  const Access access = must(access_to_read(file));
  fs::copy_file(other.string() + "-wal", file.string() + "-wal");
  CHECK(count_forged(access) == 0);
  CHECK_THAT(error_of(Restoration::prepare(file, place.store, kShardCount, {})).message,
             Catch::Contains("where other users may make files"));

  REQUIRE(::chmod(shared.c_str(), 0755) == 0);
  CHECK(must(access_to_read(file)) == Access::read);
  CHECK(count_forged(Access::read) == 1);
}

TEST_CASE("restoration: a damaged row is named, and the caller decides", "[storage]") {
  const Place place;
  run_sql(place.backup, "UPDATE snapshots SET bytes = x'00' WHERE key = 'b'");
  std::vector<std::string> damage;
  const auto restoration = must(Restoration::prepare(
      place.backup, place.store, kShardCount, {.on_damage = [&](const std::string& what) { damage.push_back(what); }}));
  CHECK(restoration.content().damaged == 1);
  CHECK(restoration.content().entities == 1);
  REQUIRE(damage.size() == 1);
  CHECK_THAT(damage[0], Catch::Contains("T/b"));
}

TEST_CASE("restoration: what a crash has left in the log of the former store is kept with it", "[storage]") {
  const Place place;
  place.crash_present();

  const fs::path former = must(place.restore());
  CHECK(place.rows_of_next_fabric() == kBackupRows);
  CHECK(contents(*open_sqlite(former / "state.sqlite", writing())) == kPresentRows);
}

TEST_CASE("restoration: a log that was cut off is not copied into the former database, and both are kept as they are",
          "[storage]") {
  const bool was_noticed = GENERATE(false, true);
  CAPTURE(was_noticed);
  const Place place;
  place.crash_present(/*commits=*/20);
  const fs::path log = place.store.location.string() + "-wal";
  fs::resize_file(log, fs::file_size(log) / 2);
  if (was_noticed) write_mark(place.store.location, {.what = "'state.sqlite-wal' was cut off"}, kNow);
  const std::string log_text = text_in(log);
  const std::string text = text_in(place.store.location);

  const fs::path former = must(place.restore());
  CHECK(place.rows_of_next_fabric() == kBackupRows);
  CHECK(text_in(former / "state.sqlite-wal") == log_text);
  CHECK(text_in(former / "state.sqlite") == text);
  CHECK(mark_files(place.store.location).empty());
  REQUIRE(read_mark(former / "state.sqlite").has_value());
  CHECK_THAT(read_mark(former / "state.sqlite")->what, Catch::Contains("state.sqlite-wal'"));
  CHECK(error_of(SqliteStore::open(former / "state.sqlite", writing())).code == StoreErrorCode::marked);
}

TEST_CASE("restoration: the log of a database that was emptied is kept", "[storage]") {
  const Place place;
  place.crash_present();
  const std::string log_text = text_in(place.store.location.string() + "-wal");
  fs::resize_file(place.store.location, 0);
  const fs::path former = must(place.restore());
  CHECK(place.rows_of_next_fabric() == kBackupRows);
  CHECK(text_in(former / "state.sqlite-wal") == log_text);
}

TEST_CASE("restoration: a log that came in the place of another is not copied into the former database", "[storage]") {
  const Place place;
  place.crash_present();
  const fs::path log = place.store.location.string() + "-wal";
  fs::rename(log, place.directory.path() / "away");
  fs::copy_file(place.directory.path() / "away", log);
  write_mark(place.store.location, {.kind = StoreMark::Kind::away, .what = "'state.sqlite-wal' was replaced"}, kNow);
  const std::string log_text = text_in(log);
  const fs::path former = must(place.restore());
  CHECK(place.rows_of_next_fabric() == kBackupRows);
  CHECK(text_in(former / "state.sqlite-wal") == log_text);
}

TEST_CASE("restoration: a former store that is no database is kept as it is", "[storage]") {
  const Place place;
  write_text(place.store.location, std::string(8192, 'x'));
  const fs::path former = must(place.restore());
  CHECK(place.rows_of_next_fabric() == kBackupRows);
  CHECK(text_in(former / "state.sqlite") == std::string(8192, 'x'));
}

TEST_CASE("restoration: a log without its database is put away, not written into the restored one", "[storage]") {
  const Place place;
  place.make_present();
  {
    const auto open = open_sqlite(place.store.location, writing());
    const auto tenure = take(*open, ShardId{0}, NodeId{2});
    must(open->commit(batch_of({tenure}, {put("T", "a", "in the log")}, NodeId{2})));
    fs::copy_file(place.store.location.string() + "-wal", place.directory.path() / "log");
  }
  fs::remove(place.store.location);
  fs::rename(place.directory.path() / "log", place.store.location.string() + "-wal");
  const fs::path former = must(place.restore());
  CHECK(place.rows_of_next_fabric() == kBackupRows);
  CHECK(fs::file_size(former / "state.sqlite-wal") > 0);
}

TEST_CASE("restoration: a store that others have open is left alone", "[storage]") {
  const Place place;
  place.make_present();
  SECTION("for writing") {
    const auto fabric = open_sqlite(place.store.location, writing());
    const auto error = error_of(place.restore());
    CHECK(error.code == StoreErrorCode::busy);
    CHECK_THAT(error.message, Catch::Contains("open for writing"));
  }
  SECTION("for reading, at one moment") {
    Child reader([&](const Reporter& reporter) {
      const auto open = open_sqlite(place.store.location, reading());
      must(open->begin_moment());
      reporter.line("reads");
      ::pause();
    });
    REQUIRE(reader.read_line() == "reads");
    const auto error = error_of(place.restore());
    CHECK(error.code == StoreErrorCode::busy);
    CHECK_THAT(error.message, Catch::Contains("is being read by process"));
    CHECK(place.rows_of_next_fabric() == kPresentRows);
    reader.kill();
    must(place.restore());
    CHECK(place.rows_of_next_fabric() == kBackupRows);
    return;
  }
  SECTION("for reading, though its log was cut off") {
    write_mark(place.store.location, {.what = "'state.sqlite-wal' was cut off"}, kNow);
    Child reader([&](const Reporter& reporter) {
      const auto open = open_sqlite(place.store.location, reading());
      reporter.line("open");
      ::pause();
    });
    REQUIRE(reader.read_line() == "open");
    const auto error = error_of(place.restore());
    CHECK(error.code == StoreErrorCode::busy);
    CHECK_THAT(error.message, Catch::Contains("is being read by process"));
    CHECK(place.names() == std::vector<std::string>{"state.sqlite"});
    reader.kill();
    must(place.restore());
    CHECK(place.rows_of_next_fabric() == kBackupRows);
    return;
  }
  CHECK(place.rows_of_next_fabric() == kPresentRows);
}

TEST_CASE("restoration: killed anywhere, the store is the former one or the restored one", "[storage]") {
  const bool has_log = GENERATE(false, true);
  int of_former = 0;
  int of_restored = 0;
  for (int last = 1;; ++last) {
    const Place place;
    has_log ? place.crash_present() : place.make_present();
    Child child([&](const Reporter& reporter) {
      int reports = 0;
      const auto done = place.restore({.on_progress = [&](BackupStep, std::uint64_t, std::uint64_t) {
        if (++reports == last) ::kill(::getpid(), SIGKILL);
      }});
      reporter.line(done ? "done" : done.error().message);
    });
    const auto end = child.read_line();
    if (end) CHECK(end == "done");
    const Rows rows = place.rows_of_next_fabric();
    INFO("killed at report " << last);
    CHECK((rows == kPresentRows || rows == kBackupRows));
    ++(rows == kPresentRows ? of_former : of_restored);
    const fs::path former = must(place.restore());  // it can be done again
    CHECK(place.rows_of_next_fabric() == kBackupRows);
    CHECK(contents(*open_sqlite(former / "state.sqlite", reading())) == rows);
    CHECK_FALSE(fs::exists(place.state / "restoring"));
    if (end) break;
  }
  CHECK(of_former >= 3);    // copying, checking, putting the former one away
  CHECK(of_restored >= 2);  // renamed, done
}
