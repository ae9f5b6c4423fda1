#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/describe/class.hpp>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "cli/transcript.hpp"
#include "codec/capnp_codec.hpp"
#include "epic/values.hpp"
#include "reflect/schema_of.hpp"
#include "storage/grants.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/store_mark.hpp"
#include "support/small_file_system.hpp"

using epic::cli_test::kManifest;
using epic::cli_test::read_text;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace stored {
struct Player {
  std::int64_t score = 0;
  std::string team;
};
BOOST_DESCRIBE_STRUCT(Player, (), (score, team))
}  // namespace stored

namespace {

epic::storage::PutSnapshot put_of(const std::string& key, const stored::Player& player) {
  const auto& type = epic::reflect::type_of<stored::Player>();
  epic::storage::PutSnapshot put{.type = "Player",
                                 .key = key,
                                 .shard = epic::kernel::ShardId{3},
                                 .version = epic::kernel::Version{7},
                                 .replaces = epic::kernel::Version{0},
                                 .schema = epic::reflect::schema_of(type).id(),
                                 .bytes = {}};
  epic::codec::CapnpCodec().encode(type, &player, put.bytes);
  return put;
}

// A project whose fabric is down, with three snapshots that were saved at a known time.
void make_project_with_store(Transcript& transcript) {
  transcript.write("epic.toml", kManifest);
  fs::create_directories(transcript.directory() / ".epic");
  const auto clock = [] { return std::chrono::system_clock::time_point(std::chrono::milliseconds(1'700'000'000'123)); };
  auto store = epic::storage::SqliteStore::open(
      transcript.directory() / ".epic/state.sqlite",
      {.mode = epic::storage::OpenMode::create, .shard_count = 64, .wall_clock = clock});
  REQUIRE(store);
  const auto epochs = epic::storage::take_all(**store, epic::kernel::Incarnation{1});
  REQUIRE(epochs);
  const auto schema = epic::reflect::schema_of(epic::reflect::type_of<stored::Player>());
  const auto committed = (*store)->commit(
      {.number = epic::kernel::CommitNumber{1},
       .writer = epic::kernel::Incarnation{1},
       .epochs = *epochs,
       .schemas = {{schema.id(), schema.text()}},
       .operations = {put_of("Bea", {.score = -4, .team = "red"}), put_of("Bob", {.score = 30, .team = "two words"}),
                      put_of("Bob: Slayer", {.score = 31, .team = ""})}});
  REQUIRE(committed);
}

}  // namespace

TEST_CASE("stored: with the fabric down, ls and inspect read the store and say so", "[cli]") {
  Transcript transcript("stored");
  make_project_with_store(transcript);
  const auto inspected = transcript.run({"inspect", "Player/Bob", "-o", "json"});
  CHECK(boost::json::parse(inspected.out).at("live") == false);
  CHECK(boost::json::parse(inspected.out).at("state").at("score") == 30);
  transcript.run({"inspect", "Player/Bob"});
  transcript.run({"snapshot", "list"});
  transcript.run({"snapshot", "list", "Player/Bob", "-o", "jsonl"});
  transcript.run({"snapshot", "show", "Player/Bob: Slayer"});
  CHECK(transcript.run({"inspect", "Player/Nobody"}).exit_code == 3);
  CHECK(transcript.run({"inspect", "Plyer/Bob"}).exit_code == 3);
  CHECK(transcript.run({"snapshot", "show", "Player/Nobody"}).exit_code == 3);
  CHECK(transcript.run({"snapshot", "list", "Playr"}).exit_code == 3);
  CHECK(transcript.run({"ls", "--live"}).exit_code == 3);
  transcript.check();
}

TEST_CASE("stored: ls shows the fields that it shows of a running fabric", "[cli]") {
  Transcript transcript("unused");
  make_project_with_store(transcript);
  const auto rows = boost::json::parse(transcript.run_quietly({"ls", "-o", "json"}).out).as_array();
  REQUIRE(rows.size() == 3);
  for (const char* field : {"entity", "state", "node", "shard", "version", "bytes", "age_ms", "calls"})
    CHECK(rows[0].as_object().contains(field));
  CHECK(rows[0].at("state") == "stored");
}

