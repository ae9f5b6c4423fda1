// One store, many processes: fences, kills, full disks, other users.

#include <fmt/format.h>
#include <poll.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <random>
#include <set>

#include "storage/sqlite_format.hpp"
#include "support/child.hpp"
#include "support/recorded_store.hpp"
#include "support/small_file_system.hpp"
#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::kernel::Version;
using epic::test::Child;
using epic::test::Reporter;
using epic::test::SmallFileSystem;

namespace {

namespace fs = std::filesystem;

constexpr int kWriters = 4;
constexpr uid_t kNobody = 65534;

/// The child's counterpart of must(): reports instead of asserting.
template <class T>
T or_throw(std::expected<T, StoreError> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

OpenOptions small_log() {
  OpenOptions options = creating();
  options.wal = {.checkpoint_frames = 32, .frames_wait = 256};
  return options;
}

/// Grants the shard to `node`, as a supervisor of its own would, and takes it; again if somebody comes between.
ShardEpoch seize(Store& store, ShardId shard, NodeId node) {
  while (true) {
    epic::kernel::Incarnation former{0};
    for (const auto& row : or_throw(store.shards()))
      if (row.shard == shard) former = row.incarnation;
    const auto granted = store.grant({.term = epic::kernel::Term{1},
                                      .map_version = epic::kernel::MapVersion{1},
                                      .list = {{shard, node, incarnation_of(node), former}}});
    if (!granted && granted.error().code == StoreErrorCode::not_granted) continue;
    or_throw(granted);
    const auto taken = store.take({&shard, 1}, node, incarnation_of(node));
    if (!taken && taken.error().code == StoreErrorCode::not_granted) continue;
    return or_throw(taken).at(0);
  }
}

std::string counter_key(ShardId shard) { return fmt::format("counter-{}", shard); }

/// A miniature node: takes shards from its neighbours, keeps the counters of its shards in memory, and increments them
/// there. A write by a former owner would bring back an old count.
class Writer {
 public:
  Writer(const fs::path& file, NodeId node, std::uint64_t seed)
      : store_(or_throw(SqliteStore::open(file, small_log()))), node_(node), random_(seed) {}

  [[noreturn]] void run(const Reporter& reporter) {
    for (;;) {
      const ShardId shard{static_cast<std::uint32_t>(random_() % kShardCount)};
      if (random_() % 8 == 0 || !owned_.contains(shard)) take_over(shard);
      if (try_increment(shard)) reporter.line(std::to_string(shard.value));
      if (store_->wants_maintenance()) or_throw(store_->maintain());
    }
  }

 private:
  struct Owned {
    ShardEpoch held;
    std::int64_t count;
  };

  void take_over(ShardId shard) {
    const ShardEpoch held = seize(*store_, shard, node_);
    const auto stored = or_throw(store_->load("left", counter_key(shard)));
    owned_[shard] = {held, stored ? std::stoll(text_of(stored->bytes)) : 0};
  }

  bool try_increment(ShardId shard) {
    Owned& owned = owned_.at(shard);
    const std::string text = std::to_string(owned.count + 1);
    const std::string key = counter_key(shard);
    const auto committed =
        store_->commit(batch_of({owned.held}, {put("left", key, text, shard), put("right", key, text, shard)}, node_));
    if (!committed && committed.error().code == StoreErrorCode::lost_ownership) {
      owned_.erase(shard);
      return false;
    }
    or_throw(committed);
    ++owned.count;
    return true;
  }

  std::unique_ptr<SqliteStore> store_;
  NodeId node_;
  std::mt19937_64 random_;
  std::map<ShardId, Owned> owned_;
};

/// Writers that start and die, and the acknowledgements they have received.
class Crowd {
 public:
  explicit Crowd(fs::path file) : file_(std::move(file)) {
    for (int i = 0; i < kWriters; ++i) writers_.push_back(spawn(i));
  }

  /// Reads acknowledgements from any writer until there are `count` more.
  void wait_for(int count) {
    for (int seen = 0; seen < count;) {
      std::vector<pollfd> ready;
      for (const Child& writer : writers_) {
        ready.push_back({.fd = writer.report_descriptor(), .events = POLLIN, .revents = 0});
      }
      REQUIRE(::poll(ready.data(), ready.size(), 60'000) > 0);
      for (std::size_t i = 0; i < ready.size(); ++i) {
        if (ready[i].revents == 0) continue;
        const auto line = writers_[i].read_line();
        REQUIRE(line.has_value());
        note(*line);
        ++seen;
      }
    }
  }

  void kill_and_replace(std::size_t index) {
    end(writers_[index]);
    writers_[index] = spawn(static_cast<int>(index));
  }

  void end_all() {
    for (Child& writer : writers_) end(writer);
  }

  [[nodiscard]] int acknowledged(ShardId shard) const {
    const auto found = acknowledged_.find(shard.value);
    return found == acknowledged_.end() ? 0 : found->second;
  }
  [[nodiscard]] int ended() const { return ended_; }

 private:
  Child spawn(int index) {
    const auto seed = static_cast<std::uint64_t>(++spawned_);
    const NodeId node{static_cast<std::uint16_t>(index + 1)};
    return Child([this, node, seed](const Reporter& reporter) { Writer(file_, node, seed).run(reporter); });
  }

  void note(const std::string& line) {
    INFO("a writer reports: " << line);
    REQUIRE_FALSE(line.starts_with("error"));
    ++acknowledged_[std::stoi(line)];
  }

  void end(Child& writer) {
    writer.kill();
    while (const auto line = writer.read_line()) note(*line);
    ++ended_;
  }

  fs::path file_;
  std::vector<Child> writers_;
  std::map<int, int> acknowledged_;
  int spawned_ = 0;
  int ended_ = 0;
};

/// Every acknowledged increment is there; each process may have left one that was written but not yet reported.
void check_counters(const fs::path& file, const Crowd& crowd) {
  const auto store = open_sqlite(file);
  std::int64_t unreported = 0;
  for (std::uint32_t i = 0; i < kShardCount; ++i) {
    const ShardId shard{i};
    const auto left = must(store->load("left", counter_key(shard)));
    const auto right = must(store->load("right", counter_key(shard)));
    REQUIRE(left.has_value() == right.has_value());
    const std::int64_t stored = left ? std::stoll(text_of(left->bytes)) : 0;
    INFO("shard " << i << ": stored " << stored << ", acknowledged " << crowd.acknowledged(shard));
    if (left) CHECK(left->bytes == right->bytes);
    CHECK(stored >= crowd.acknowledged(shard));
    unreported += stored - crowd.acknowledged(shard);
  }
  CHECK(unreported <= crowd.ended());
}

void check_integrity(const fs::path& file) {
  sqlite3* raw = nullptr;
  REQUIRE(sqlite3_open(file.c_str(), &raw) == SQLITE_OK);
  std::string answer;
  const auto keep = [](void* to, int, char** values, char**) {
    *static_cast<std::string*>(to) += values[0];
    return 0;
  };
  CHECK(sqlite3_exec(raw, "PRAGMA integrity_check", keep, &answer, nullptr) == SQLITE_OK);
  CHECK(answer == "ok");
  sqlite3_close(raw);
}

/// The first line that `body` reports when it runs without superuser rights.
std::string as_ordinary_user(const std::function<void(const Reporter&)>& body) {
  Child child([&](const Reporter& reporter) {
    if (::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) throw std::runtime_error("setuid");
    body(reporter);
  });
  return child.read_line().value_or("(nothing)");
}

}  // namespace

TEST_CASE("sqlite store: processes that take shards from each other lose no increment", "[storage]") {
  const TempDir directory;
  Crowd crowd(directory.file());
  crowd.wait_for(600);
  const auto reader = open_sqlite(directory.file(), reading());
  CHECK_FALSE(contents(*reader).empty());
  crowd.wait_for(200);
  crowd.end_all();
  check_counters(directory.file(), crowd);
  check_integrity(directory.file());
}

TEST_CASE("sqlite store: what a process was told survives its kill -9", "[storage]") {
  const TempDir directory;
  Crowd crowd(directory.file());
  std::mt19937_64 random(3);
  for (int kills = 0; kills < 30; ++kills) {
    crowd.wait_for(1 + static_cast<int>(random() % 30));
    crowd.kill_and_replace(random() % kWriters);
  }
  crowd.end_all();
  check_counters(directory.file(), crowd);
  check_integrity(directory.file());
}

TEST_CASE("sqlite store: processes that start together make one store", "[storage]") {
  const TempDir directory;
  std::vector<Child> children;
  for (std::uint16_t node = 1; node <= 8; ++node) {
    children.emplace_back([&directory, node](const Reporter& reporter) {
      const auto store = or_throw(SqliteStore::open(directory.file(), creating()));
      reporter.line(fmt::format("{}", seize(*store, ShardId{0}, NodeId{node}).epoch));
    });
  }
  std::vector<std::string> epochs;
  for (Child& child : children) epochs.push_back(child.read_line().value_or("(nothing)"));
  std::ranges::sort(epochs);
  CHECK(epochs == std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7", "8"});
}

TEST_CASE("sqlite store: of processes that open an older store together one migrates it", "[storage]") {
  const TempDir directory;
  restore_store("format_1.sql", directory.file());
  std::vector<Child> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&directory](const Reporter& reporter) {
      const auto store = or_throw(SqliteStore::open(directory.file(), creating()));
      const StoreIdentity identity = store->identity();
      reporter.line(fmt::format("{} {}", identity.format_version, identity.migrated_from ? "migrated" : "found"));
      ::pause();
    });
  }
  std::multiset<std::string> answers;
  for (Child& child : children) answers.insert(child.read_line().value_or("(nothing)"));
  CHECK(answers.count(fmt::format("{} migrated", kStoreFormatVersion)) == 1);
  CHECK(answers.count(fmt::format("{} found", kStoreFormatVersion)) == 7);
  CHECK(contents(*open_sqlite(directory.file(), reading())).size() == 3);
}

TEST_CASE("sqlite store: a process that is killed while it migrates leaves the old format or the new one",
          "[storage]") {
  constexpr int kRows = 30'000;
  for (int delay_ms = 1; delay_ms <= 256; delay_ms *= 2) {
    INFO("killed after " << delay_ms << " ms");
    const TempDir directory;
    restore_store("format_1.sql", directory.file());
    run_sql(directory.file(),
            fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
                        "INSERT INTO snapshots SELECT 'Filler', i, i % 8, 1, 1, 1, 1, zeroblob(64) "
                        "FROM n",
                        kRows));
    {
      Child child([&](const Reporter& reporter) {
        reporter.line("begins");
        const auto store = or_throw(SqliteStore::open(directory.file(), creating()));
        reporter.line("migrated");
        ::pause();
      });
      REQUIRE(child.read_line() == "begins");
      pollfd migrated{.fd = child.report_descriptor(), .events = POLLIN, .revents = 0};
      ::poll(&migrated, 1, delay_ms);
      child.kill();
    }
    const auto version = open_sqlite(directory.file(), reading())->identity().format_version;
    CHECK((version == 1 || version == kStoreFormatVersion));
    const auto store = open_sqlite(directory.file());
    CHECK(store->identity().format_version == kStoreFormatVersion);
    CHECK(must(store->count_by_type())[1].entities == kRows);  // of Barrel, Filler, Player
    check_integrity(directory.file());
  }
}

