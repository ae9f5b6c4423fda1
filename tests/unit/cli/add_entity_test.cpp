#include "cli/project/add_entity.hpp"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "support/temp_dir.hpp"

using namespace epic::cli;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

namespace {

/// A directory with a module that has no class, or with these files.
class Folder {
 public:
  explicit Folder(const std::map<std::string, std::string>& files = {
                      {"src/module.cpp", "#include <epic/epic.hpp>\n\nEPIC_MODULE(epic::no_setup)\n"}}) {
    for (const auto& [name, text] : files) write(name, text);
  }

  [[nodiscard]] const fs::path& path() const { return directory_.path(); }

  void write(const std::string& name, std::string_view text) const {
    fs::create_directories((path() / name).parent_path());
    std::ofstream(path() / name, std::ios::binary) << text;
  }
  /// Every file and directory, with its content.
  [[nodiscard]] std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> all;
    for (const auto& entry : fs::recursive_directory_iterator(path())) {
      std::ostringstream text;
      if (entry.is_regular_file()) text << std::ifstream(entry.path(), std::ios::binary).rdbuf();
      all[entry.path().lexically_relative(path()).string()] = text.str();
    }
    return all;
  }

 private:
  epic::test::TempDir directory_;
};

/// Why it was not added, and that nothing was changed.
std::string refusal(const Folder& folder, const NewEntity& entity) {
  const auto before = folder.content();
  const auto added = add_entity(folder.path(), entity);
  CHECK(folder.content() == before);
  return added ? "added" : added.error().what + ": " + added.error().why;
}

}  // namespace

TEST_CASE("add entity: names are those of C++ classes with a capital letter", "[cli]") {
  for (const char* name : {"Barrel", "NPC", "Player2", "Leader_board", "B"}) CHECK(why_no_entity_name(name).empty());
  for (const char* name : {"", "barrel", "2Barrel", "_Barrel", "a::Barrel", "Barrel/7", "Bar-rel", "Bar rel",
                           "B\xc3\xa4r", "Bar__rel", "EPIC_MODULE", "FILE", "../Barrel", "class"})
    CHECK_FALSE(why_no_entity_name(name).empty());
  CHECK(why_no_entity_name(std::string(64, 'A')).empty());
  CHECK_FALSE(why_no_entity_name(std::string(65, 'A')).empty());
}

TEST_CASE("add entity: files have the words of the class's name", "[cli]") {
  CHECK(file_stem("Barrel") == "barrel");
  CHECK(file_stem("LeaderBoard") == "leader_board");
  CHECK(file_stem("Leader_Board") == "leader_board");
  CHECK(file_stem("HTTPServer2") == "http_server2");
  CHECK(file_stem("NPC") == "npc");
  CHECK(file_stem("X") == "x");
}

TEST_CASE("add entity: writes a class and its test, and lists it", "[cli]") {
  const Folder folder;
  const auto added = add_entity(folder.path(), {.name = "LeaderBoard"});
  REQUIRE(added);
  CHECK(added->files ==
        std::vector<fs::path>{"src/leader_board.hpp", "src/leader_board.cpp", "tests/leader_board_test.cpp"});
  CHECK(added->module_source == "src/module.cpp");
  CHECK(added->warnings.size() == 2);  // there is no CMakeLists.txt that picks them up

  const auto files = folder.content();
  CHECK(files.size() == 6);  // with the folders
  CHECK(files.at("src/module.cpp") ==
        "#include <epic/epic.hpp>\n\n#include \"leader_board.hpp\"\n\nEPIC_MODULE(epic::no_setup, LeaderBoard)\n");
  CHECK_THAT(files.at("src/leader_board.hpp"),
             Contains("class LeaderBoard : public epic::Entity {") &&
                 Contains("EPIC_ENTITY(LeaderBoard, state(total), methods(add, get_total))"));
  CHECK_THAT(files.at("src/leader_board.cpp"), Contains("#include \"leader_board.hpp\"\n"));
  CHECK_THAT(files.at("tests/leader_board_test.cpp"), Contains("#include \"leader_board.hpp\"\n") &&
                                                          Contains("TEST_CASE(\"leader_board: adds up\")") &&
                                                          Contains("epic::testing::Script<LeaderBoard>"));
  for (const auto& [name, text] : files) CHECK_THAT(text, !Contains("@"));
}

