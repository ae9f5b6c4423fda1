// The reminders of a project's entities: what is listed, and what exports and removals say and do about them.

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <tuple>

#include "cli/transcript.hpp"
#include "codec/capnp_codec.hpp"
#include "epic/values.hpp"
#include "reflect/schema_of.hpp"
#include "storage/grants.hpp"
#include "storage/sqlite_store.hpp"
#include "support/recorded_store.hpp"

using epic::cli_test::kManifest;
using epic::cli_test::Transcript;
using namespace epic::kernel;
namespace fs = std::filesystem;

namespace {

constexpr ShardId kReminderShard{3};  // of all of them

SetReminder reminder_of(const std::string& type, const std::string& key, const std::string& name,
                        std::int64_t every_ns) {
  using Arguments = std::tuple<std::string>;
  const auto& type_info = epic::reflect::type_of<Arguments>();
  const Arguments arguments{"good morning"};
  SetReminder set{{.name = {.type = type, .key = key, .name = name},
                   .shard = kReminderShard,
                   .due_ns = 1'700'000'000'123'000'000,
                   .first_ns = 1'600'000'000'000'000'000,
                   .every_ns = every_ns,
                   .method = "post",
                   .schema = epic::reflect::schema_of(type_info).id(),
                   .arguments = {}}};
  epic::codec::CapnpCodec().encode(type_info, &arguments, set.reminder.arguments);
  return set;
}

/// A project whose fabric is down, with a saved room, and reminders of two rooms and a match.
void make_project_with_reminders(Transcript& transcript) {
  transcript.write("epic.toml", kManifest);
  fs::create_directories(transcript.directory() / ".epic");
  auto store = epic::storage::SqliteStore::open(transcript.directory() / ".epic/state.sqlite",
                                                {.mode = epic::storage::OpenMode::create, .shard_count = 64});
  REQUIRE(store);
  const auto epochs = epic::storage::take_all(**store, Incarnation{1});
  REQUIRE(epochs);
  const auto schema = epic::reflect::schema_of(epic::reflect::type_of<std::tuple<std::string>>());
  REQUIRE(
      (*store)->commit({.number = CommitNumber{1},
                        .writer = Incarnation{1},
                        .epochs = *epochs,
                        .schemas = {{schema.id(), schema.text()}},
                        .operations = {PutSnapshot{.type = "Room",
                                                   .key = "lobby",
                                                   .shard = kReminderShard,
                                                   .version = Version{1},
                                                   .replaces = Version{0},
                                                   .schema = schema.id(),
                                                   .bytes = reminder_of("", "", "x", 0).reminder.arguments},
                                       reminder_of("Room", "lobby", "digest", 86'400'000'000'000),
                                       reminder_of("Room", "lobby", "close", 0), reminder_of("Match", "7", "end", 0),
                                       reminder_of("Room", "attic", "digest", 1'500'000'000)}}));
}

}  // namespace

TEST_CASE("reminders: are listed by entity and name, all or of some", "[cli]") {
  Transcript transcript("reminders");
  make_project_with_reminders(transcript);
  CHECK(transcript.run({"reminders"}).exit_code == 0);
  CHECK(transcript.run({"reminders", "Room/lobby", "-o", "jsonl"}).exit_code == 0);
  CHECK(transcript.run({"reminders", "Room", "--limit", "1"}).exit_code == 0);
  CHECK(transcript.run({"reminders", "Room/cellar"}).exit_code == 0);
  CHECK(transcript.run({"reminders", "Roam"}).exit_code == 3);
  transcript.check();

  const std::string table = transcript.run_on_terminal({"reminders", "--color", "never"});
  CHECK(table.starts_with("ENTITY"));
  CHECK(table.contains("METHOD"));
}

TEST_CASE("reminders: inspect shows those of the entity", "[cli]") {
  Transcript transcript("unused");
  make_project_with_reminders(transcript);
  const auto page = boost::json::parse(transcript.run({"inspect", "Room/lobby", "-o", "json"}).out);
  REQUIRE(page.at("reminders").as_array().size() == 2);
  CHECK(page.at("reminders").at(0).at("name") == "close");
  CHECK(page.at("reminders").at(1).at("every_ms") == 86'400'000);
  const std::string shown = transcript.run_on_terminal({"inspect", "Room/lobby", "--color", "never"});
  CHECK(shown.contains("digest  post  every"));
  CHECK(shown.contains("close  post  once  due at 2023-11-14T22:13:20.123Z"));
}

TEST_CASE("reminders: an export says how many stay behind, and an entity that is removed takes its own with it",
          "[cli]") {
  Transcript transcript("unused");
  make_project_with_reminders(transcript);
  CHECK(transcript.run({"snapshot", "export"}).err.contains("4 reminders stay behind: entity exports have none"));
  CHECK(transcript.run({"snapshot", "export", "Room/lobby"}).err.contains("2 reminders stay behind"));
  CHECK(transcript.run({"snapshot", "rm", "Room/lobby", "--yes"}).exit_code == 0);
  const auto left = transcript.run({"reminders", "-o", "jsonl"}).out;
  CHECK_FALSE(left.contains("lobby"));
  CHECK(left.contains("attic"));
  CHECK(left.contains("Match/7"));
}

TEST_CASE("reminders: one that cannot be read is named, and the others are listed", "[cli]") {
  Transcript transcript("unused");
  make_project_with_reminders(transcript);
  epic::storage::test::run_sql(transcript.directory() / ".epic/state.sqlite",
                               "UPDATE reminders SET method = 'x' WHERE name = 'close'");
  const auto listed = transcript.run({"reminders"});
  CHECK(listed.exit_code == 1);
  CHECK(listed.err.contains("the reminder 'close' of Room/lobby"));
  CHECK(listed.out.contains("attic"));
}

TEST_CASE("reminders: a store of a format without them has none", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  CHECK(transcript.run({"reminders"}).exit_code == 3);
  fs::create_directories(transcript.directory() / ".epic");
  epic::storage::test::restore_store("format_1.sql", transcript.directory() / ".epic/state.sqlite");
  const auto listed = transcript.run({"reminders"});
  CHECK(listed.exit_code == 0);
  CHECK(listed.err == "No reminders\n");
}
