// What `epic schema check` and `epic build` report about saved states that a module reads with another schema, or
// cannot read.

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
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

using epic::cli_test::read_text;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace saved {
enum class Mood { calm, sulky, angry };
BOOST_DESCRIBE_ENUM(Mood, calm, sulky, angry)
struct Hero {
  std::int32_t score = 0;
  std::string team;
  Mood mood = Mood::calm;
};
BOOST_DESCRIBE_STRUCT(Hero, (), (score, team, mood))
struct Vault {
  std::string gold;
};
BOOST_DESCRIBE_STRUCT(Vault, (), (gold))
}  // namespace saved

namespace {

/// The store of a project, with rows as a node would have written them.
class Rows {
 public:
  explicit Rows(const fs::path& project) {
    fs::create_directories(project / ".epic");
    auto store = epic::storage::SqliteStore::open(project / ".epic/state.sqlite",
                                                  {.mode = epic::storage::OpenMode::create, .shard_count = 64});
    REQUIRE(store);
    store_ = std::move(*store);
    batch_.number = epic::kernel::CommitNumber{1};
    batch_.writer = epic::kernel::Incarnation{1};
    batch_.epochs = *epic::storage::take_all(*store_, batch_.writer);
  }
  ~Rows() { CHECK(store_->commit(batch_)); }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;

  template <class T>
  void put(const std::string& type, const std::string& key, const T& value) {
    const auto& info = epic::reflect::type_of<T>();
    const auto schema = epic::reflect::schema_of(info);
    epic::storage::PutSnapshot put{.type = type,
                                   .key = key,
                                   .shard = epic::kernel::ShardId{3},
                                   .version = epic::kernel::Version{1},
                                   .replaces = {},
                                   .schema = schema.id(),
                                   .bytes = {}};
    epic::codec::CapnpCodec().encode(info, &value, put.bytes);
    batch_.operations.push_back(std::move(put));
    batch_.schemas.push_back({schema.id(), schema.text()});
  }

  /// A message without arguments.
  void send(std::uint64_t number, const std::string& to, const std::string& method) {
    const epic::kernel::ShardId shard{3};
    batch_.operations.emplace_back(
        epic::storage::PutMail{{.id = {.shard = shard, .epoch = epic::kernel::Epoch{1}, .number = number},
                                .to_shard = shard,
                                .from = "Hero/Bob",
                                .to = to,
                                .method = method,
                                .schema = {},
                                .arguments = {},
                                .sent_at_ns = 0}});
  }

  /// Deletes the schemas, as if their rows had been lost.
  void lose_schemas() { batch_.schemas.clear(); }

 private:
  std::unique_ptr<epic::storage::SqliteStore> store_;
  epic::storage::Batch batch_;
};

/// A project whose "compiler" copies the module chosen last.
void make_project(Transcript& transcript) {
  transcript.write("epic.toml", "[project]\nname = \"arena\"\n");
  transcript.write("CMakeLists.txt", R"(cmake_minimum_required(VERSION 3.25)
project(arena NONE)
add_custom_target(arena COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/next.so ${CMAKE_BINARY_DIR}/modules/arena.so)
)");
}

fs::path module_of(const std::string& version) { return fs::path(EPIC_TEST_MODULES) / ("evolve_" + version + ".so"); }

void choose_module(const Transcript& transcript, const fs::path& module) {
  fs::copy_file(module, transcript.directory() / "next.so", fs::copy_options::overwrite_existing);
}

}  // namespace

TEST_CASE("evolution: a module that no node can load does not take the place of one that works", "[cli]") {
  Transcript transcript("evolution_load");
  make_project(transcript);
  choose_module(transcript, module_of("v1"));
  CHECK(transcript.run_quietly({"build"}).exit_code == 0);
  choose_module(transcript, fs::path(EPIC_TEST_MODULES) / "dies_when_loaded.so");
  CHECK(transcript.run({"build"}).exit_code == 5);
  CHECK(read_text(transcript.directory() / "build/modules/arena.so") == read_text(module_of("v1")));
  transcript.check();
}

TEST_CASE("evolution: stored messages for methods that the module lacks are reported, with the way out", "[cli]") {
  Transcript transcript("unused");
  make_project(transcript);
  choose_module(transcript, module_of("v2"));
  REQUIRE(transcript.run_quietly({"build"}).exit_code == 0);
  {
    Rows rows(transcript.directory());
    rows.send(1, "Hero/Bob", "train");  // by the former name of its class
    rows.send(2, "Hero/Bob", "begin");
    rows.send(3, "Hero/Ann", "begin");
    rows.send(4, "Ghost/1", "haunt");
  }
  const auto checked = transcript.run_quietly({"schema", "check"});
  CHECK(checked.exit_code == 1);
  CHECK_THAT(checked.err,
             Catch::Contains("Knight: 2 messages for its method begin, which the module does not have (such "
                             "as 3.1.2): if it was renamed, add renamed(begin, NEW) to its EPIC_ENTITY"));
  CHECK_THAT(checked.err, Catch::Contains("Ghost: 1 message for its method haunt") &&
                              Catch::Contains("add formerly(\"Ghost\") to its named(…)"));
  CHECK_FALSE(checked.err.contains("train"));
}