TEST_CASE("add entity: how often it is saved", "[cli]") {
  const auto section = [](const NewEntity& entity) {
    const Folder folder;
    REQUIRE(add_entity(folder.path(), entity));
    const std::string text = folder.content().at("src/barrel.hpp");
    const std::size_t at = text.find("EPIC_ENTITY(Barrel, ") + 20;
    return text.substr(at, text.find("state", at) - at);
  };
  using Saving = NewEntity::Saving;
  using namespace std::chrono_literals;
  CHECK(section({.name = "Barrel"}).empty());
  CHECK(section({.name = "Barrel", .saving = Saving::transient}) == "transient, ");
  CHECK(section({.name = "Barrel", .saving = Saving::interval, .interval = 1500ms}) == "interval(1500ms), ");
  CHECK(section({.name = "Barrel", .saving = Saving::interval, .interval = 90s}) == "interval(90s), ");
  CHECK(section({.name = "Barrel", .saving = Saving::interval, .interval = 5min}) == "interval(5min), ");
  CHECK(section({.name = "Barrel", .saving = Saving::interval, .interval = 48h}) == "interval(48h), ");
}

TEST_CASE("add entity: overwrites nothing, whatever lies there", "[cli]") {
  for (const char* file : {"src/barrel.hpp", "src/barrel.cpp", "tests/barrel_test.cpp"}) {
    const Folder folder;
    folder.write(file, "mine");
    CHECK(refusal(folder, {.name = "Barrel"}) ==
          std::string(file) + " already exists: epic add never overwrites files");
    fs::remove(folder.path() / file);
    fs::create_symlink("nowhere", folder.path() / file);
    CHECK_THAT(refusal(folder, {.name = "Barrel"}), Contains("already exists"));
  }
}

TEST_CASE("add entity: a class that the project defines is not defined again", "[cli]") {
  const Folder folder;
  folder.write("src/all.hpp", "#pragma once\nclass Barrel : public epic::Entity {};\n");
  CHECK(refusal(folder, {.name = "Barrel"}) == "there is a class Barrel already: src/all.hpp:2 defines it");
}

TEST_CASE("add entity: without one EPIC_MODULE that it understands, nothing is written", "[cli]") {
  const std::string include = "#include <epic/epic.hpp>\n";
  const auto what = [](std::string_view why) { return "cannot add Barrel to EPIC_MODULE: " + std::string(why); };
  const Folder none({{"src/a.cpp", include}, {"build/a.cpp", "EPIC_MODULE(a)"}, {"tests/a.cpp", "EPIC_MODULE(a)"}});
  CHECK(refusal(none, {.name = "Barrel"}) == what("no source of this project uses EPIC_MODULE; nothing was changed"));
  const Folder hidden({{"src/a.cpp", include + "#if A\nEPIC_MODULE(a)\n#endif\n"}});
  CHECK(refusal(hidden, {.name = "Barrel"}) == what("in src/a.cpp, EPIC_MODULE is inside #if; nothing was changed"));

  const Folder several({{"src/a.cpp", include + "EPIC_MODULE(a)\n"}, {"bots/b.cpp", include + "EPIC_MODULE(b)\n"}});
  CHECK(refusal(several, {.name = "Barrel"}) ==
        what("it is used 2 times: bots/b.cpp:2 and src/a.cpp:2; nothing was changed"));
  CHECK_THAT(refusal(several, {.name = "Barrel", .module_source = several.path() / "src/b.cpp"}),
             Contains("is not a source of this project that uses EPIC_MODULE"));
}

TEST_CASE("add entity: of several modules, the one that is named gets the class, and its folder the files", "[cli]") {
  const std::string include = "#include <epic/epic.hpp>\n";
  const Folder folder({{"src/a.cpp", include + "EPIC_MODULE(a)\n"}, {"bots/b.cpp", include + "EPIC_MODULE(b)\n"}});
  const auto added = add_entity(folder.path(), {.name = "Barrel", .module_source = folder.path() / "bots/b.cpp"});
  REQUIRE(added);
  CHECK(added->files == std::vector<fs::path>{"bots/barrel.hpp", "bots/barrel.cpp", "tests/barrel_test.cpp"});
  const auto files = folder.content();
  CHECK(files.at("src/a.cpp") == include + "EPIC_MODULE(a)\n");
  CHECK_THAT(files.at("bots/b.cpp"), Contains("EPIC_MODULE(b, Barrel)"));
  CHECK_THAT(files.at("tests/barrel_test.cpp"), Contains("#include \"../bots/barrel.hpp\"\n"));
}

