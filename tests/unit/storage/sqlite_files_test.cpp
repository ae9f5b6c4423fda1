// What happens to a store whose files are deleted, replaced or cut off while it is open.

#include "storage/sqlite_files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "storage/store_mark.hpp"
#include "support/child.hpp"
#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::ShardId;
using epic::test::Child;
using epic::test::Reporter;
namespace fs = std::filesystem;

namespace {

fs::path log_of(const fs::path& file) { return file.string() + "-wal"; }

struct Open {
  TempDir directory;
  fs::path file = directory.file();
  std::unique_ptr<SqliteStore> store = open_sqlite(file);
  ShardEpoch epoch = take(*store);

  [[nodiscard]] std::expected<void, StoreError> save(std::string_view text) {
    return store->commit(batch_of({epoch}, {put("Counter", "a", text)}));
  }
};

std::string value_of(SqliteStore& store) {
  const auto found = must(store.load("Counter", "a"));
  return found ? text_of(found->bytes) : "nothing";
}

/// A store whose only process was killed.
struct Crashed {
  bool must_copy = false;    // the log, into the database
  bool saves_again = false;  // afterwards
  TempDir directory = {};
  fs::path file = die();

  [[nodiscard]] fs::path die() const {
    Child user([&](const Reporter& report) {
      const auto store = open_sqlite(directory.file());
      const ShardEpoch epoch = take(*store);
      const auto save = [&](const std::string& key, std::string_view text) {
        must(store->commit(batch_of({epoch}, {put("Counter", key, text)})));
      };
      save("a", "one");
      must(store->maintain());
      for (int i = 0; i < 50; ++i) save(std::to_string(i), std::string(5000, 'x'));
      save("a", "two");
      if (must_copy) must(store->maintain());
      if (saves_again) save("a", "three");
      report.line("saved");
      ::pause();
    });
    REQUIRE(user.read_line() == "saved");
    user.kill();
    return directory.file();
  }
};

/// In one step, so that nobody sees it missing meanwhile; the former one is in `directory` as "away".
void replace_log(const fs::path& file, const fs::path& directory) {
  std::ofstream(directory / "new") << std::string(100, 'x');
  fs::create_hard_link(log_of(file), directory / "away");
  fs::rename(directory / "new", log_of(file));
}

}  // namespace

TEST_CASE("store files: a log that is deleted stops acknowledgements, and what was acknowledged is in the database",
          "[storage]") {
  Open open;
  must(open.save("before"));
  fs::remove(log_of(open.file));

  CHECK(error_of(open.save("after")).code == StoreErrorCode::displaced);
  const StoreError noticed = error_of(open.store->check_files());
  CHECK(noticed.code == StoreErrorCode::displaced);
  CHECK(noticed.message.find("state.sqlite-wal' was deleted") != std::string::npos);
  CHECK(noticed.message.find("epic stop") != std::string::npos);
  CHECK(noticed.message.find("estore") == std::string::npos);  // a restart is enough
  CHECK(error_of(open.save("later")).code == StoreErrorCode::displaced);

  // Nobody else may use the files as they are now.
  CHECK(error_of(SqliteStore::open(open.file, creating())).code == StoreErrorCode::displaced);
  CHECK(error_of(SqliteStore::open(open.file, reading())).code == StoreErrorCode::displaced);

  open.store.reset();
  const auto again = open_sqlite(open.file);
  REQUIRE(must(again->load("Counter", "a")).has_value());
  CHECK(text_of(must(again->load("Counter", "a"))->bytes) != "later");
}

TEST_CASE("store files: a reader of a deleted database learns that it was there, as long as a fabric has it open",
          "[storage]") {
  Open open;
  must(open.save("before"));
  fs::remove(open.file);
  const StoreError gone = error_of(SqliteStore::open(open.file, reading()));
  CHECK(gone.code == StoreErrorCode::displaced);
  CHECK(gone.message.find("was deleted") != std::string::npos);
  open.store.reset();
  const StoreError missing = error_of(SqliteStore::open(open.file, reading()));
  CHECK(missing.code == StoreErrorCode::corrupt);
  CHECK_THAT(missing.message, Catch::Contains("shows that a store was there"));
}