TEST_CASE("stored: an export is JSON lines, a document, or a file that appears whole", "[cli]") {
  Transcript transcript("stored_export");
  make_project_with_store(transcript);
  transcript.run({"snapshot", "export"});
  transcript.run({"snapshot", "export", "Player/Bob"});
  const auto document = boost::json::parse(transcript.run_quietly({"snapshot", "export", "-o", "json"}).out);
  CHECK(document.at("project") == "arena");
  CHECK(document.at("snapshots").as_array().size() == 3);

  transcript.write("out.json", "older");
  transcript.run({"snapshot", "export", "Player", "-o", "json", "--output", "out.json"});
  CHECK(boost::json::parse(read_text(transcript.directory() / "out.json")).at("snapshots") == document.at("snapshots"));
  CHECK(fs::status(transcript.directory() / "out.json").permissions() == fs::perms(0600));  // as it was in the store
  CHECK(transcript.run({"snapshot", "export", "--output", "no/such/place"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "export", "--output", ".epic"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "export", "-o", "text"}).exit_code == 2);
  CHECK(transcript.run({"snapshot", "export", "Plyer"}).exit_code == 3);
  CHECK(transcript.run({"snapshot", "export", "Player/Bo"}).exit_code == 3);
  CHECK(std::distance(fs::directory_iterator(transcript.directory()), {}) == 3);  // epic.toml, .epic, out.json
  transcript.check();
}

TEST_CASE("stored: without fabric and store every command says what is missing", "[cli]") {
  Transcript transcript("stored_nothing");
  transcript.write("epic.toml", kManifest);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"ls"},
                                             {"inspect", "Player/Bob"},
                                             {"snapshot", "list"},
                                             {"snapshot", "export"},
                                             {"ps"},
                                             {"stop"},
                                             {"logs"},
                                             {"logs", "-f"},
                                             {"call", "Player/Bob", "get_score"}})
    CHECK(transcript.run(words).exit_code == 3);
  transcript.check();
}

TEST_CASE("stored: a store that is garbage is refused with its path, and doctor finds it", "[cli]") {
  Transcript transcript("stored_garbage");
  transcript.write("epic.toml", kManifest);
  transcript.write(".epic/state.sqlite", std::string(8192, 'x'));
  CHECK(transcript.run({"ls"}).exit_code == 1);
  CHECK(transcript.run({"inspect", "Player/Bob"}).exit_code == 1);
  CHECK(transcript.run_quietly({"doctor"}).exit_code == 1);
  const auto findings = boost::json::parse(transcript.run_quietly({"doctor", "-o", "json"}).out).as_array();
  const auto store = std::ranges::find_if(findings, [](const auto& finding) { return finding.at("what") == "store"; });
  REQUIRE(store != findings.end());
  CHECK(store->at("state") == "broken");
  CHECK(store->at("fix").is_string());
  transcript.check();
}

TEST_CASE("stored: a coordination service that does not answer is found by doctor, with its fix", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", std::string(kManifest) + "\n[fabric]\ncoordination = \"etcd://127.0.0.1:1\"\n");
  const auto findings = boost::json::parse(transcript.run_quietly({"doctor", "-o", "json"}).out).as_array();
  const auto found =
      std::ranges::find_if(findings, [](const auto& finding) { return finding.at("what") == "coordination"; });
  REQUIRE(found != findings.end());
  CHECK(found->at("state") == "broken");
  CHECK(found->at("fix").as_string().find("etcd at 127.0.0.1:1") != std::string::npos);
}

TEST_CASE("stored: a database that does not answer is found by doctor, which does not speak of files", "[cli]") {
  Transcript transcript("unused");
  transcript.write("epic.toml", std::string(kManifest) + "\n[fabric]\nstore = \"postgresql://me@127.0.0.1:1/db\"\n");
  const auto findings = boost::json::parse(transcript.run_quietly({"doctor", "-o", "json"}).out).as_array();
  const auto found = std::ranges::find_if(findings, [](const auto& finding) { return finding.at("what") == "store"; });
  REQUIRE(found != findings.end());
  CHECK(found->at("state") == "broken");
  CHECK(found->at("fix") == "see that the database runs and can be reached from here");
}

