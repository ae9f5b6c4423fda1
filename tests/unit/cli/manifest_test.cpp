#include "cli/project/manifest.hpp"

#include <catch2/catch.hpp>

using namespace epic::cli;

TEST_CASE("manifest: what is not said has its default, and the module is called like the project", "[cli]") {
  const auto manifest = parse_manifest("[project]\nname = \"arena\"\n", "epic.toml");
  REQUIRE(manifest);
  CHECK(manifest->module == "arena");
  CHECK(manifest->shards == 64);
  CHECK(manifest->grace == std::chrono::seconds(5));
}

TEST_CASE("manifest: settings are read with their units", "[cli]") {
  const auto manifest = parse_manifest(
      "[project]\nname = \"arena\"\n[modules]\nload = \"other\"\n[fabric]\nnodes = 7\nstore = \"memory\"\nidle_age = "
      "\"5m\"\nblocking_threads = 3\nblocking_queue = 0\n[files]\nfolder = \"var/files\"\n"
      "[restart]\ndelay_first = \"250ms\"\n[log]\nlevel = \"debug\"\n",
      "epic.toml");
  REQUIRE(manifest);
  CHECK(manifest->module == "other");
  CHECK(manifest->nodes == 7);
  CHECK(manifest->store == "memory");
  CHECK(manifest->idle_age == std::chrono::minutes(5));
  CHECK(manifest->blocking_threads == 3);
  CHECK(manifest->blocking_queue == 0);
  CHECK(manifest->files_folder == "var/files");
  CHECK(manifest->restart_delay_first == std::chrono::milliseconds(250));
  CHECK(manifest->log_level == "debug");
}

TEST_CASE("manifest: a key that is not there is a usage error with its place and the nearest key", "[cli]") {
  const auto manifest = parse_manifest("[project]\nname = \"arena\"\n[fabric]\nnodse = 4\n", "epic.toml");
  REQUIRE_FALSE(manifest);
  CHECK(manifest.error().code == ExitCode::usage);
  CHECK(manifest.error().excerpt.find("epic.toml:4:1") != std::string::npos);
  CHECK(manifest.error().help == std::vector<std::string>{"did you mean \"nodes\"?"});
}

TEST_CASE("manifest: a silence that no heartbeat could break in time is refused", "[cli]") {
  const auto parse = [](const std::string& silence_max) {
    return parse_manifest("[project]\nname = \"arena\"\n[fabric]\nsilence_max = \"" + silence_max + "\"\n",
                          "epic.toml");
  };
  CHECK(parse("1s"));
  const auto refused = parse("999ms");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ExitCode::usage);
  CHECK_THAT(refused.error().what + refused.error().excerpt, Catch::Contains("silence_max"));
}

TEST_CASE("manifest: where other machines reach this one is checked, and an error says what is wrong", "[cli]") {
  const auto parse = [](const std::string& settings) {
    return parse_manifest("[project]\nname = \"arena\"\n[cluster]\n" + settings + "\n", "epic.toml");
  };
  const auto manifest = parse("listen = \"10.0.0.1:7500\"\nsecret_file = \"cluster.secret\"");
  REQUIRE(manifest);
  CHECK(manifest->listen == "10.0.0.1:7500");
  CHECK(manifest->secret_file == "cluster.secret");
  CHECK(manifest->text.contains("[cluster]"));
  const auto refused = parse("listen = \"10.0.0.1:99999\"");
  REQUIRE_FALSE(refused);
  CHECK_THAT(refused.error().what, Catch::Contains("[cluster] listen must be an address of this machine"));
  CHECK(refused.error().why == "its port must be a number from 0 to 65435");
  CHECK_FALSE(parse("secret_file = \"\""));
}

TEST_CASE("manifest: each of the listed machines is checked, and an error points at the one that is wrong", "[cli]") {
  const auto parse = [](const std::string& machines) {
    return parse_manifest("[project]\nname = \"arena\"\n[cluster]\nmachines = " + machines + "\n", "epic.toml");
  };
  const auto manifest = parse("[\"10.0.0.1:7600\", \"game-b\", \"[fd00::3]:7420\"]");
  REQUIRE(manifest);
  CHECK(manifest->machines == std::vector<std::string>{"10.0.0.1:7600", "game-b", "[fd00::3]:7420"});
  CHECK(parse("[]")->machines.empty());
  const std::pair<const char*, const char*> bad[] = {
      {"[\"a\", \"b:99999\"]", "its port must be a number from 1 to 65435"},
      {"[\"a\", \"b:0\"]", "its port must be a number from 1 to 65435"},
      {"[\"a\", \"\" ]", "'' does not name a machine"},
      {"[\"a\", 7420]", ""},
  };
  for (const auto& [machines, why] : bad) {
    INFO(machines);
    const auto refused = parse(machines);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ExitCode::usage);
    CHECK_THAT(refused.error().what, Catch::Contains("[cluster] machines must be a list of at most 256 addresses"));
    CHECK(refused.error().why == why);
    CHECK_THAT(refused.error().excerpt, Catch::Contains("epic.toml:4:18"));
  }
  CHECK_FALSE(parse("\"10.0.0.1\""));
}

