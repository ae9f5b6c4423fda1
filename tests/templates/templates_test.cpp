// Every template: scaffolded, built, tested and run as its README says.
#include <catch2/catch.hpp>
#include <filesystem>

#include "templates/project.hpp"

using Catch::Matchers::Contains;
using epic::templates_test::Project;

TEST_CASE("hello: builds, and its tests pass", "[templates]") {
  const Project project("hello_tests", {"--template", "hello"});

  project.must_run("epic", {"build"});
  CHECK_THAT(project.must_run("cmake", {"--build", "build", "--target", "check"}).out, Contains("100% tests passed"));
}

TEST_CASE("hello: the counter survives a restart of the fabric", "[templates]") {
  const Project project("hello_restart", {"--template", "hello"});

  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Counter/hello", "add", "2"}).out == "2\n");
  project.must_run("epic", {"stop"});

  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Counter/hello", "add", "3"}).out == "5\n");
}

TEST_CASE("game: builds, and its tests pass", "[templates]") {
  const Project project("game_tests", {"--template", "game"});

  project.must_run("epic", {"build"});
  CHECK_THAT(project.must_run("cmake", {"--build", "build", "--target", "check"}).out, Contains("100% tests passed"));
}

TEST_CASE("game: four nodes play the opening match once, and the score stands", "[templates]") {
  const Project project("game_run", {"--template", "game"});

  const auto first = project.must_run("epic", {"run", "--nodes", "4", "--exit-after-setup"});
  CHECK_THAT(first.out + first.err, Contains("New high score for player Bob: Slayer of armoured cylinders: 21"));
  const auto second = project.must_run("epic", {"run", "--nodes", "4", "--exit-after-setup"});
  CHECK_THAT(second.out + second.err,
             Contains("High score of player Bob: Slayer of armoured cylinders, set earlier: 21"));

  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Player/Bob", "get_score"}).out == "21\n");
  CHECK(
      project.must_run("epic", {"call", "Match/rematch", "play", "Player/Ada", R"(["Barrel/30", "Barrel/31"])"}).out ==
      "2\n");
}

TEST_CASE("bare: builds, runs, and takes a first entity", "[templates]") {
  const Project project("bare", {"--bare"});
  project.must_run("epic", {"run", "--exit-after-setup"});

  project.write("src/barrel.hpp", R"(#pragma once
#include <epic/epic.hpp>
class Barrel : public epic::Entity {
 public:
  epic::Task<bool> on_hit() { co_return false; }
  EPIC_ENTITY(Barrel, methods(on_hit))
};
)");
  project.write("src/module.cpp", R"(#include "barrel.hpp"
EPIC_MODULE(epic::no_setup, Barrel)
)");
  project.must_run("epic", {"run", "--detach"});
  CHECK(project.must_run("epic", {"call", "Barrel/7", "on_hit"}).out == "false\n");
}