TEST_CASE("stored: a store that cannot be written is found by doctor, with its fix", "[cli]") {
  Transcript transcript("unused");
  std::filesystem::create_directories(transcript.directory() / ".epic");
  const epic::test::SmallFileSystem disk(transcript.directory() / ".epic", "1m");
  if (!disk.is_mounted()) {
    WARN("skipped: this user may not mount a small file system");
    return;
  }
  make_project_with_store(transcript);
  const auto find_store = [&] {
    const auto findings = boost::json::parse(transcript.run_quietly({"doctor", "-o", "json"}).out).as_array();
    const auto found =
        std::ranges::find_if(findings, [](const auto& finding) { return finding.at("what") == "store file"; });
    REQUIRE(found != findings.end());
    return found->as_object();
  };
  CHECK(find_store().at("state") == "ok");
  REQUIRE(disk.make_read_only());
  CHECK(find_store().at("state") == "broken");
  CHECK(find_store().at("fix").as_string().find("remount,rw") != std::string::npos);
}

TEST_CASE("stored: a state directory of another user is found by doctor, with its fix", "[cli]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  const fs::path state = transcript.directory() / ".epic";
  fs::create_directories(state);
  const auto find_directory = [&] {
    const auto findings = boost::json::parse(transcript.run_quietly({"doctor", "-o", "json"}).out).as_array();
    const auto found =
        std::ranges::find_if(findings, [](const auto& finding) { return finding.at("what") == "state directory"; });
    REQUIRE(found != findings.end());
    return found->as_object();
  };
  CHECK(find_directory().at("state") == "ok");
  REQUIRE(::chown(state.c_str(), 65534, 65534) == 0);
  CHECK(find_directory().at("state") == "broken");
  CHECK(find_directory().at("fix").as_string().find("mv -n ") != std::string::npos);
}

TEST_CASE("stored: a project of another user, above the directory, is refused", "[cli]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  transcript.write("below/file", "");
  constexpr int kNothingSaved = 3;
  CHECK(transcript.run_quietly({"ls"}, "below").exit_code == kNothingSaved);
  REQUIRE(::chown(transcript.directory().c_str(), 65534, 65534) == 0);
  for (const char* command : {"ls", "build", "ps"}) {
    const auto answer = transcript.run_quietly({command}, "below");
    CHECK(answer.exit_code == 1);
    CHECK_THAT(answer.err, Catch::Contains("belongs to user 65534") && Catch::Contains("-C "));
  }
  CHECK(transcript.run_quietly({"-C", (transcript.directory() / "below").string(), "ls"}).exit_code == 1);
  CHECK(transcript.run_quietly({"ls"}).exit_code == kNothingSaved);
  CHECK(transcript.run_quietly({"-C", "..", "ls"}, "below").exit_code == kNothingSaved);
  CHECK_THAT(transcript.run_quietly({"doctor"}, "below").out, Catch::Contains("belongs to user 65534"));
}

TEST_CASE("stored: a command that needs the state of another user says whose it is", "[cli]") {
  if (::geteuid() != 0) {
    WARN("skipped: only root can give files away");
    return;
  }
  Transcript transcript("unused");
  transcript.write("epic.toml", kManifest);
  transcript.write("old.epic", "");
  fs::create_directory(transcript.directory() / ".epic");
  REQUIRE(::chown((transcript.directory() / ".epic").c_str(), 65534, 65534) == 0);
  const std::vector<std::vector<std::string>> commands = {
      {"ls"},
      {"inspect", "T/a"},
      {"backup", "new.epic"},
      {"restore", "old.epic"},
      {"reshard", "128"},
      {"snapshot", "list"},
      {"snapshot", "show", "T/a"},
      {"snapshot", "verify"},
      {"snapshot", "export"},
      {"snapshot", "rm", "T/a", "--yes"},
      {"outbox", "list"},
      {"reminders"},
  };
  for (const auto& command : commands) {
    CAPTURE(command);
    const auto answer = transcript.run_quietly(command);
    CHECK(answer.exit_code == 1);
    CHECK_THAT(answer.err, Catch::Contains("belongs to user 65534"));
  }
}

