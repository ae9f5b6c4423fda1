// epic backup and epic restore: what they print, what they refuse, and a restore that is killed.

#include <sys/stat.h>

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

#include "cli/stand_in.hpp"
#include "cli/transcript.hpp"
#include "storage/sqlite_format.hpp"
#include "support/mail_fixtures.hpp"
#include "support/recorded_store.hpp"
#include "support/small_file_system.hpp"

using epic::cli_test::answer;
using epic::cli_test::kManifest;
using epic::cli_test::StandIn;
using epic::cli_test::Transcript;
using namespace epic::storage;
using namespace epic::storage::test;
using namespace epic::kernel;
namespace fs = std::filesystem;

namespace {

/// A project whose fabric is down: two states of `bytes` each, a message that waits, and a dead letter.
void make_project_with_state(Transcript& transcript, std::size_t bytes = 4) {
  transcript.write("epic.toml", kManifest);
  fs::create_directories(transcript.directory() / ".epic");
  const auto store =
      open_sqlite(transcript.directory() / ".epic/state.sqlite", {.mode = OpenMode::create, .shard_count = 64});
  const auto tenure = take(*store);
  const auto other = take(*store, ShardId{1});
  must(store->commit(
      batch_of({tenure, other}, {put("T", "a", std::string(bytes, 'x')), put("T", "b", std::string(bytes, 'y')),
                                 sent(message(1)), sent(message(2))})));
  must(store->commit(batch_of({tenure, other}, {marked(message(2), MailStatus::dead, "it threw")})));
}

/// What is saved after the backup.
void change_state(const Transcript& transcript) {
  const auto store = open_sqlite(transcript.directory() / ".epic/state.sqlite", {.mode = OpenMode::existing});
  const auto tenure = take(*store, ShardId{0}, NodeId{2});
  const auto other = take(*store, ShardId{1}, NodeId{2});
  must(store->commit(
      batch_of({tenure, other}, {put("T", "a", "late"), erasure("T", "b"), ended(message(1))}, NodeId{2})));
}

std::vector<std::string> rows_of(const Transcript& transcript, const fs::path& store = ".epic/state.sqlite") {
  const auto opened = open_sqlite(transcript.directory() / store, reading());
  std::vector<std::string> rows = contents(*opened);
  for (const std::uint64_t number : mail_numbers(*opened)) rows.push_back("message " + std::to_string(number));
  return rows;
}

const std::vector<std::string> kBackedUp{"T/a=xxxx", "T/b=yyyy", "message 1", "message 2"};
const std::vector<std::string> kChanged{"T/a=late", "message 2"};

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

}  // namespace

TEST_CASE("backup: the store goes into a file and comes back, and the former one is kept", "[cli]") {
  Transcript transcript("backup");
  make_project_with_state(transcript);
  CHECK(transcript.run({"backup", "monday.epic"}).exit_code == 0);
  CHECK(fs::status(transcript.directory() / "monday.epic").permissions() == fs::perms(0600));
  CHECK(transcript.run({"backup", "monday.epic"}).exit_code == 1);
  CHECK(transcript.run({"backup", "monday.epic", "--force"}).exit_code == 0);
  CHECK(transcript.run({"backup", "no/such/place.epic"}).exit_code == 1);
  CHECK(transcript.run({"backup", "-"}).exit_code == 2);
  CHECK(names_in(transcript.directory()) == std::vector<std::string>{".epic", "epic.toml", "monday.epic"});

  change_state(transcript);
  CHECK(transcript.run({"restore", "monday.epic", "--dry-run"}).exit_code == 0);
  CHECK(transcript.run({"restore", "monday.epic"}).exit_code == 2);
  CHECK(transcript.run({"restore", "tuesday.epic", "--yes"}).exit_code == 1);
  CHECK(transcript.run({"restore", "epic.toml", "--yes"}).exit_code == 1);
  CHECK(rows_of(transcript) == kChanged);
  CHECK(transcript.run({"restore", "monday.epic", "--yes"}).exit_code == 0);
  CHECK(rows_of(transcript) == kBackedUp);
  CHECK(rows_of(transcript, ".epic/replaced-1/state.sqlite") == kChanged);
  CHECK_FALSE(fs::exists(transcript.directory() / ".epic/restoring"));
  CHECK_FALSE(fs::exists(transcript.directory() / ".epic/supervisor.lock"));
  transcript.check();
}

