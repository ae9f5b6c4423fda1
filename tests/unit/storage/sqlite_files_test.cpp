// What happens to a store whose files are deleted, replaced or cut off while it is open.

#include "storage/sqlite_files.hpp"

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

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

}  // namespace

TEST_CASE("store files: a log that is deleted stops acknowledgements; what was acknowledged is in the database",
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
  CHECK(gone.message.find("epic run") == std::string::npos);  // one is running
  open.store.reset();
  CHECK(error_of(SqliteStore::open(open.file, reading())).code == StoreErrorCode::not_found);
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
    CHECK(error_of(open.store->check_files()).message.find("was cut off at") != std::string::npos);
    CHECK(error_of(open.save("z")).code == StoreErrorCode::displaced);
    open.store.reset();
  }
}

TEST_CASE("store files: a commit into a log that was cut off just now is refused", "[storage]") {
  Open open;
  must(open.save("one"));
  fs::resize_file(log_of(open.file), 64);
  CHECK(error_of(open.save("two")).code == StoreErrorCode::displaced);
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

TEST_CASE("store files: a reader that moves on never keeps commits from being written", "[storage]") {
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