TEST_CASE("manifest: coordination is a name or the servers of etcd, and an error says what is wrong", "[cli]") {
  const auto parse = [](const std::string& coordination) {
    return parse_manifest("[project]\nname = \"arena\"\n[fabric]\ncoordination = \"" + coordination + "\"\n",
                          "epic.toml");
  };
  for (const char* good : {"local", "postgresql", "etcd://etcd.lan", "etcd://10.0.0.1:2379,10.0.0.2:2379,[::1]:2379",
                           "etcd://10.0.0.1:2379/arena-2"})
    CHECK(parse(good));
  const std::pair<const char*, const char*> bad[] = {
      {"etcd", "it is neither \"postgresql\" nor a URL that begins with etcd://"},
      {"etcd://", "'' is not the address of an etcd server"},
      {"etcd://a:2379,,b", "'' is not the address of an etcd server"},
      {"etcd://me:secret@a", "'me:secret@a' is not the address of an etcd server"},
      {"etcd://https://a:2379", "'https:' is not the address of an etcd server"},
      {"etcd://a:2379/x/y", "'x/y' cannot name the fabric"},
  };
  for (const auto& [coordination, why] : bad) {
    const auto refused = parse(coordination);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ExitCode::usage);
    CHECK_THAT(refused.error().what, Catch::Contains("[fabric] coordination must be \"local\", \"postgresql\", or"));
    CHECK_THAT(refused.error().why, Catch::Contains(why));
    CHECK_THAT(refused.error().excerpt, Catch::Contains("epic.toml:4:16"));
  }
}

TEST_CASE("manifest: the margin of the lease is a fifth of it, or what is said if that suits the lease", "[cli]") {
  const auto parse = [](const std::string& settings) {
    return parse_manifest("[project]\nname = \"arena\"\n[fabric]\n" + settings, "epic.toml");
  };
  CHECK(parse("")->lease_margin == std::chrono::seconds(1));
  CHECK(parse("lease = \"20s\"\n")->lease_margin == std::chrono::seconds(4));
  CHECK(parse("lease_margin = \"2500ms\"\n")->lease_margin == std::chrono::milliseconds(2500));
  CHECK(parse("lease_margin = \"9s\"\nlease = \"20s\"\n")->lease_margin == std::chrono::seconds(9));
  const std::pair<const char*, const char*> bad[] = {{"2501ms", "a margin of 2500ms at most"},
                                                     {"5ms", "a margin of more than 5ms"}};
  for (const auto& [margin, why] : bad) {
    const auto refused = parse("lease_margin = \"" + std::string(margin) + "\"\n");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ExitCode::usage);
    CHECK_THAT(refused.error().why, Catch::Contains(why));
    CHECK_THAT(refused.error().excerpt, Catch::Contains("epic.toml:4:16"));
    CHECK_THAT(refused.error().help.front(), Catch::Contains("leave lease_margin out, and it is \"1s\""));
  }
}

TEST_CASE("manifest: every setting is documented, and its default is accepted", "[cli]") {
  for (const SettingText& setting : list_settings()) {
    INFO(setting.section << "." << setting.name);
    CHECK_FALSE(setting.summary.empty());
    CHECK_FALSE(setting.accepts.empty());
    if (setting.fallback.empty()) continue;
    CHECK(parse_manifest(
        "[project]\nname = \"arena\"\n[" + setting.section + "]\n" + setting.name + " = " + setting.fallback + "\n",
        "epic.toml"));
  }
}

TEST_CASE("manifest: nesting that would exhaust the stack is refused in words", "[cli]") {
  std::string dots;
  for (int i = 0; i < 50'000; ++i) dots += "a.";
  for (const std::string& text :
       {"[" + dots + "a]\n", dots + "a = 1\n", "x = " + std::string(50'000, '['), "x = " + std::string(50'000, '{')}) {
    const auto manifest = parse_manifest(text, "epic.toml");
    REQUIRE_FALSE(manifest);
    CHECK(manifest.error().code == ExitCode::usage);
  }
}

TEST_CASE("manifest: names that CMake takes for something else are refused", "[cli]") {
  for (const char* name : {"off", "OFF", "test", "all", "install", "clean", "help"})
    CHECK_FALSE(why_no_project_name(name).empty());
}

TEST_CASE("manifest: names of projects are letters, digits, '-' and '_', a letter first", "[cli]") {
  CHECK(why_no_project_name("arena-2_x").empty());
  for (const char* name : {"", "2arena", "-arena", "a b", "a/b", "ärena", "a.b"})
    CHECK_FALSE(why_no_project_name(name).empty());
  CHECK_FALSE(why_no_project_name(std::string(65, 'a')).empty());
}

TEST_CASE("manifest: the folder for files is below the project's, and not where the store or the sources are",
          "[cli]") {
  for (const std::string folder :
       {"", ".", "..", "../data", "/tmp", "data/..", ".epic", ".epic/files", "a/.epic/b", "src", "build/x", ".git"}) {
    CAPTURE(folder);
    const auto refused =
        parse_manifest("[project]\nname = \"arena\"\n[files]\nfolder = \"" + folder + "\"\n", "epic.toml");
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().what, Catch::Contains("[files] folder must be a folder below the project's"));
  }
}