TEST_CASE("backup: both tell programs what they have found", "[cli]") {
  Transcript transcript("unused");
  make_project_with_state(transcript);
  const auto made = boost::json::parse(transcript.run_quietly({"backup", "a.epic", "-o", "json"}).out).as_object();
  CHECK(made.at("entities") == 2);
  CHECK(made.at("bytes") == 8);
  CHECK(made.at("messages") == boost::json::value{{"waiting", 1}, {"begun", 0}, {"dead", 1}});
  CHECK(made.at("reminders") == 0);
  CHECK(made.at("answers") == 0);
  CHECK(made.at("damaged") == 0);
  CHECK(made.at("shards") == 64);
  CHECK(made.at("file") == "a.epic");
  const auto checked =
      boost::json::parse(transcript.run_quietly({"restore", "a.epic", "--dry-run", "-o", "jsonl"}).out);
  CHECK(checked.at("messages") == made.at("messages"));
  CHECK(checked.at("former").is_null());
  const auto done = boost::json::parse(transcript.run_quietly({"restore", "a.epic", "-y", "-o", "json"}).out);
  CHECK(std::string_view(done.at("former").as_string()).ends_with(".epic/replaced-1"));
}

TEST_CASE("backup: of a project without a store, or with one in memory, there is none", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  CHECK(transcript.run_quietly({"backup", "a.epic"}).exit_code == 3);
  transcript.write("epic.toml", std::string(kManifest) + "[fabric]\nstore = \"memory\"\n");
  CHECK(transcript.run_quietly({"backup", "a.epic"}).exit_code == 3);
  CHECK(transcript.run_quietly({"restore", "a.epic"}).exit_code == 3);
  CHECK(names_in(transcript.directory()) == std::vector<std::string>{"epic.toml"});
}

