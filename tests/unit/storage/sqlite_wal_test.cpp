// Durability of the SQLite store, on a disk that forgets.

#include "storage/sqlite_wal.hpp"

#include <algorithm>
#include <fstream>

#include "sim/forgetful_disk.hpp"
#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::sim::ForgetfulDisk;

namespace {

namespace fs = std::filesystem;

bool is_log(const std::string& path) { return path.ends_with("-wal"); }

OpenOptions creating_on(const ForgetfulDisk& disk) {
  OpenOptions options = creating();
  options.vfs = disk.vfs();
  return options;
}

/// Changes each time the log is reused from its start.
std::string log_salt(const TempDir& directory) {
  std::ifstream log(directory.path() / "state.sqlite-wal", std::ios::binary);
  std::string header(32, '\0');
  log.read(header.data(), static_cast<std::streamsize>(header.size()));
  return header.substr(16, 8);
}

std::uint64_t base_seed() {
  const char* given = std::getenv("EPIC_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

/// Two stores on one disk that alternately commit and maintain; the power fails before the n-th sync.
class PowerCutRun {
 public:
  explicit PowerCutRun(std::uint64_t seed) : random_(seed), cut_at_(1 + random_() % 120) {
    disk_.before_sync = [this](const std::string&) {
      if (++syncs_ == cut_at_) {
        disk_.cut_power(after_.path(), random_);
        acknowledged_at_cut_ = acknowledged_;
      }
      return SQLITE_OK;
    };
  }

  void run() {
    OpenOptions options = creating_on(disk_);
    options.wal = {.checkpoint_frames = 12, .frames_wait = 60};
    const std::array stores{open_sqlite(before_.file(), options), open_sqlite(before_.file(), options)};
    const ShardEpoch held = take(*stores[0]);
    for (int number = 1; syncs_ < cut_at_; ++number) {
      SqliteStore& store = *stores[random_() % 2];
      const std::string key = std::to_string(random_() % 6);
      // Large states span many frames, so that cuts hit the middle of commits.
      const std::string text = std::to_string(number) + std::string(random_() % 3 * 9'000, '.');
      must(store.commit(batch_of({held}, {put("left", key, text), put("right", key, text)})));
      acknowledged_[key] = number;
      if (store.wants_maintenance() || random_() % 8 == 0) must(store.maintain());
    }
    check_what_is_left();
  }

 private:
  void check_what_is_left() {
    INFO("power cut before sync " << cut_at_);
    const auto store = open_sqlite(after_.file());
    for (const auto& [key, number] : acknowledged_at_cut_) {
      INFO("key " << key << ", acknowledged " << number);
      const auto left = must(store->load("left", key));
      const auto right = must(store->load("right", key));
      REQUIRE(left);
      REQUIRE(right);
      CHECK(left->bytes == right->bytes);
      CHECK(std::stoi(text_of(left->bytes)) >= number);
    }
  }

  std::mt19937_64 random_;
  TempDir before_;
  TempDir after_;
  ForgetfulDisk disk_;
  int cut_at_;
  int syncs_ = 0;
  std::map<std::string, int> acknowledged_;
  std::map<std::string, int> acknowledged_at_cut_;
};

}  // namespace

TEST_CASE("forgetful disk: what was not synced may be lost in a power cut", "[storage]") {
  const TempDir before;
  const TempDir after;
  const ForgetfulDisk disk;
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open_v2(before.file().c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                          disk.vfs().c_str()) == SQLITE_OK);
  REQUIRE(sqlite3_exec(raw, "PRAGMA synchronous = OFF; CREATE TABLE t(x); INSERT INTO t VALUES(zeroblob(100000))",
                       nullptr, nullptr, nullptr) == SQLITE_OK);
  std::mt19937_64 coin(1);
  disk.cut_power(after.path(), coin);
  sqlite3_close(raw);

  std::ifstream file(after.file(), std::ios::binary);
  const std::string left{std::istreambuf_iterator<char>(file), {}};
  std::ifstream original(before.file(), std::ios::binary);
  CHECK(left != std::string{std::istreambuf_iterator<char>(original), {}});
}

TEST_CASE("sqlite wal: a commit that returned survives a power cut at any moment", "[storage]") {
  const std::uint64_t first = base_seed();
  for (std::uint64_t seed = first; seed < first + 60; ++seed) {
    INFO("EPIC_SEED=" << seed);
    PowerCutRun(seed).run();
  }
}

TEST_CASE("sqlite wal: a commit is durable even if a neighbour restarts the log before the sync", "[storage]") {
  const TempDir before;
  const TempDir after;
  std::mt19937_64 coin(7);
  bool is_in_between = false;  // outlives the stores: closing one syncs, too
  ForgetfulDisk disk;
  const auto store = open_sqlite(before.file(), creating_on(disk));
  const auto neighbour = open_sqlite(before.file(), creating_on(disk));
  const ShardEpoch held = take(*store);
  must(neighbour->commit(batch_of({held}, {put("T", "first", "1")})));

  disk.before_sync = [&](const std::string& path) {
    if (is_in_between || !is_log(path)) return SQLITE_OK;
    is_in_between = true;
    // Here: committed, lock released, not yet synced.
    const std::string salt = log_salt(before);
    must(neighbour->maintain());
    must(neighbour->commit(batch_of({held}, {put("T", "second", "2")})));
    CHECK(log_salt(before) != salt);
    disk.cut_power(after.path(), coin);
    return SQLITE_OK;
  };
  must(store->commit(batch_of({held}, {put("T", "between", "x")})));
  REQUIRE(is_in_between);
  CHECK(contents(*open_sqlite(after.file())) == std::vector<std::string>{"T/between=x", "T/first=1", "T/second=2"});
}

TEST_CASE("sqlite wal: a checkpoint changes the database only after the log is durable", "[storage]") {
  const TempDir before;
  ForgetfulDisk disk;
  const auto store = open_sqlite(before.file(), creating_on(disk));
  const auto neighbour = open_sqlite(before.file(), creating_on(disk));
  const ShardEpoch held = take(*store);
  must(neighbour->commit(batch_of({held}, {put("T", "first", std::string(30'000, '1'))})));

  // The power fails while a neighbour checkpoints a commit of ours that is not synced yet.
  std::mt19937_64 coin(base_seed());
  std::vector<std::unique_ptr<TempDir>> left_overs;
  bool is_copying = false;
  disk.before_sync = [&](const std::string& path) {
    if (is_copying && !is_log(path)) {
      for (int i = 0; i < 20; ++i) disk.cut_power(left_overs.emplace_back(std::make_unique<TempDir>())->path(), coin);
    } else if (!is_copying && is_log(path)) {
      is_copying = true;
      must(neighbour->maintain());
    }
    return SQLITE_OK;
  };
  must(store->commit(batch_of({held}, {put("T", "first", std::string(30'000, '2')), put("T", "more", "x")})));
  REQUIRE(left_overs.size() >= 20);
  for (const auto& left_over : left_overs) {
    CHECK(contents(*open_sqlite(left_over->file())) ==
          std::vector<std::string>{"T/first=" + std::string(30'000, '2'), "T/more=x"});
  }
}

TEST_CASE("sqlite wal: after a failed sync the outcome is unknown and every later write is refused", "[storage]") {
  const TempDir directory;
  ForgetfulDisk disk;
  const auto store = open_sqlite(directory.file(), creating_on(disk));
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));

  disk.before_sync = [](const std::string& path) { return is_log(path) ? SQLITE_IOERR_FSYNC : SQLITE_OK; };
  const StoreError error = error_of(store->commit(batch_of({held}, {put("T", "a", "2")})));
  CHECK(error.code == StoreErrorCode::io);
  CHECK_THAT(error.message, Catch::Contains("sync the write-ahead log") && Catch::Contains(directory.file().string()));

  disk.before_sync = nullptr;
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "b", "3")}))).code == StoreErrorCode::io);
  const epic::kernel::ShardId shard{1};
  CHECK(error_of(store->take({&shard, 1}, epic::kernel::NodeId{1}, epic::kernel::Incarnation{1})).code ==
        StoreErrorCode::io);
  CHECK(error_of(store->maintain()).code == StoreErrorCode::io);
  CHECK_FALSE(must(store->load("T", "b")).has_value());
}

TEST_CASE("sqlite wal: commits after a failed sync do not follow a gap in the log", "[storage]") {
  const TempDir before;
  const TempDir after;
  ForgetfulDisk disk;
  const auto failed = open_sqlite(before.file(), creating_on(disk));
  const ShardEpoch held = take(*failed);
  must(failed->commit(batch_of({held}, {put("T", "a", "1")})));
  disk.before_sync = [&](const std::string& path) {
    if (!is_log(path)) return SQLITE_OK;
    disk.give_up_writing(path);
    return SQLITE_IOERR_FSYNC;
  };
  CHECK(error_of(failed->commit(batch_of({held}, {put("T", "b", std::string(9'000, 'b'))}))).code ==
        StoreErrorCode::io);

  std::mt19937_64 coin(base_seed());
  std::vector<std::unique_ptr<TempDir>> cuts;  // while the log is repaired
  const auto cut = [&](const std::string&) {
    disk.cut_power(cuts.emplace_back(std::make_unique<TempDir>())->path(), coin);
    return SQLITE_OK;
  };
  disk.before_sync = cut;
  disk.before_write = cut;
  const auto store = open_sqlite(before.file(), creating_on(disk));  // with the log that `failed` still has open
  disk.before_sync = nullptr;
  disk.before_write = nullptr;
  CHECK(cuts.size() > 1);
  for (const auto& left : cuts)
    CHECK_THAT(contents(*open_sqlite(left->file())), Catch::VectorContains(std::string("T/a=1")));
  const ShardEpoch anew = take(*store);
  must(store->commit(batch_of({anew}, {put("T", "c", "3")})));
  disk.cut_power(after.path(), coin);
  const auto left = contents(*open_sqlite(after.file()));
  CHECK_THAT(left, Catch::VectorContains(std::string("T/a=1")));
  CHECK_THAT(left, Catch::VectorContains(std::string("T/c=3")));
}

TEST_CASE("sqlite wal: a commit during which the disk fills up leaves nothing behind", "[storage]") {
  const TempDir directory;
  ForgetfulDisk disk;
  const auto store = open_sqlite(directory.file(), creating_on(disk));
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1"), put("T", "b", "1")})));

  const std::string large(500'000, 'x');
  int room = GENERATE(0, 1, 5, 12);
  disk.before_write = [&](const std::string& path) { return is_log(path) && room-- <= 0 ? SQLITE_FULL : SQLITE_OK; };
  const StoreError error = error_of(store->commit(batch_of({held}, {put("T", "a", large), put("T", "b", large)})));
  CHECK(error.code == StoreErrorCode::full);
  CHECK(contents(*store) == std::vector<std::string>{"T/a=1", "T/b=1"});

  disk.before_write = nullptr;
  must(store->commit(batch_of({held}, {put("T", "b", "2")})));
  CHECK(contents(*open_sqlite(directory.file())) == std::vector<std::string>{"T/a=1", "T/b=2"});
}

TEST_CASE("sqlite wal: a commit of many pages is one write to the log", "[storage]") {
  const TempDir directory;
  ForgetfulDisk disk;
  const auto store = open_sqlite(directory.file(), creating_on(disk));
  const ShardEpoch held = take(*store);
  const std::string page(3'000, 'x');
  must(store->commit(batch_of({held}, {put("T", "a", page), put("T", "b", page), put("T", "c", page)})));
  int writes = 0;
  disk.before_write = [&](const std::string& path) {
    writes += is_log(path) ? 1 : 0;
    return SQLITE_OK;
  };
  const std::string other(3'000, 'y');
  must(store->commit(batch_of({held}, {put("T", "a", other), put("T", "b", other), put("T", "c", other)})));
  disk.before_write = nullptr;
  CHECK(writes == 1);
  CHECK(contents(*open_sqlite(directory.file())) ==
        std::vector<std::string>{"T/a=" + other, "T/b=" + other, "T/c=" + other});
}

TEST_CASE("sqlite wal: a failed write is an I/O error, and the store refuses further work", "[storage]") {
  const TempDir directory;
  ForgetfulDisk disk;
  const auto store = open_sqlite(directory.file(), creating_on(disk));
  const ShardEpoch held = take(*store);
  disk.before_write = [](const std::string& path) { return is_log(path) ? SQLITE_IOERR_WRITE : SQLITE_OK; };
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "a", "1")}))).code == StoreErrorCode::io);
  disk.before_write = nullptr;
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "a", "1")}))).code == StoreErrorCode::io);
}
