// A class that changes under a running fabric: v1 writes, v2 reads and writes, v3 reads. Rolling restarts bring in the
// next version, so two versions run side by side for a while, share the placement of entities, and call each other.

#include <atomic>
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "integration/node/real_fabric.hpp"
#include "protocol/json.hpp"
#include "storage/sqlite_store.hpp"

using Catch::Matchers::Contains;
using epic::test::ProjectDirectory;
using epic::test::real_nodes;
using epic::test::Supervised;
namespace json = boost::json;
namespace fs = std::filesystem;

namespace {

constexpr int kHeroes = 24;

/// A fabric of two nodes whose module can be replaced.
class Evolving {
 public:
  explicit Evolving(const std::string& version)
      : fabric_(put_in_place(version), "unused",
                real_nodes("unused", 2, [this](auto& options) { options.module_path = module_; })) {
    fabric_.wait_for("ready 2 nodes");
    fabric_.wait_until_level();
  }

  Supervised& operator*() { return fabric_; }
  Supervised* operator->() { return &fabric_; }

  /// Restarts all nodes one by one with this version of the module; runs `meanwhile` repeatedly until that is done.
  void roll(const std::string& version, const std::function<void()>& meanwhile = [] {}) {
    put_in_place(version);
    std::atomic<bool> is_done = false;
    std::string error;
    std::thread restart([&, client = fabric_.connect()]() mutable {
      const auto done = client.stream("restart", {{"rolling", true}}, [](const json::value&) { return true; });
      if (!done) error = done.error().message;
      is_done = true;
    });
    while (!is_done) meanwhile();
    restart.join();
    REQUIRE(error.empty());
    meanwhile();
    fabric_.wait_until_level();
  }

  /// The bytes of an entity's stored state.
  std::vector<std::byte> stored_bytes(const std::string& type, const std::string& key) {
    auto store = epic::storage::SqliteStore::open(project_.path() / ".epic/state.sqlite",
                                                  {.mode = epic::storage::OpenMode::read_only});
    REQUIRE(store);
    const auto snapshot = (*store)->load(type, key);
    REQUIRE(snapshot);
    REQUIRE(*snapshot);
    return (*snapshot)->bytes;
  }

 private:
  const ProjectDirectory& put_in_place(const std::string& version) {
    module_ = project_.path() / "evolve.so";
    fs::copy_file(fs::path(EPIC_TEST_MODULES) / ("evolve_" + version + ".so"), project_.path() / "next.so",
                  fs::copy_options::overwrite_existing);
    fs::rename(project_.path() / "next.so", module_);
    return project_;
  }

  ProjectDirectory project_;
  fs::path module_;
  Supervised fabric_;
};

std::string name_of(std::string_view type, int number) { return std::string(type) + "/" + std::to_string(number); }

json::value result(const json::object& answer) { return answer.at("result"); }

/// Hero i's friend is Hero i + 1, so half of all friends are on the other node.
void begin_all(Supervised& fabric) {
  for (int i = 0; i < kHeroes; ++i)
    fabric.call(name_of("Hero", i), "begin",
                {"nick " + std::to_string(i), 100 + i, "angry", name_of("Hero", (i + 1) % kHeroes)});
}

json::object without(json::object object, std::string_view field) {
  object.erase(field);
  return object;
}

json::object state_of(Supervised& fabric, const std::string& entity) {
  return fabric.ask("inspect", {{"entity", entity}}).at("state").as_object();
}

}  // namespace