TEST_CASE("store files: a file that is moved away and back is used again", "[storage]") {
  Open open;
  must(open.save("one"));
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    CAPTURE(suffix);
    const fs::path path = open.file.string() + suffix;
    fs::rename(path, open.directory.path() / "away");
    CHECK(error_of(open.store->check_files()).message.find("moved away") != std::string::npos);
    CHECK(error_of(open.save("two")).code == StoreErrorCode::displaced);
    fs::rename(open.directory.path() / "away", path);
    must(open.store->check_files());
    must(open.save("three"));
  }
}

TEST_CASE("store files: a copy in the place of a file is noticed", "[storage]") {
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    CAPTURE(suffix);
    Open open;
    must(open.save("one"));
    const fs::path path = open.file.string() + suffix;
    fs::copy_file(path, open.directory.path() / "copy");
    fs::rename(open.directory.path() / "copy", path);
    CHECK(error_of(open.save("two")).message.find("was replaced") != std::string::npos);
    open.store.reset();
  }
}

TEST_CASE("store files: a log or a database that is cut off is noticed", "[storage]") {
  for (const char* suffix : {"", "-wal"}) {
    CAPTURE(suffix);
    Open open;
    must(open.save(std::string(20'000, 'x')));
    must(open.store->maintain());  // into the database
    must(open.save(std::string(20'000, 'y')));
    must(open.store->check_files());
    const fs::path path = open.file.string() + suffix;
    fs::resize_file(path, fs::file_size(path) / 4);
    const StoreError noticed = error_of(open.store->check_files());
    CHECK(noticed.code == StoreErrorCode::marked);
    CHECK_THAT(noticed.message, Catch::Contains(path.string() + "' was cut off at") && Catch::Contains("2023-11-14") &&
                                    Catch::Contains("epic snapshot verify --accept"));
    CHECK(error_of(open.save("z")).code == StoreErrorCode::marked);
    open.store.reset();
  }
}

TEST_CASE("store files: a commit into a log that was cut off just now is refused", "[storage]") {
  Open open;
  must(open.save("one"));
  fs::resize_file(log_of(open.file), 64);
  CHECK(error_of(open.save("two")).code == StoreErrorCode::marked);
}

TEST_CASE("store files: a log that is cut off after everything in it was copied has lost nothing", "[storage]") {
  Open open;
  must(open.save("one"));
  must(open.store->maintain());
  fs::resize_file(log_of(open.file), 0);
  must(open.store->check_files());
  must(open.save("two"));
  open.store.reset();
  CHECK(value_of(*open_sqlite(open.file)) == "two");
}

TEST_CASE("store files: once a cut was noticed nobody writes to the store, until a person accepts what is left",
          "[storage]") {
  Open open;
  must(open.save("one"));
  must(open.store->maintain());
  must(open.save("two"));
  const auto neighbour = open_sqlite(open.file);
  fs::resize_file(log_of(open.file), 0);
  CHECK(error_of(open.store->check_files()).code == StoreErrorCode::marked);
  CHECK(error_of(neighbour->check_files()).code == StoreErrorCode::marked);
  CHECK(error_of(SqliteStore::open(open.file, creating())).code == StoreErrorCode::marked);
  open.store.reset();

  OpenOptions existing = creating();
  existing.mode = OpenMode::existing;
  for (const OpenOptions& options : {creating(), existing}) {
    const StoreError refused = error_of(SqliteStore::open(open.file, options));
    CHECK(refused.code == StoreErrorCode::marked);
    CHECK_THAT(refused.message, Catch::Contains("state.sqlite-wal' was cut off at 0 bytes"));
  }
  struct stat status{};
  REQUIRE(::stat((open.file.string() + ".mark").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
}

TEST_CASE("store files: what is left of a store that was cut off can be read, and accepted", "[storage]") {
  Open open;
  must(open.save("one"));
  must(open.store->maintain());
  must(open.save("two"));
  fs::resize_file(log_of(open.file), 0);
  CHECK(error_of(open.store->check_files()).code == StoreErrorCode::marked);
  open.store.reset();  // copies nothing from what is left of the log

  CHECK(value_of(*open_sqlite(open.file, reading())) == "one");
  CHECK(error_of(SqliteStore::open(open.file, creating())).code == StoreErrorCode::marked);
  must(remove_marks(open.file));
  CHECK(value_of(*open_sqlite(open.file)) == "one");
}

TEST_CASE("store files: a mark ends all that have the store open, and its first reason stays", "[storage]") {
  Open open;
  must(open.save("one"));
  write_mark(open.file, {.kind = StoreMark::Kind::away, .what = "it went"}, kNow);
  must(open.store->check_files());  // it has not
  write_mark(open.file, {.kind = StoreMark::Kind::lost, .what = "it was cut"}, kNow);
  write_mark(open.file, {.kind = StoreMark::Kind::lost, .what = "it was cut again"}, kNow);
  write_mark(open.file, {.kind = StoreMark::Kind::away, .what = "it went"}, kNow);
  CHECK(read_mark(open.file).value().what == "it was cut (noticed at 2023-11-14T22:13:20Z)");
  CHECK(error_of(open.save("two")).code == StoreErrorCode::marked);
  must(remove_marks(open.file));
  CHECK(error_of(open.save("two")).code == StoreErrorCode::marked);  // its caches are of before
  open.store.reset();
  must(remove_marks(open.file));
  CHECK_FALSE(read_mark(open.file).has_value());
  must(open_sqlite(open.file)->check_files());
}

TEST_CASE("store files: a database that is gone when the last process ends is refused until it is back", "[storage]") {
  Open open;
  must(open.save("one"));
  const fs::path away = open.directory.path() / "away";
  fs::rename(open.file, away);
  CHECK(error_of(open.store->check_files()).code == StoreErrorCode::displaced);
  open.store.reset();
  CHECK(error_of(SqliteStore::open(open.file, creating())).code == StoreErrorCode::marked);
  CHECK_FALSE(fs::exists(open.file));  // no empty one took its place
  fs::copy_file(away, open.file);
  CHECK(error_of(SqliteStore::open(open.file, creating())).code == StoreErrorCode::marked);
  fs::rename(away, open.file);
  CHECK(value_of(*open_sqlite(open.file)) == "one");
  CHECK_FALSE(read_mark(open.file).has_value());
}

TEST_CASE("store files: a log that was replaced is copied by the last to end, or refused if that is killed",
          "[storage]") {
  const TempDir directory;
  const fs::path file = directory.file();
  Child user([&](const Reporter& report) {
    const auto store = open_sqlite(file);
    must(store->commit(batch_of({take(*store)}, {put("Counter", "a", "one")})));
    report.line("saved");
    while (store->check_files().has_value()) {
    }
    report.line("noticed");
    ::pause();
  });
  REQUIRE(user.read_line() == "saved");
  replace_log(file, directory.path());
  REQUIRE(user.read_line() == "noticed");
  user.kill();
  CHECK(error_of(SqliteStore::open(file, creating())).code == StoreErrorCode::marked);
  fs::rename(directory.path() / "away", log_of(file));
  CHECK(value_of(*open_sqlite(file)) == "one");

  Open open;
  must(open.save("one"));
  replace_log(open.file, open.directory.path());
  CHECK(error_of(open.store->check_files()).code == StoreErrorCode::displaced);
  open.store.reset();
  CHECK(value_of(*open_sqlite(open.file)) == "one");
}

TEST_CASE("store files: a log that was cut off after a crash is noticed, also if a reader comes first", "[storage]") {
  const bool has_reader = GENERATE(false, true);
  const std::string how = GENERATE(as<std::string>{}, "emptied", "a header", "half", "removed");
  CAPTURE(has_reader, how);
  const Crashed crashed;
  const fs::path log = log_of(crashed.file);
  if (how == "emptied") fs::resize_file(log, 0);
  if (how == "a header") fs::resize_file(log, 40);
  if (how == "half") fs::resize_file(log, fs::file_size(log) / 2);
  if (how == "removed") fs::remove(log);
  if (has_reader) CHECK(value_of(*open_sqlite(crashed.file, reading())) != "two");
  for (int attempt = 0; attempt < 2; ++attempt) {
    const StoreError refused = error_of(SqliteStore::open(crashed.file, creating()));
    CHECK(refused.code == StoreErrorCode::marked);
    CHECK_THAT(refused.message, Catch::Contains(log.string()) && Catch::Contains("when the fabric died"));
  }
  CHECK(value_of(*open_sqlite(crashed.file, reading())) != "two");  // what is left, which a person may accept
  must(remove_marks(crashed.file));
  CHECK(value_of(*open_sqlite(crashed.file)) != "two");
}

TEST_CASE("store files: what shared memory says of a log counts only where it can be trusted", "[storage]") {
  SECTION("the log is whole") {
    const Crashed crashed;
    CHECK(value_of(*open_sqlite(crashed.file)) == "two");
  }
  SECTION("everything in the log was copied before the crash") {
    const Crashed crashed{.must_copy = true};
    fs::remove(log_of(crashed.file));
    CHECK(value_of(*open_sqlite(crashed.file)) == "two");
  }
  SECTION("the machine was started anew since, so the files may be of various times") {
    const Crashed crashed;
    const fs::path lock = crashed.file.string() + ".lock";
    std::string record((std::istreambuf_iterator<char>(std::ifstream(lock).rdbuf())), {});
    record.resize(record.rfind(' ') + 1);
    std::ofstream(lock) << record << "another-boot\n";
    fs::remove(log_of(crashed.file));
    CHECK(value_of(*open_sqlite(crashed.file)) != "two");
  }
  SECTION("a copy of the database was put there with its own log") {
    const TempDir other;
    const auto held = open_sqlite(other.file());
    must(held->commit(batch_of({take(*held)}, {put("Counter", "a", "restored")})));
    const Crashed crashed;
    REQUIRE(fs::file_size(log_of(other.file())) < fs::file_size(log_of(crashed.file)));
    for (const char* suffix : {"", "-wal"})
      fs::copy_file(other.file().string() + suffix, crashed.file.string() + suffix,
                    fs::copy_options::overwrite_existing);
    CHECK(value_of(*open_sqlite(crashed.file)) == "restored");
  }
}

TEST_CASE("store files: an empty database is not taken for a new one where a store was", "[storage]") {
  const auto refused = [](const fs::path& file) {
    OpenOptions existing = creating();
    existing.mode = OpenMode::existing;
    for (const OpenOptions& options : {creating(), existing, reading()}) {
      const StoreError error = error_of(SqliteStore::open(file, options));
      CHECK(error.code == StoreErrorCode::corrupt);
      CHECK_THAT(error.message,
                 Catch::Contains("a store was there") && Catch::Contains("&& mv '" + file.string() + "'*"));
    }
  };
  SECTION("emptied after an end in order") {
    const TempDir directory;
    open_sqlite(directory.file()).reset();
    fs::resize_file(directory.file(), 0);
    fs::create_directory(directory.path() / "damaged");  // by someone who took the advice before
    refused(directory.file());
    CHECK_THAT(error_of(SqliteStore::open(directory.file(), creating())).message,
               Catch::Contains("mkdir '" + (directory.path() / "damaged-2").string() + "' &&"));
    for (const char* suffix : {"", ".lock", ".checkpoint"}) fs::remove(directory.file().string() + suffix);
    open_sqlite(directory.file()).reset();
  }
  SECTION("emptied or removed after a crash: the log is left alone") {
    const bool is_removed = GENERATE(false, true);
    CAPTURE(is_removed);
    const Crashed crashed;
    const auto log_bytes = fs::file_size(log_of(crashed.file));
    is_removed ? static_cast<void>(fs::remove(crashed.file)) : fs::resize_file(crashed.file, 0);
    refused(crashed.file);
    CHECK(fs::file_size(log_of(crashed.file)) == log_bytes);
  }
  SECTION("removed after an end in order: that is how to start anew") {
    const TempDir directory;
    open_sqlite(directory.file()).reset();
    fs::remove(directory.file());
    CHECK(error_of(SqliteStore::open(directory.file(), reading())).code == StoreErrorCode::not_found);
    open_sqlite(directory.file()).reset();
  }
}

TEST_CASE("store files: a database that was cut off after a crash is refused, though its log is whole", "[storage]") {
  const Crashed crashed{.must_copy = true, .saves_again = true};
  fs::resize_file(crashed.file, fs::file_size(crashed.file) / 2);
  for (int attempt = 0; attempt < 2; ++attempt) {  // the first must not make it look whole
    const StoreError refused = error_of(SqliteStore::open(crashed.file, creating()));
    CHECK(refused.code == StoreErrorCode::corrupt);
    CHECK_THAT(refused.message, Catch::Contains(crashed.file.string() + "' was cut off: it has"));
  }
}

TEST_CASE("store files: another program's checkpoint and VACUUM do no harm", "[storage]") {
  Open open;
  for (int i = 0; i < 50; ++i)
    must(open.store->commit(batch_of({open.epoch}, {put("Counter", std::to_string(i), std::string(5000, 'x'))})));
  must(open.store->maintain());
  for (int i = 0; i < 50; ++i)
    must(open.store->commit(batch_of({open.epoch}, {erasure("Counter", std::to_string(i))})));
  const std::string file = open.file.string();
  REQUIRE(std::system(("sqlite3 '" + file + "' 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null 2>&1 || true").c_str()) ==
          0);
  must(open.store->check_files());
  REQUIRE(std::system(
              ("sqlite3 '" + file + "' VACUUM 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null 2>&1 || true").c_str()) ==
          0);
  must(open.store->check_files());
  must(open.save("still"));
}

TEST_CASE("store files: a store whose last user was killed opens, whatever was exchanged since", "[storage]") {
  const TempDir directory;
  Child user([&](const Reporter& report) {
    const auto store = open_sqlite(directory.file());
    const ShardEpoch epoch = take(*store);
    must(store->commit(batch_of({epoch}, {put("Counter", "a", "kept")})));
    report.line("saved");
    ::pause();
  });
  REQUIRE(user.read_line() == "saved");
  fs::copy_file(log_of(directory.file()), directory.path() / "copy");
  fs::rename(directory.path() / "copy", log_of(directory.file()));
  CHECK(error_of(SqliteStore::open(directory.file(), creating())).code == StoreErrorCode::displaced);
  user.kill();
  const auto store = open_sqlite(directory.file());
  CHECK(text_of(must(store->load("Counter", "a"))->bytes) == "kept");
}

TEST_CASE("store files: at its limit the log takes no more commits, and the error names who keeps it", "[storage]") {
  const TempDir directory;
  OpenOptions options = creating();
  options.wal = {.checkpoint_frames = 10, .frames_wait = 20, .frames_max = 60};
  const auto store = open_sqlite(directory.file(), options);
  const ShardEpoch epoch = take(*store);
  const auto save = [&](int i) {
    return store->commit(batch_of({epoch}, {put("Counter", std::to_string(i), std::string(1500, 'x'))}));
  };
  must(save(0));

  Child reader([&](const Reporter& report) {
    const auto reads = open_sqlite(directory.file(), reading());
    must(reads->begin_moment());
    report.line("reads");
    ::pause();
  });
  REQUIRE(reader.read_line() == "reads");
  std::optional<StoreError> refused;
  int written = 0;
  for (; written < 500 && !refused; ++written)
    if (auto saved = save(written); !saved) refused = saved.error();
  REQUIRE(refused.has_value());
  CHECK(refused->code == StoreErrorCode::full);
  CHECK(refused->message.find("because process ") != std::string::npos);
  const auto bytes = fs::file_size(log_of(directory.file()));
  for (int i = 0; i < 20; ++i) CHECK_FALSE(save(i).has_value());
  CHECK(fs::file_size(log_of(directory.file())) == bytes);

  reader.kill();
  must(save(1));
}

TEST_CASE("store files: a reader that moves on never keeps commits from being written", "[storage][threads]") {
  const TempDir directory;
  OpenOptions options = creating();
  options.wal = {.checkpoint_frames = 20, .frames_wait = 40, .frames_max = 400};
  const auto store = open_sqlite(directory.file(), options);
  const ShardEpoch epoch = take(*store);
  const auto reads = must(store->reader_opener()());
  must(reads->begin_moment());
  CHECK_FALSE(must(reads->try_move_on()));

  std::atomic<bool> is_done{false};
  std::atomic<bool> is_stuck{false};
  std::thread writer([&] {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (int i = 0; i < 1000 && !is_stuck; ++i) {
      const Batch batch = batch_of({epoch}, {put("Counter", "a", std::to_string(i) + std::string(1500, 'x'))});
      while (!store->commit(batch) && !is_stuck) is_stuck = std::chrono::steady_clock::now() > until;
    }
    is_done = true;
  });
  int moves = 0;
  while (!is_done)
    if (must(reads->try_move_on())) ++moves;
  writer.join();
  CHECK(moves > 0);
  CHECK_FALSE(is_stuck);
  CHECK(fs::file_size(log_of(directory.file())) < 2 * 400 * (2048 + 24));
}