TEST_CASE("stored: logs of the last run are read from its files, in the order of their times", "[cli]") {
  Transcript transcript("stored_logs");
  transcript.write("epic.toml", kManifest);
  transcript.write(".epic/logs/latest/node-1.log",
                   "2031-05-04T09:08:07.100Z INFO Player/Bob first\n2031-05-04T09:08:07.300Z WARN - third\n");
  transcript.write(".epic/logs/latest/node-2.log", "2031-05-04T09:08:07.200Z INFO - second\n");
  transcript.run({"logs"});
  transcript.run({"logs", "node-2"});
  transcript.run({"logs", "--tail", "1", "-o", "jsonl"});
  CHECK(transcript.run({"logs", "node-9"}).exit_code == 3);
  transcript.check();

  fs::rename(transcript.directory() / ".epic/logs", transcript.directory() / "elsewhere");
  fs::create_directory_symlink("../elsewhere", transcript.directory() / ".epic/logs");
  CHECK_THAT(transcript.run_quietly({"logs"}).err, Catch::Contains("is a symbolic link"));
}

TEST_CASE("stored: what may lack acknowledged values is read with a warning, and written to once that is accepted",
          "[cli]") {
  using Catch::Contains;
  Transcript transcript("unused");
  make_project_with_store(transcript);
  const fs::path store = transcript.directory() / ".epic/state.sqlite";
  epic::storage::write_mark(store, {.kind = epic::storage::StoreMark::Kind::lost, .what = "its log was cut off"},
                            std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000)));
  for (const auto& words : std::vector<std::vector<std::string>>{{"ls"},
                                                                 {"inspect", "Player/Bob"},
                                                                 {"snapshot", "list"},
                                                                 {"snapshot", "show", "Player/Bob"},
                                                                 {"snapshot", "export"},
                                                                 {"snapshot", "verify"}}) {
    const auto answer = transcript.run_quietly(words);
    CAPTURE(words, answer.out, answer.err);
    CHECK(answer.exit_code == 0);
    CHECK_THAT(answer.err, Contains("warning: its log was cut off (noticed at 2023-11-14T22:13:20Z)"));
  }
  const auto refused = transcript.run_quietly({"snapshot", "rm", "Player/Bob", "--yes"});
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("error: its log was cut off") && Contains("snapshot verify --accept"));
  CHECK_THAT(transcript.run_quietly({"doctor"}).out, Contains("its log was cut off"));

  CHECK(transcript.run_quietly({"snapshot", "verify", "Player", "--accept"}).exit_code == 2);
  const auto accepted = transcript.run_quietly({"snapshot", "verify", "--accept"});
  CHECK(accepted.exit_code == 0);
  CHECK_THAT(accepted.err, Contains("Accepted"));
  CHECK_THAT(transcript.run_quietly({"ls"}).err, !Contains("cut off"));
  CHECK(transcript.run_quietly({"snapshot", "rm", "Player/Bob", "--yes"}).exit_code == 0);
  CHECK_THAT(transcript.run_quietly({"snapshot", "verify", "--accept"}).err, Contains("nothing to accept"));
}

TEST_CASE("stored: verify finds the one snapshot whose bytes are not what was saved", "[cli]") {
  Transcript transcript("stored_verify");
  make_project_with_store(transcript);
  CHECK(transcript.run({"snapshot", "verify"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "verify", "Plaier"}).exit_code == 3);
  sqlite3* database = nullptr;
  REQUIRE(sqlite3_open((transcript.directory() / ".epic/state.sqlite").c_str(), &database) == SQLITE_OK);
  CHECK(sqlite3_exec(database, "UPDATE snapshots SET bytes = x'00' WHERE key = 'Bob'", nullptr, nullptr, nullptr) ==
        SQLITE_OK);
  sqlite3_close(database);
  CHECK(transcript.run({"snapshot", "verify"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "verify", "-o", "json"}).exit_code == 1);
  transcript.check();
}

