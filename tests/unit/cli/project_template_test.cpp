#include "cli/project/project_template.hpp"

#include <catch2/catch.hpp>

using namespace epic::cli;

TEST_CASE("project template: its version is that of find_package, as CMake reads it", "[cli]") {
  const auto why = [](std::string_view text) { return why_other_version(text, "0.4.2"); };
  for (const char* text :
       {"", "find_package(epic CONFIG REQUIRED)", "find_package(epic 0.4 CONFIG)", "find_package(epic 0.4.2)",
        "find_package(epic 0.4.1 CONFIG)", "find_package(epic 0.1...0.9)", "# find_package(epic 9)",
        "find_package(epical 9)", "find_package(epic)", "my_find_package(epic 9)", "find_package(epic ${VERSION})",
        "find_package", "find_package(", "find_package(epic", "find_package(epic "})
    CHECK(why(text) == "");
  CHECK(why("project(a)\n  FIND_PACKAGE (\n epic\t0.5 CONFIG)") ==
        "its CMakeLists.txt asks for epic 0.5, and this is epic 0.4.2");
  for (const char* text : {"find_package(epic 0.4.3)", "find_package(epic 1)", "find_package(epic 0.5...1.0)",
                           "find_package(epic 0.3 CONFIG)", "find_package(Qt 5)\nfind_package(epic 9.9.9.9)"})
    CHECK(why(text) != "");
}