TEST_CASE("sqlite store: can be read where nothing can be written", "[storage]") {
  const TempDir directory;
  const auto how_it_ended = GENERATE(as<std::string>{}, "stopped", "killed");
  INFO("the fabric was " << how_it_ended);
  if (how_it_ended == "stopped") {
    const auto store = open_sqlite(directory.file());
    must(store->commit(batch_of({take(*store)}, {put("T", "a", "1")})));
  } else {
    Child child([&](const Reporter& reporter) {
      const auto store = or_throw(SqliteStore::open(directory.file(), creating()));
      or_throw(store->commit(batch_of({seize(*store, ShardId{0}, NodeId{1})}, {put("T", "a", "1")})));
      reporter.line("committed");
      ::pause();
    });
    REQUIRE(child.read_line() == "committed");
    child.kill();
  }
  // Its files are their owner's alone, so they are given to the user who is to read them; not so the lock.
  for (const char* suffix : {"", "-wal", "-shm"})
    if (const fs::path path = directory.file().string() + suffix; ::geteuid() == 0 && fs::exists(path))
      REQUIRE(::chown(path.c_str(), kNobody, kNobody) == 0);
  fs::permissions(directory.path(), fs::perms(0555));
  const std::string seen = as_ordinary_user([&](const Reporter& reporter) {
    const auto store = or_throw(SqliteStore::open(directory.file(), reading()));
    reporter.line(text_of(or_throw(store->load("T", "a")).value().bytes));
  });
  CHECK(seen == "1");

  const std::string refused = as_ordinary_user([&](const Reporter& reporter) {
    const auto store = SqliteStore::open(directory.file(), creating());
    reporter.line(store ? "opened" : store.error().message);
  });
  CHECK_THAT(refused, Catch::Contains("Permission denied") && Catch::Contains(directory.path().string()) &&
                          Catch::Contains("ls -la"));
}