TEST_CASE("evolution: snapshots that no module could read keep no module out of its place", "[cli]") {
  Transcript transcript("evolution_damaged");
  make_project(transcript);
  choose_module(transcript, module_of("v1"));
  {
    Rows rows(transcript.directory());
    rows.put("Hero", "Ann", saved::Hero{.score = 3, .team = "red", .mood = saved::Mood::angry});
    rows.lose_schemas();
  }
  CHECK(transcript.run({"build", "--quiet"}).exit_code == 0);
  CHECK(fs::exists(transcript.directory() / "build/modules/arena.so"));
  CHECK(transcript.run({"schema", "check"}).exit_code == 1);
  CHECK(transcript.run({"snapshot", "list", "Vault"}).exit_code == 3);  // a class without saved states
  transcript.check();
}

TEST_CASE("evolution: a module that cannot read what is saved is not put in place, unless it is forced", "[cli]") {
  Transcript transcript("evolution_build");
  make_project(transcript);
  choose_module(transcript, module_of("v1"));
  CHECK(transcript.run({"schema", "check"}).exit_code == 3);  // no module is built
  CHECK(transcript.run_quietly({"build"}).exit_code == 0);
  CHECK(transcript.run({"schema", "check"}).exit_code == 3);  // nothing is saved
  {
    Rows rows(transcript.directory());
    rows.put("Hero", "Ann", saved::Hero{.score = 3, .team = "red", .mood = saved::Mood::angry});
    rows.put("Hero", "Bob", saved::Hero{.score = 4, .team = "blue", .mood = saved::Mood::sulky});
    rows.put("Hero", "Cid", saved::Hero{.score = 5, .team = "", .mood = saved::Mood::sulky});
    rows.put("Ghost", "x", saved::Vault{.gold = "none"});
  }
  CHECK(transcript.run({"schema", "check"}).exit_code == 1);  // sulky is no longer a mood
  {
    Rows rows(transcript.directory());
    rows.put("Hero", "Bob", saved::Hero{.score = 4, .team = "blue", .mood = saved::Mood::angry});
    rows.put("Hero", "Cid", saved::Hero{.score = 5, .team = "", .mood = saved::Mood::calm});
  }
  CHECK(transcript.run({"schema", "check"}).exit_code == 0);
  choose_module(transcript, module_of("v2"));
  CHECK(transcript.run_quietly({"build"}).err.contains("Knight: 3 snapshots are read with another schema: "));

  {
    Rows rows(transcript.directory());
    rows.put("Vault", "main", saved::Vault{.gold = "a heap"});
    rows.put("Vault", "side", saved::Vault{.gold = "a bit"});
  }
  choose_module(transcript, module_of("v1"));
  CHECK(transcript.run_quietly({"build"}).exit_code == 0);
  choose_module(transcript, module_of("v2"));
  const std::string types = read_text(transcript.directory() / "build/modules/arena.types.json");
  CHECK(transcript.run({"build"}).exit_code == 5);
  CHECK(read_text(transcript.directory() / "build/modules/arena.so") == read_text(module_of("v1")));
  CHECK(read_text(transcript.directory() / "build/modules/arena.types.json") == types);
  CHECK(transcript.run({"run", "--exit-after-setup"}).exit_code == 5);

  CHECK(transcript.run_quietly({"build", "--force"}).err.contains("warning: Vault.gold: was written as text"));
  CHECK(read_text(transcript.directory() / "build/modules/arena.so") == read_text(module_of("v2")));
  CHECK(transcript.run({"schema", "check"}).exit_code == 1);
  const auto checked = transcript.run_quietly({"schema", "check", "-o", "json"});
  CHECK(checked.exit_code == 1);
  const auto rows = boost::json::parse(checked.out).as_array();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at("verdict") == "converts");
  CHECK(rows[1].at("type") == "Vault");
  CHECK(rows[1].at("unreadable") == 2);
  CHECK(rows[2].at("verdict") == "unclaimed");
  CHECK_FALSE(fs::exists(transcript.directory() / "build/modules/arena.so.former"));
  transcript.check();
}

TEST_CASE("evolution: rows that a class would no longer find under its name are told, and keep a module out", "[cli]") {
  Transcript transcript("evolution_names");
  make_project(transcript);
  {
    Rows rows(transcript.directory());
    rows.put("Hero", "Ann", saved::Hero{});
    rows.put("Player", "Bob", saved::Hero{});
  }
  choose_module(transcript, module_of("v3"));  // its Player is stored as Hero
  CHECK(transcript.run({"build"}).exit_code == 5);
  CHECK_FALSE(fs::exists(transcript.directory() / "build/modules/arena.so"));
  CHECK(transcript.run_quietly({"build", "--force"}).exit_code == 0);
  transcript.run({"schema", "check"});
  CHECK(boost::json::parse(transcript.run_quietly({"inspect", "Hero/Ann", "-o", "json"}).out).at("entity") ==
        "Player/Ann");
  CHECK(transcript.run_quietly({"snapshot", "list", "Knight", "-o", "jsonl"}).out.contains("\"Player/Ann\""));
  // Rows stored as Player belong to no class, and must not be taken for the Player that is stored as Hero.
  CHECK(
      transcript.run_quietly({"snapshot", "prune", "--older-than", "0s", "--dry-run"}).out.starts_with("Player\t1\t"));
  CHECK(transcript.run_quietly({"snapshot", "export", "Hero/Ann"}).exit_code == 0);
  transcript.check();
}
