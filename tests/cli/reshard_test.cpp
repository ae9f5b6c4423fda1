// epic reshard: what it prints, what it refuses, and what is left when it is killed.

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

#include "cli/transcript.hpp"
#include "kernel/placement.hpp"
#include "storage/sqlite_format.hpp"
#include "support/mail_fixtures.hpp"
#include "support/recorded_store.hpp"
#include "support/small_file_system.hpp"

using epic::cli_test::kManifest;
using epic::cli_test::read_text;
using epic::cli_test::Transcript;
using namespace epic::storage;
using namespace epic::storage::test;
using namespace epic::kernel;
namespace fs = std::filesystem;

namespace {

constexpr std::uint32_t kStored = 64;
constexpr const char* kModuleTypes = "build/modules/arena.types.json";  // what a build leaves there

/// A project whose fabric is down: two states of `bytes` each, and a message that waits for one of them.
void make_project_to_reshard(Transcript& transcript, std::size_t bytes = 4) {
  transcript.write("epic.toml", kManifest);
  fs::create_directories(transcript.directory() / ".epic");
  const auto store =
      open_sqlite(transcript.directory() / ".epic/state.sqlite", {.mode = OpenMode::create, .shard_count = kStored});
  const Placement placement = ungrouped(kStored);
  const ShardId first = placement.shard_of("T/a");
  const ShardId second = placement.shard_of("T/b");
  const std::vector tenures{take(*store), take(*store, first), take(*store, second)};
  must(store->commit(
      batch_of(tenures, {put("T", "a", std::string(bytes, 'x'), first), put("T", "b", std::string(bytes, 'y'), second),
                         sent(epic::storage::test::message(1, first))})));
}

std::uint32_t shards_of(const Transcript& transcript) {
  return open_sqlite(transcript.directory() / ".epic/state.sqlite", reading())->identity().placement.shard_count();
}

/// The states and the message, each under its shard.
void check_whole(const Transcript& transcript, std::size_t bytes = 4) {
  const auto store = open_sqlite(transcript.directory() / ".epic/state.sqlite", reading());
  const Placement placement = store->identity().placement;
  const auto first = must(store->load("T", "a"));
  const auto second = must(store->load("T", "b"));
  REQUIRE(first.has_value());
  REQUIRE(second.has_value());
  CHECK(text_of(first->bytes) == std::string(bytes, 'x'));
  CHECK(text_of(second->bytes) == std::string(bytes, 'y'));
  CHECK(first->shard == placement.shard_of("T/a"));
  CHECK(second->shard == placement.shard_of("T/b"));
  CHECK(must(store->mail_of(placement.shard_of("T/a"), 0)).rows.size() == 1);
}

}  // namespace

TEST_CASE("reshard: the store has other shards, epic.toml agrees, and the former store is kept", "[cli]") {
  Transcript transcript("reshard");
  make_project_to_reshard(transcript);
  CHECK(transcript.run({"reshard", "256", "--dry-run"}).exit_code == 0);
  CHECK(shards_of(transcript) == kStored);
  CHECK(transcript.run({"reshard", "256"}).exit_code == 0);
  CHECK(shards_of(transcript) == 256);
  check_whole(transcript);
  CHECK(read_text(transcript.directory() / "epic.toml") == std::string(kManifest) + "\n[fabric]\nshards = 256\n");
  CHECK(transcript.run({"reshard", "256"}).exit_code == 0);
  CHECK(transcript.run_quietly({"ls"}).exit_code == 0);
  CHECK(transcript.run_quietly({"reshard", "many"}).exit_code == 2);
  CHECK(transcript.run_quietly({"reshard", "4097"}).exit_code == 2);
  CHECK_FALSE(fs::exists(transcript.directory() / ".epic/resharding"));
  CHECK_FALSE(fs::exists(transcript.directory() / ".epic/supervisor.lock"));
  transcript.check();

  transcript.write("epic.toml", kManifest);  // a store that was made with the usual number
  CHECK(transcript.run_quietly({"restore", ".epic/replaced-1/state.sqlite", "--yes"}).exit_code == 0);
  CHECK(shards_of(transcript) == kStored);
  check_whole(transcript);
}

