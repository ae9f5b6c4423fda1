// A store on disk is resharded in one step, whenever that is interrupted, and whatever is in its place otherwise.

#include "storage/resharding.hpp"

#include <signal.h>
#include <sqlite3.h>
#include <unistd.h>

#include <fstream>

#include "sim/forgetful_disk.hpp"
#include "storage/restoration.hpp"
#include "storage/store_mark.hpp"
#include "support/child.hpp"
#include "support/recorded_store.hpp"
#include "support/resharding_fixtures.hpp"
#include "support/small_file_system.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using namespace epic::kernel;
using epic::test::Child;
using epic::test::Reporter;
using epic::test::SmallFileSystem;
namespace fs = std::filesystem;

namespace {

constexpr int kLastSteps = 12;

OpenOptions resharded(std::uint32_t count) { return {.mode = OpenMode::existing, .shard_count = count}; }

/// What fill() writes.
struct Filled {
  Filled() {
    Memory memory;
    fill(memory.store);
    all = facts(memory.store);
    answers = answers_of(memory.store, kFormer);
  }
  std::vector<std::string> all;
  std::vector<std::string> answers;
};

/// A project's directory with a filled store.
struct Project {
  TempDir directory;
  fs::path state = directory.path() / ".epic";
  StoreAddress store{.kind = "sqlite", .location = state / "state.sqlite"};

  Project() { fs::create_directory(state); }
  void make() const {
    const auto made = open_sqlite(store.location);
    fill(*made);
  }
  /// The same by a process that was killed; everything is still in the log.
  void crash() const {
    Child fabric([&](const Reporter& reporter) {
      const auto made = open_sqlite(store.location);
      fill(*made);
      reporter.line("filled");
      ::pause();
    });
    REQUIRE(fabric.read_line() == "filled");
    fabric.kill();
    REQUIRE(fs::file_size(store.location.string() + "-wal") > 0);
  }
  [[nodiscard]] std::expected<fs::path, StoreError> reshard(std::uint32_t count, BackupWatcher watcher = {}) const {
    auto resharding = Resharding::prepare(store, ungrouped(count), std::move(watcher));
    if (!resharding) return std::unexpected(resharding.error());
    return resharding->finish();
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(state))
      if (entry.is_directory() || entry.path().extension() == ".sqlite") found.push_back(entry.path().filename());
    std::ranges::sort(found);
    return found;
  }
  /// What fill() has written, under the shards of this count.
  void check_whole(std::uint32_t count) const {
    static const Filled kFilled;
    const auto opened = open_sqlite(store.location, resharded(count));
    CHECK(facts(*opened) == kFilled.all);
    CHECK(answers_of(*opened, ungrouped(count)) == kFilled.answers);
    check_places(*opened, ungrouped(count));
  }
};

}  // namespace

TEST_CASE("resharding: the former store is kept, says what was done, and can be brought back", "[storage]") {
  const Project project;
  project.make();
  {
    auto resharding = must(Resharding::prepare(project.store, ungrouped(24), {}));
    CHECK(resharding.content().entities == kEntities);
    CHECK(resharding.content().messages() == kEntities);
    CHECK(resharding.content().reminders == kEntities);
    CHECK(resharding.content().answers == kEntities);
    CHECK(resharding.content().identity.placement.shard_count() == 24);
    CHECK(resharding.rows().all == 4 * kEntities);
    CHECK(resharding.rows().moved > kEntities);
    CHECK(resharding.rows().moved < 4 * kEntities);  // by chance some stay
    CHECK(open_sqlite(project.store.location, reading())->identity().placement.shard_count() ==
          kShardCount);  // not yet
    CHECK(must(resharding.finish()) == project.state / "replaced-1");
  }
  CHECK(project.names() == std::vector<std::string>{"replaced-1", "state.sqlite"});
  CHECK(fs::status(project.store.location).permissions() == fs::perms(0600));
  project.check_whole(24);
  CHECK(error_of(SqliteStore::open(project.store.location, resharded(kShardCount))).code ==
        StoreErrorCode::incompatible);

  auto back = must(Restoration::prepare(project.state / "replaced-1/state.sqlite", project.store, kShardCount, {}));
  must(back.finish());
  project.check_whole(kShardCount);
}