TEST_CASE("evolution: a class goes through three versions by rolling restart, and nothing is lost or doubled",
          "[node]") {
  Evolving fabric("v1");
  begin_all(*fabric);
  std::int64_t trained = 0;
  std::set<std::string> seen;  // the versions that have answered
  // Every hero trains its friend by 1, through the oldest name, which the nodes of all versions know.
  const auto train_all = [&] {
    for (int i = 0; i < kHeroes; ++i) {
      const auto report = result(fabric->call(name_of("Hero", i), "train_friend", {1}));
      CHECK(report.at("score") == 100 + (i + 1) % kHeroes + trained + 1);
      CHECK(report.at("mood") == "angry");
      seen.insert(std::string(report.at("by").as_string()));
    }
    ++trained;
  };
  train_all();
  CHECK(seen == std::set<std::string>{"v1"});

  fabric.roll("v2", train_all);
  CHECK(seen == std::set<std::string>{"v1", "v2"});
  CHECK(result(fabric->call("Knight/5", "version")) == "v2");
  const json::object knight = state_of(*fabric, "Knight/5");
  CHECK(knight.at("score") == 105 + trained);
  CHECK(without(knight, "score") == json::parse(R"({"nick": "nick 5", "mood": "angry",
      "home": {"column": 3, "row": 4, "height": 1.5E0},
      "seen": [{"column": 3, "row": 4, "height": 1.5E0}, {"column": 5, "row": 6, "height": 1.5E0}],
      "bag": {"coins": 7}, "ally": "Knight/6", "level": 1, "last_reason": ""})"));

  seen.clear();
  fabric.roll("v3", train_all);
  CHECK(seen == std::set<std::string>{"v2", "v3"});
  const json::object player = state_of(*fabric, "Hero/5");
  CHECK(player.at("points") == 105 + trained);
  CHECK(without(player, "points") == json::parse(R"({"nick": "nick 5", "mood": "angry",
      "home": {"x": 3, "row": 4, "height": 1.5E0},
      "seen": [{"x": 3, "row": 4, "height": 1.5E0}, {"x": 5, "row": 6, "height": 1.5E0}],
      "bag": {"coins": 7}, "ally": "Player/6", "level": 1})"));

  std::set<std::string> names;
  for (const auto& entity : fabric->stream("ls", {{"type", "Knight"}, {"source", "all"}}))
    names.insert(std::string(entity.at("entity").as_string()));
  CHECK(names.size() == kHeroes);
  CHECK(names.contains("Player/5"));
}

TEST_CASE("evolution: the newest version reads an old snapshot that no version in between has rewritten", "[node]") {
  Evolving fabric("v1");
  begin_all(*fabric);
  fabric.roll("v3");
  CHECK(result(fabric->call("Player/0", "train", {1, "!"})).at("by") == "v3!");
  CHECK(state_of(*fabric, "Player/0").at("points") == 101);
  CHECK(state_of(*fabric, "Player/0").at("home").at("x") == 3);
}

TEST_CASE("evolution: unreadable state fails only its own entity, and its bytes are left unchanged", "[node]") {
  Evolving fabric("v1");
  begin_all(*fabric);
  fabric->call("Vault/main", "put", {"a heap"});
  const auto bytes = fabric.stored_bytes("Vault", "main");
  fabric.roll("v2");

  const auto refused = fabric->ask_in_vain("call", {{"entity", "Vault/main"}, {"method", "look"}});
  CHECK_THAT(refused.message,
             Contains("Vault/main") && Contains("gold: was written as text and cannot be read as int64"));
  CHECK(refused.detail.error == "activation_failed");
  CHECK(fabric.stored_bytes("Vault", "main") == bytes);
  CHECK(state_of(*fabric, "Vault/main").at("gold") == "a heap");  // by its own schema
  fabric->call("Vault/other", "put", {5});
  CHECK(result(fabric->call("Vault/other", "look")) == 5);
  CHECK(result(fabric->call("Knight/3", "train", {"", 1, false})).at("score") == 104);

  fabric.roll("v3");
  CHECK(result(fabric->call("Vault/main", "look")) == "a heap");
  CHECK_THAT(fabric->ask_in_vain("call", {{"entity", "Vault/other"}, {"method", "look"}}).message,
             Contains("gold: was written as int64 and cannot be read as text"));
}