TEST_CASE("add entity: unlisted, it leaves the module as it is", "[cli]") {
  const Folder folder({{"src/a.cpp", "EPIC_MODULE(a) EPIC_MODULE(b)"}});
  const auto added = add_entity(folder.path(), {.name = "Barrel", .listing = NewEntity::Listing::unlisted});
  REQUIRE(added);
  CHECK(added->module_source.empty());
  const auto files = folder.content();
  CHECK(files.at("src/a.cpp") == "EPIC_MODULE(a) EPIC_MODULE(b)");
  CHECK(files.contains("src/barrel.hpp"));
}

TEST_CASE("add entity: what was written is removed when the rest cannot be", "[cli]") {
  const Folder folder;
  folder.write("tests", "a file, where a directory should be");
  CHECK_THAT(refusal(folder, {.name = "Barrel"}), Contains("barrel_test.cpp"));
}

TEST_CASE("add entity: the changed source keeps its permissions, and a link to it stays one", "[cli]") {
  const Folder folder;
  fs::rename(folder.path() / "src/module.cpp", folder.path() / "shared");
  fs::permissions(folder.path() / "shared", fs::perms::owner_all);
  fs::create_symlink("../shared", folder.path() / "src/module.cpp");
  REQUIRE(add_entity(folder.path(), {.name = "Barrel"}));
  CHECK(fs::is_symlink(folder.path() / "src/module.cpp"));
  CHECK(fs::status(folder.path() / "shared").permissions() == fs::perms::owner_all);
  CHECK_THAT(folder.content().at("shared"), Contains("EPIC_MODULE(epic::no_setup, Barrel)"));
}

TEST_CASE("add entity: what only has the name of a source is not opened", "[cli]") {
  const Folder folder;
  REQUIRE(::mkfifo((folder.path() / "src/pipe.cpp").c_str(), 0600) == 0);  // opening it would wait for a writer
  fs::create_symlink("nowhere", folder.path() / "src/.#module.cpp");
  fs::create_directory(folder.path() / "src/folder.cpp");
  REQUIRE(add_entity(folder.path(), {.name = "Barrel"}));
}

TEST_CASE("add entity: sources and headers have other endings, too", "[cli]") {
  for (const char* ending : {".cc", ".cxx"}) {
    const std::string module = std::string("src/module") + ending;
    const Folder folder({{module, "#include <epic/epic.hpp>\nEPIC_MODULE(a)\n"}, {"src/b.hxx", "struct Crate {};"}});
    CHECK_THAT(refusal(folder, {.name = "Crate"}), Contains("src/b.hxx:1 defines it"));
    const auto added = add_entity(folder.path(), {.name = "Barrel"});
    REQUIRE(added);
    CHECK(added->module_source == module);
  }
}

TEST_CASE("add entity: a source that has two names can be chosen by either", "[cli]") {
  for (const char* name : {"src/module.cpp", "src/alias.cpp"}) {
    const Folder folder;
    fs::create_symlink("module.cpp", folder.path() / "src/alias.cpp");
    CHECK_THAT(refusal(folder, {.name = "Barrel"}), Contains("it is used 2 times"));
    REQUIRE(add_entity(folder.path(), {.name = "Barrel", .module_source = folder.path() / name}));
    CHECK_THAT(folder.content().at("src/module.cpp"), Contains("EPIC_MODULE(epic::no_setup, Barrel)"));
    CHECK(fs::is_symlink(folder.path() / "src/alias.cpp"));
  }
}

TEST_CASE("add entity: the pattern of another folder does not pick up what is in the project's own", "[cli]") {
  const auto warnings = [](const std::string& patterns) {
    const Folder folder({{"module.cpp", "#include <epic/epic.hpp>\nEPIC_MODULE(a)\n"},
                         {"CMakeLists.txt", "epic_add_module(NAME a SOURCES " + patterns + ")\n"}});
    const auto added = add_entity(folder.path(), {.name = "Barrel"});
    REQUIRE(added);
    return added->warnings.size();
  };
  CHECK(warnings("src/*.cpp tests/*.cpp") == 1);
  CHECK(warnings("src/*.cpp *.cpp tests/*.cpp") == 0);
  CHECK(warnings("${PROJECT_SOURCE_DIR}/*.cpp ${PROJECT_SOURCE_DIR}/tests/*.cpp") == 0);
}