TEST_CASE("resharding: a new column with a shard in it must be thought of (kPlacedTables)", "[storage]") {
  const TempDir directory;
  open_sqlite(directory.file()).reset();
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open(directory.file().c_str(), &database) == SQLITE_OK);
  std::string columns;
  const auto add = [](void* to, int, char** values, char**) {
    static_cast<std::string*>(to)->append(values[0]).append(" ");
    return 0;
  };
  REQUIRE(sqlite3_exec(database,
                       "SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c "
                       "WHERE m.type = 'table' AND c.name LIKE '%shard%' ORDER BY m.name, c.cid",
                       add, &columns, nullptr) == SQLITE_OK);
  sqlite3_close(database);
  // That of the sender is part of a message's id, and stays.
  CHECK(columns == "answers.shard mail.from_shard mail.to_shard reminders.shard shards.shard snapshots.shard ");
}

TEST_CASE("resharding: given up before it is finished, nothing has changed", "[storage]") {
  const Project project;
  project.make();
  const std::string before = text_in(project.store.location);
  must(Resharding::prepare(project.store, ungrouped(24), {}));
  CHECK(project.names() == std::vector<std::string>{"state.sqlite"});
  CHECK(text_in(project.store.location) == before);
  project.check_whole(kShardCount);
}

TEST_CASE("resharding: nobody else can write to the store meanwhile", "[storage]") {
  const Project project;
  project.make();
  auto resharding = std::make_unique<Resharding>(must(Resharding::prepare(project.store, ungrouped(24), {})));
  Child late([&](const Reporter& reporter) {
    reporter.line("waits");
    const auto opened = SqliteStore::open(project.store.location, {.mode = OpenMode::existing});
    reporter.line(opened ? std::to_string((*opened)->identity().placement.shard_count()) : opened.error().message);
  });
  CHECK(late.read_line() == "waits");
  must(resharding->finish());
  resharding.reset();
  CHECK(late.read_line() == "24");  // it did not see the former one
}

TEST_CASE("resharding: what a crash has left in the log is resharded, too", "[storage]") {
  const Project project;
  project.crash();
  must(project.reshard(24));
  project.check_whole(24);
}

TEST_CASE("resharding: an older format is migrated", "[storage]") {
  const Project project;
  const auto format = GENERATE(1U, 2U, 3U, 4U);
  restore_store(fmt::format("format_{}.sql", format), project.store.location);
  const auto rows = contents(*open_sqlite(project.store.location, reading()));
  auto resharding = must(Resharding::prepare(project.store, ungrouped(24), {}));
  CHECK(resharding.content().identity.migrated_from == format);
  must(resharding.finish());
  const auto opened = open_sqlite(project.store.location, resharded(24));
  CHECK(contents(*opened) == rows);
  CHECK(must(opened->load("Player", "Bob: Slayer"))->shard == ungrouped(24).shard_of("Player", "Bob: Slayer"));
  CHECK(open_sqlite(project.state / "replaced-1/state.sqlite", reading())->identity().format_version == format);
}

TEST_CASE("resharding: what cannot be resharded is refused, and nothing has changed", "[storage]") {
  const Project project;
  SECTION("there is no store") {
    CHECK(error_of(project.reshard(24)).code == StoreErrorCode::not_found);
    CHECK(project.names().empty());
    return;
  }
  project.make();
  SECTION("others have it open for writing") {
    const auto fabric = open_sqlite(project.store.location, resharded(kShardCount));
    const auto error = error_of(project.reshard(24));
    CHECK(error.code == StoreErrorCode::busy);
    CHECK_THAT(error.message, Catch::Contains("open for writing"));
  }
  SECTION("others read it, at one moment") {
    Child reader([&](const Reporter& reporter) {
      const auto open = open_sqlite(project.store.location, reading());
      must(open->begin_moment());
      reporter.line("reads");
      ::pause();
    });
    REQUIRE(reader.read_line() == "reads");
    const auto error = error_of(project.reshard(24));
    CHECK(error.code == StoreErrorCode::busy);
    CHECK_THAT(error.message, Catch::Contains("is being read by process"));
    reader.kill();
  }
  SECTION("it has a mark") {
    write_mark(project.store.location, {.what = "'state.sqlite-wal' was cut off"}, kNow);
    const auto error = error_of(project.reshard(24));
    CHECK(error.code == StoreErrorCode::marked);
    CHECK(remove_marks(project.store.location).has_value());
  }
  SECTION("it was cut off") {
    fs::resize_file(project.store.location, fs::file_size(project.store.location) / 2);
    CHECK(error_of(project.reshard(24)).code == StoreErrorCode::corrupt);
    CHECK(project.names() == std::vector<std::string>{"state.sqlite"});
    return;
  }
  CHECK(project.names() == std::vector<std::string>{"state.sqlite"});
  project.check_whole(kShardCount);
}

