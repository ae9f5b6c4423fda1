// epic add entity, as it is typed. What it does to sources is tested in tests/unit/cli.
#include <boost/json/parse.hpp>
#include <catch2/catch.hpp>
#include <filesystem>

#include "cli/transcript.hpp"

using epic::cli_test::Answer;
using epic::cli_test::kManifest;
using epic::cli_test::read_text;
using epic::cli_test::Transcript;
namespace fs = std::filesystem;

namespace {

void make_small_project(Transcript& transcript) {
  transcript.write("epic.toml", kManifest);
  transcript.write("CMakeLists.txt",
                   "epic_add_module(NAME a SOURCES src/*.cpp)\nepic_add_tests(SOURCES tests/*.cpp)\n");
  transcript.write("src/module.cpp", "#include <epic/epic.hpp>\n\nEPIC_MODULE(epic::no_setup)\n");
}

}  // namespace

TEST_CASE("add: a class, whatever directory of the project it is typed in", "[cli]") {
  Transcript transcript("add_entity");
  make_small_project(transcript);
  CHECK(transcript.run({"add", "entity", "Barrel"}).exit_code == 0);
  CHECK(transcript.run({"add", "entity", "Barrel"}).exit_code == 1);
  CHECK(transcript.run({"add", "entity", "NPC", "--transient", "-o", "jsonl"}, "src").exit_code == 0);
  CHECK(read_text(transcript.directory() / "src/module.cpp") ==
        "#include <epic/epic.hpp>\n\n#include \"barrel.hpp\"\n#include \"npc.hpp\"\n\n"
        "EPIC_MODULE(epic::no_setup, Barrel, NPC)\n");
  CHECK(read_text(transcript.directory() / "src/npc.hpp").contains("EPIC_ENTITY(NPC, transient, state(total), "));
  transcript.check();
}

TEST_CASE("add: what is wrong with the words is answered before anything is written", "[cli]") {
  Transcript transcript("add_words");
  make_small_project(transcript);
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"add", "entity"},
                                             {"add", "entitty", "Barrel"},
                                             {"add", "entity", "leader-board"},
                                             {"add", "entity", "Barrel/7"},
                                             {"add", "entity", "9Lives"},
                                             {"add", "entity", "Barrel", "--interval", "soon"},
                                             {"add", "entity", "Barrel", "--interval", "0s"},
                                             {"add", "entity", "Barrel", "--interval", "5s", "--transient"},
                                             {"add", "entity", "Barrel", "--unlisted", "--module", "src/module.cpp"}})
    CHECK(transcript.run(words).exit_code == 2);
  CHECK(std::distance(fs::recursive_directory_iterator(transcript.directory()), {}) == 4);
  transcript.check();
}

TEST_CASE("add: a module that is not understood stays as it is, and the way out is named", "[cli]") {
  Transcript transcript("add_refused");
  make_small_project(transcript);
  const std::string source = "#include <epic/epic.hpp>\n#ifdef SMALL\nEPIC_MODULE(epic::no_setup)\n#endif\n";
  transcript.write("src/module.cpp", source);
  CHECK(transcript.run({"add", "entity", "Barrel"}).exit_code == 1);
  CHECK(std::distance(fs::recursive_directory_iterator(transcript.directory()), {}) == 4);
  CHECK(transcript.run({"add", "entity", "Barrel", "--unlisted"}).exit_code == 0);
  CHECK(read_text(transcript.directory() / "src/module.cpp") == source);

  transcript.write("CMakeLists.txt", "epic_add_module(NAME a SOURCES src/module.cpp)\n");
  transcript.write("src/module.cpp", "#include <epic/epic.hpp>\n\nEPIC_MODULE(epic::no_setup)\n");
  transcript.write("bots/bots.cpp", "#include <epic/epic.hpp>\n\nEPIC_MODULE(epic::no_setup)\n");
  CHECK(transcript.run({"add", "entity", "Bot"}).exit_code == 1);
  CHECK(transcript.run({"add", "entity", "Bot", "--module", "bots/bots.cpp"}).exit_code == 0);
  transcript.check();
}

TEST_CASE("add: needs a project", "[cli]") {
  Transcript transcript("unused");
  CHECK(transcript.run_quietly({"add", "entity", "Barrel"}).exit_code == 2);
  CHECK(fs::is_empty(transcript.directory()));
}