TEST_CASE("reshard: the groups of the built module take the place of the store's, and the number stays", "[cli]") {
  Transcript transcript("unused");
  make_project_to_reshard(transcript);
  const auto placement = [&] {
    return open_sqlite(transcript.directory() / ".epic/state.sqlite", reading())->identity().placement;
  };
  const auto build = [&](const std::string& types) {
    fs::create_directories(transcript.directory() / "build/modules");
    transcript.write(kModuleTypes, R"({"types": [)" + types + "]}");
  };
  CHECK(transcript.run_quietly({"reshard"}).exit_code == 2);
  CHECK(transcript.run_quietly({"reshard", "--groups"}).exit_code == 5);
  build(R"({"type": "Player", "formerly": ["T"], "stored_as": "T", "group": "Room"},
           {"type": "Lobby", "formerly": ["Room"], "stored_as": "Room", "group": "Room"})");
  CHECK_THAT(transcript.run_quietly({"reshard", "--groups", "--dry-run"}).err,
             Catch::Contains("class Player would be together(Lobby)\nCan reshard 64 shards: "));
  build(R"({"type": "T", "stored_as": "T", "group": "Room"}, {"type": "U", "stored_as": "U", "group": "U"})");
  const auto done = transcript.run_quietly({"reshard", "--groups"});
  CHECK(done.exit_code == 0);
  CHECK_THAT(done.err, Catch::Contains("class T is together(Room)\nResharded 64 shards: 2 entities and 1 message; 0 of "
                                       "3 rows go to another shard\n"));
  CHECK(placement() == Placement(kStored, {{"T", "Room"}}));
  check_whole(transcript);
  CHECK(read_text(transcript.directory() / "epic.toml") == kManifest);
  CHECK_THAT(transcript.run_quietly({"reshard", "--groups"}).err,
             Catch::Contains("The store already has 64 shards and the module's groups"));

  build(R"({"type": "U", "stored_as": "U", "group": "Inn"})");  // T is no class of it any more
  CHECK(transcript.run_quietly({"reshard", "32", "--groups"}).exit_code == 0);
  CHECK(placement() == Placement(32, {{"T", "Room"}, {"U", "Inn"}}));
  CHECK(transcript.run_quietly({"reshard", "16"}).exit_code == 0);
  CHECK(placement() == Placement(16, {{"T", "Room"}, {"U", "Inn"}}));
  check_whole(transcript);
}

TEST_CASE("reshard: it tells programs what it has done", "[cli]") {
  Transcript transcript("unused");
  make_project_to_reshard(transcript);
  const auto planned = boost::json::parse(transcript.run_quietly({"reshard", "256", "--dry-run", "-o", "json"}).out);
  CHECK(planned.at("former").is_null());
  const auto done = boost::json::parse(transcript.run_quietly({"reshard", "256", "-o", "json"}).out).as_object();
  CHECK(done.at("former_shards") == 64);
  CHECK(done.at("shards") == 256);
  CHECK(done.at("entities") == 2);
  CHECK(done.at("messages").at("waiting") == 1);
  CHECK(done.at("moved") == 2);  // by their hashes, T/b stays
  CHECK(done.at("moved") == planned.at("moved"));
  CHECK(std::string_view(done.at("former").as_string()).ends_with(".epic/replaced-1"));
}

