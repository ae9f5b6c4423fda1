#include <catch2/catch.hpp>

#include "cli/project/build.hpp"

using namespace epic::cli;

TEST_CASE("build log: errors are kept with what the compiler shows of them, warnings and commands are not", "[cli]") {
  const std::string log =
      "[1/2] Building CXX object a.o\nFAILED: a.o\n/usr/bin/clang++-19 -c a.cpp\n"
      "a.cpp:3:1: warning: unused\n    3 | int x;\n"
      "a.cpp:7:3: error: unknown type name 'Foo'\n    7 |   Foo foo;\n      |   ^\n1 warning and 1 error generated.\n"
      "ninja: build stopped: subcommand failed.\n";
  CHECK(shorten_build_log(log) == "a.cpp:7:3: error: unknown type name 'Foo'\n    7 |   Foo foo;\n      |   ^\n");
}

TEST_CASE("build log: of many errors the first are shown and the rest counted", "[cli]") {
  std::string log;
  for (int i = 1; i <= 5; ++i) log += "a.cpp:" + std::to_string(i) + ":1: error: no\n";
  CHECK(shorten_build_log(log, 2) == "a.cpp:1:1: error: no\na.cpp:2:1: error: no\n… and 3 more\n");
}

TEST_CASE("build log: without an error that is known, its end is shown", "[cli]") {
  CHECK(shorten_build_log("some\nlast words\n").find("last words") != std::string::npos);
}