TEST_CASE("stored: schemas are shown, and one is exported for other tools", "[cli]") {
  Transcript transcript("stored_schema");
  make_project_with_store(transcript);
  CHECK(transcript.run({"schema", "show"}).exit_code == 0);
  CHECK(transcript.run({"schema", "show", "Player", "-o", "json"}).exit_code == 0);
  CHECK(transcript.run({"schema", "export", "Player"}).exit_code == 0);
  CHECK(transcript.run({"schema", "export", "Player", "0000000000000001"}).exit_code == 3);
  CHECK(transcript.run({"schema", "export", "Plaier"}).exit_code == 3);
  transcript.check();
}

TEST_CASE("stored: diff shows what was added, removed and changed, and tells by its exit code", "[cli]") {
  Transcript transcript("stored_diff");
  make_project_with_store(transcript);
  transcript.write("then.jsonl",
                   "{\"entity\":\"Player/Bea\",\"state\":{\"score\":-4,\"team\":\"red\"}}\n"
                   "{\"entity\":\"Player/Bob\",\"state\":{\"score\":12,\"team\":\"two words\"}}\n"
                   "{\"entity\":\"Player/Old\",\"state\":{\"score\":1}}\n");
  CHECK(transcript.run({"snapshot", "export", "-q", "--output", "now.jsonl"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "diff", "now.jsonl"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "diff", "then.jsonl"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "diff", "then.jsonl", "now.jsonl", "-o", "jsonl"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "diff", "now.jsonl", "then.jsonl", "-o", "json"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "diff", "no.jsonl"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "diff", "now.jsonl", "--live"}).exit_code == 3);
  CHECK(transcript.run({"snapshot", "diff", "now.jsonl", "now.jsonl", "--live"}).exit_code == 2);
  transcript.write("bad.jsonl", "{\"entity\":\"Player\"}\n");
  CHECK(transcript.run({"snapshot", "diff", "bad.jsonl"}).exit_code == 1);
  transcript.check();
}

TEST_CASE("stored: rm removes under the project's lock, and asks before", "[cli]") {
  Transcript transcript("stored_rm");
  make_project_with_store(transcript);
  CHECK(transcript.run({"snapshot", "rm", "Player/Bob"}).exit_code == 2);
  CHECK(transcript.run({"snapshot", "rm", "Player/Bob", "Player/Nobody", "--dry-run"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "rm", "Player/Bob", "Player/Bob", "--yes"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "rm", "Player/Bob", "--yes"}).exit_code == 3);
  CHECK(transcript.run({"snapshot", "rm", "Player"}).exit_code == 2);
  transcript.run({"snapshot", "list", "-o", "jsonl"});
  CHECK_FALSE(fs::exists(transcript.directory() / ".epic/supervisor.lock"));
  transcript.check();
}

TEST_CASE("stored: prune removes what is old, and shows before what that is", "[cli]") {
  Transcript transcript("stored_prune");
  make_project_with_store(transcript);
  CHECK(transcript.run({"snapshot", "prune"}).exit_code == 2);
  CHECK(transcript.run({"snapshot", "prune", "--older-than", "soon"}).exit_code == 2);
  CHECK(transcript.run({"snapshot", "prune", "--older-than", "30000d"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "prune", "--older-than", "30d", "--dry-run"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "prune", "Plyer", "--older-than", "30d"}).exit_code == 3);
  CHECK(transcript.run({"snapshot", "list"}).out.find("Player/Bob") != std::string::npos);
  CHECK(transcript.run({"snapshot", "prune", "--older-than", "30d", "--yes", "-o", "json"}).exit_code == 0);
  CHECK(transcript.run({"snapshot", "list"}).out.empty());
  transcript.check();
}

TEST_CASE("stored: on a terminal, what changes something asks, and takes anything but yes for no", "[cli]") {
  Transcript transcript("unused");
  make_project_with_store(transcript);
  const std::string said = transcript.run_on_terminal({"snapshot", "rm", "Player/Bob"}, "n\n");
  CHECK(said.find("Remove 1 saved state from the store (no fabric runs)? [y/N]") != std::string::npos);
  CHECK(said.find("nothing was changed") != std::string::npos);
  CHECK(transcript.run_on_terminal({"snapshot", "rm", "Player/Bob"}, "y\n").find("Removed 1") != std::string::npos);
}