TEST_CASE("resharding: a damaged row stays damaged, and goes where its entity goes", "[storage]") {
  const Project project;
  project.make();
  run_sql(project.store.location,
          "UPDATE snapshots SET bytes = x'00' WHERE key = '5'; UPDATE mail SET method = 'x' WHERE number = 6;"
          "UPDATE mail SET why = 'x' WHERE number = 9; UPDATE reminders SET every = 1 WHERE key = '9';"
          "UPDATE answers SET arguments_hash = 1 WHERE key = 'order 10'");
  std::vector<std::string> damage;
  auto resharding = must(Resharding::prepare(project.store, ungrouped(24),
                                             {.on_damage = [&](const std::string& what) { damage.push_back(what); }}));
  CHECK(resharding.content().damaged == 5);
  CHECK(damage.size() == 5);
  must(resharding.finish());

  const Placement placement = ungrouped(24);
  const auto opened = open_sqlite(project.store.location, resharded(24));
  CHECK(error_of(opened->load("T", "5")).code == StoreErrorCode::corrupt);
  CHECK(must(opened->mail_of(placement.shard_of("T/6"), 0)).damaged.size() == 1);
  CHECK(must(opened->reminders_of(placement.shard_of("T/9"), {}, 1000)).damaged.size() == 1);
  CHECK(error_of(opened->answer(
                     {.shard = placement.shard_of("T/10"), .entity = "T/10", .subject = "alice", .key = "order 10"}))
            .code == StoreErrorCode::corrupt);
}

TEST_CASE("resharding: on a full disk the former store stays, and it can be done later", "[storage]") {
  const Project project;
  const SmallFileSystem disk(project.state, "4m");
  if (!disk.is_mounted()) {
    WARN("skipped: only root can mount");
    return;
  }
  project.make();
  disk.fill();
  const auto error = error_of(project.reshard(24));
  CHECK(error.code == StoreErrorCode::full);
  CHECK_FALSE(fs::exists(project.state / "resharding"));
  disk.make_room();
  project.check_whole(kShardCount);
  must(project.reshard(24));
  project.check_whole(24);
}

TEST_CASE("resharding: killed at any write, sync or step, the store is the former one or the new one", "[storage]") {
  const bool has_log = GENERATE(false, true);
  const Project made;
  has_log ? made.crash() : made.make();
  // Ends with how many steps it has made, or never, at `last`.
  const auto reshard_until = [&](const Project& project, int last) {
    for (const char* name : {"state.sqlite", "state.sqlite-wal"})
      if (fs::exists(made.state / name)) fs::copy_file(made.state / name, project.state / name);
    Child child([&](const Reporter& reporter) {
      int steps = 0;
      const auto step = [&] {
        if (++steps == last) ::kill(::getpid(), SIGKILL);
        return SQLITE_OK;
      };
      epic::sim::ForgetfulDisk disk;
      disk.before_write = [&](const std::string&) { return step(); };
      disk.before_sync = [&](const std::string&) { return step(); };
      sqlite3_vfs_register(sqlite3_vfs_find(disk.vfs().c_str()), /*makeDflt=*/1);
      const auto done = project.reshard(24, {.on_progress = [&](BackupStep, std::uint64_t, std::uint64_t) { step(); }});
      reporter.line(done ? std::to_string(steps) : done.error().message);
    });
    const auto end = child.read_line();
    child.kill();
    return end ? std::stoi(*end) : 0;
  };
  const int all = reshard_until(Project(), 0);
  REQUIRE(all > kLastSteps);
  int of_former = 0;
  int of_new = 0;
  // Before the last ones, most are alike: pages are copied, rewritten and read back.
  for (int last = 1; last <= all; last += last < all - kLastSteps ? 1 + all / 20 : 1) {
    const Project project;
    if (last > 1) {  // of one that was killed before
      fs::create_directory(project.state / "resharding");
      std::ofstream(project.state / "resharding/state.sqlite") << "half a store";
    }
    CHECK(reshard_until(project, last) == 0);
    INFO("killed at step " << last << " of " << all);
    const std::uint32_t count =
        open_sqlite(project.store.location, {.mode = OpenMode::existing})->identity().placement.shard_count();
    REQUIRE((count == kShardCount || count == 24));
    project.check_whole(count);
    ++(count == 24 ? of_new : of_former);
    must(project.reshard(24));  // it can be done again
    CHECK(open_sqlite(project.store.location, reading())->identity().placement.shard_count() == 24);
    CHECK_FALSE(fs::exists(project.state / "resharding"));
  }
  CHECK(of_former > 15);  // copying, rewriting, reading back, putting the former one away
  CHECK(of_new >= 2);     // renamed, done
}