TEST_CASE("backup: on a full disk nothing is left behind, and an older backup stays", "[cli]") {
  Transcript transcript("unused");
  make_project_with_state(transcript);
  fs::create_directory(transcript.directory() / "small");
  const epic::test::SmallFileSystem disk(transcript.directory() / "small", "1m");
  if (!disk.is_mounted()) {
    WARN("skipped: this user may not mount a small file system");
    return;
  }
  REQUIRE(transcript.run_quietly({"backup", "small/a.epic"}).exit_code == 0);
  disk.fill();
  const auto refused = transcript.run_quietly({"backup", "small/a.epic", "--force"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Catch::Contains("full") && Catch::Contains("Free some space"));
  CHECK(names_in(disk.path()) == std::vector<std::string>{"a.epic", "ballast"});
  CHECK(rows_of(transcript, "small/a.epic") == kBackedUp);
}

TEST_CASE("backup: a directory where everyone may make files is fine, but nothing beside the file is read", "[cli]") {
  Transcript transcript("unused");
  make_project_with_state(transcript);
  const fs::path shared = transcript.directory() / "shared";
  fs::create_directory(shared);
  REQUIRE(::chmod(shared.c_str(), 01777) == 0);
  REQUIRE(transcript.run_quietly({"backup", "shared/a.epic"}).exit_code == 0);
  CHECK(names_in(shared) == std::vector<std::string>{"a.epic"});
  change_state(transcript);
  REQUIRE(transcript.run_quietly({"restore", "shared/a.epic", "--yes"}).exit_code == 0);
  CHECK(rows_of(transcript) == kBackedUp);
  CHECK(names_in(shared) == std::vector<std::string>{"a.epic"});

  transcript.write("shared/a.epic-wal", "forged");
  const auto refused = transcript.run_quietly({"restore", "shared/a.epic", "--yes"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Catch::Contains("where other users may make files"));
}

TEST_CASE("backup: damage is in the backup and named, and restore wants to be told", "[cli]") {
  Transcript transcript("unused");
  make_project_with_state(transcript);
  run_sql(transcript.directory() / ".epic/state.sqlite", "UPDATE mail SET why = 'else' WHERE status = 2");
  const auto made = transcript.run_quietly({"backup", "a.epic"});
  CHECK(made.exit_code == 1);
  CHECK_THAT(made.err, Catch::Contains("the checksum of its status"));
  {
    const auto backup = open_sqlite(transcript.directory() / "a.epic", reading());
    CHECK(contents(*backup).size() == 2);
    int whole = 0;
    int damaged = 0;
    must(backup->list_mail({}, [&](const Mail&) { return ++whole, Visit::go_on; }, [&](const auto&) { ++damaged; }));
    CHECK(whole == 1);
    CHECK(damaged == 1);
  }
  const auto refused = transcript.run_quietly({"restore", "a.epic", "--yes"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Catch::Contains("--accept-damage"));
  CHECK(transcript.run_quietly({"restore", "a.epic", "--yes", "--accept-damage"}).exit_code == 0);
}

TEST_CASE("restore: what is damaged, newer or of other shards is refused", "[cli]") {
  Transcript transcript("restore_refusals");
  make_project_with_state(transcript);
  REQUIRE(transcript.run_quietly({"backup", "a.epic"}).exit_code == 0);
  change_state(transcript);
  const fs::path backup = transcript.directory() / "a.epic";
  run_sql(backup, "UPDATE snapshots SET version = 99 WHERE key = 'b'");
  const auto damaged = transcript.run_quietly({"restore", "a.epic", "--yes"});
  CHECK(damaged.exit_code == 1);
  CHECK_THAT(damaged.err, Catch::Contains("1 row is damaged in a.epic; nothing was changed") &&
                              Catch::Contains("--accept-damage") && Catch::Contains("T/b"));
  run_sql(backup,
          "UPDATE snapshots SET version = 1 WHERE key = 'b'; UPDATE meta SET value = 99 WHERE name = "
          "'format_version'; UPDATE meta SET value = '7.1' WHERE name = 'needs_epic'");
  CHECK(transcript.run({"restore", "a.epic", "--yes"}).exit_code == 1);
  run_sql(backup, "UPDATE meta SET value = " + std::to_string(kStoreFormatVersion) + " WHERE name = 'format_version'");
  transcript.write("epic.toml", std::string(kManifest) + "[fabric]\nshards = 16\n");
  CHECK(transcript.run({"restore", "a.epic", "--yes"}).exit_code == 1);
  CHECK(rows_of(transcript) == kChanged);
  transcript.write("epic.toml", kManifest);
  CHECK(transcript.run_quietly({"restore", "a.epic", "--yes"}).exit_code == 0);
  CHECK(rows_of(transcript) == kBackedUp);
  transcript.check();
}

TEST_CASE("restore: a running fabric is left alone, and nothing is asked where nothing is lost", "[cli]") {
  Transcript transcript("unused");
  make_project_with_state(transcript);
  REQUIRE(transcript.run_quietly({"backup", "a.epic"}).exit_code == 0);
  {
    const StandIn fabric(transcript.directory(), {});
    const auto refused = transcript.run_quietly({"restore", "a.epic", "--yes"});
    CHECK(refused.exit_code == 1);
    CHECK_THAT(refused.err, Catch::Contains("the fabric is running") && Catch::Contains("'epic stop'"));
    CHECK(transcript.run_quietly({"backup", "b.epic"}).exit_code == 0);
  }
  fs::remove_all(transcript.directory() / ".epic");
  const auto restored = transcript.run_quietly({"restore", "a.epic"});
  CHECK(restored.exit_code == 0);
  CHECK(restored.err == "Restored 2 entities and 2 messages\n");
  CHECK(rows_of(transcript) == kBackedUp);
}

TEST_CASE("restore: on a terminal it asks, and names what it would replace", "[cli]") {
  Transcript transcript("unused");
  make_project_with_state(transcript);
  REQUIRE(transcript.run_quietly({"backup", "a.epic"}).exit_code == 0);
  change_state(transcript);
  const std::string said = transcript.run_on_terminal({"restore", "a.epic"}, "n\n");
  CHECK(said.contains(
      "Replace what is saved (1 entity and 1 message) with the backup (2 entities and 2 messages)? [y/N]"));
  CHECK(said.contains("nothing was changed"));
  CHECK(rows_of(transcript) == kChanged);
  CHECK(transcript.run_on_terminal({"restore", "a.epic"}, "y\n").contains("Restored 2 entities and 2 messages"));
  CHECK(rows_of(transcript) == kBackedUp);
}

TEST_CASE("restore: a store that is garbage makes room, and is kept", "[cli]") {
  Transcript transcript("unused");
  make_project_with_state(transcript);
  REQUIRE(transcript.run_quietly({"backup", "a.epic"}).exit_code == 0);
  fs::remove_all(transcript.directory() / ".epic");
  transcript.write(".epic/state.sqlite", std::string(8192, 'x'));
  CHECK(transcript.run_quietly({"restore", "a.epic"}).exit_code == 2);
  CHECK(transcript.run_quietly({"restore", "a.epic", "--yes"}).exit_code == 0);
  CHECK(rows_of(transcript) == kBackedUp);
  CHECK(epic::cli_test::read_text(transcript.directory() / ".epic/replaced-1/state.sqlite") == std::string(8192, 'x'));
}

TEST_CASE("restore: killed at any time, one store or the other is there, and it can be repeated", "[cli]") {
  constexpr std::size_t kStateBytes = 1u << 20;  // so that copying and checking take a while
  Transcript transcript("unused");
  make_project_with_state(transcript, kStateBytes);
  REQUIRE(transcript.run_quietly({"backup", "a.epic"}).exit_code == 0);
  const auto backed_up = rows_of(transcript);
  bool has_ended = false;
  for (int delay_ms = 0; !has_ended; delay_ms += 1 + delay_ms / 2) {
    change_state(transcript);
    has_ended = transcript.run_and_kill({"restore", "a.epic", "--yes", "-q"}, delay_ms);
    const auto rows = rows_of(transcript);
    INFO("killed after " << delay_ms << " ms");
    CHECK((rows == backed_up || rows == kChanged));
    if (has_ended) CHECK(rows == backed_up);
    if (rows == kChanged) CHECK(transcript.run_quietly({"restore", "a.epic", "--yes"}).exit_code == 0);
    CHECK(rows_of(transcript) == backed_up);
    CHECK_FALSE(fs::exists(transcript.directory() / ".epic/restoring/state.sqlite-wal"));
  }
}