TEST_CASE("sqlite store: on a full disk writes are refused until there is room, and what was written stays",
          "[storage]") {
  const TempDir directory;
  const SmallFileSystem file_system(directory.path(), "1m");
  if (!file_system.is_mounted()) {
    WARN("skipped: this user may not mount a small file system");
    return;
  }
  const fs::path ballast = directory.path() / "ballast";
  std::ofstream(ballast) << std::string(200'000, 'b');
  const auto store = open_sqlite(directory.file());
  const ShardEpoch held = take(*store);

  int written = 0;
  std::optional<StoreError> refusal;
  while (!refusal && written < 1'000) {
    const auto done =
        store->commit(batch_of({held}, {put("T", fmt::format("{:04}", written), std::string(3'000, 'x'))}));
    if (done)
      ++written;
    else
      refusal = done.error();
  }
  REQUIRE(refusal.has_value());
  CHECK(refusal->code == StoreErrorCode::full);
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "again", std::string(3'000, 'x'))}))).code ==
        StoreErrorCode::full);
  CHECK(contents(*store).size() == static_cast<std::size_t>(written));

  fs::remove(ballast);
  must(store->commit(batch_of({held}, {put("T", "again", std::string(3'000, 'x'))})));
  CHECK(contents(*store).size() == static_cast<std::size_t>(written) + 1);
}