TEST_CASE("reshard: what cannot be resharded is refused, and nothing was changed", "[cli]") {
  Transcript transcript("reshard_refusals");
  transcript.write("epic.toml", kManifest);
  CHECK(transcript.run({"reshard", "128"}).exit_code == 3);
  CHECK_FALSE(fs::exists(transcript.directory() / ".epic"));
  transcript.write("epic.toml", std::string(kManifest) + "[fabric]\nstore = \"memory\"\n");
  CHECK(transcript.run({"reshard", "128"}).exit_code == 3);
  make_project_to_reshard(transcript);
  {
    const int running = ::open((transcript.directory() / ".epic").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    REQUIRE(::flock(running, LOCK_EX) == 0);
    transcript.write(".epic/supervisor.lock", fmt::format("{}\n", ::getpid()));
    const auto refused = transcript.run_quietly({"reshard", "128"});
    CHECK(refused.exit_code == 1);
    CHECK_THAT(refused.err, Catch::Contains(fmt::format("is already running (pid {})", ::getpid())) &&
                                Catch::Contains("'epic stop'"));
    ::close(running);
  }
  run_sql(transcript.directory() / ".epic/state.sqlite", "UPDATE meta SET value = 99 WHERE name = 'format_version'");
  CHECK(transcript.run_quietly({"reshard", "128"}).exit_code == 1);
  run_sql(transcript.directory() / ".epic/state.sqlite",
          fmt::format("UPDATE meta SET value = {} WHERE name = 'format_version'", kStoreFormatVersion));
  CHECK(shards_of(transcript) == kStored);
  check_whole(transcript);
  CHECK(read_text(transcript.directory() / "epic.toml") == kManifest);
  transcript.check();
}

TEST_CASE("reshard: on a full disk the store stays as it was", "[cli]") {
  Transcript transcript("unused");
  fs::create_directories(transcript.directory() / ".epic");
  const epic::test::SmallFileSystem disk(transcript.directory() / ".epic", "4m");
  if (!disk.is_mounted()) {
    WARN("skipped: this user may not mount a small file system");
    return;
  }
  make_project_to_reshard(transcript);
  disk.fill();
  const auto refused = transcript.run_quietly({"reshard", "256"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Catch::Contains("Free some space"));
  disk.make_room();
  CHECK(shards_of(transcript) == kStored);
  CHECK(read_text(transcript.directory() / "epic.toml") == kManifest);
  CHECK(transcript.run_quietly({"reshard", "256"}).exit_code == 0);
  check_whole(transcript);
}

TEST_CASE("reshard: if epic.toml cannot be changed, the edit is named", "[cli]") {
  Transcript transcript("unused");
  make_project_to_reshard(transcript);
  const std::string manifest = "fabric = { shards = 64 }\n" + std::string(kManifest);
  transcript.write("epic.toml", manifest);
  const auto done = transcript.run_quietly({"reshard", "256"});
  CHECK(done.exit_code == 1);
  CHECK_THAT(done.err, Catch::Contains("write `shards = 256` under [fabric]"));
  CHECK(shards_of(transcript) == 256);
  CHECK(read_text(transcript.directory() / "epic.toml") == manifest);
}

TEST_CASE("reshard: killed at any time, it can be repeated, and then the store and epic.toml agree", "[cli]") {
  constexpr std::size_t kStateBytes = 1u << 20;  // so that copying and checking take a while
  Transcript transcript("unused");
  make_project_to_reshard(transcript, kStateBytes);
  std::uint32_t count = kStored;
  bool has_ended = false;
  for (int delay_ms = 0; !has_ended; delay_ms += 1 + delay_ms / 2) {
    const std::uint32_t wanted = count == 256 ? kStored : 256;
    has_ended = transcript.run_and_kill({"reshard", std::to_string(wanted), "-q"}, delay_ms);
    INFO("killed after " << delay_ms << " ms");
    const std::uint32_t found = shards_of(transcript);
    CHECK((found == count || found == wanted));
    if (has_ended) CHECK(found == wanted);
    check_whole(transcript, kStateBytes);
    CHECK(transcript.run_quietly({"reshard", std::to_string(wanted)}).exit_code == 0);
    CHECK(shards_of(transcript) == wanted);
    CHECK_THAT(read_text(transcript.directory() / "epic.toml"), Catch::Contains(fmt::format("shards = {}\n", wanted)));
    check_whole(transcript, kStateBytes);
    count = wanted;
  }
}
