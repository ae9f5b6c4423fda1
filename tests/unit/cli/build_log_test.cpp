#include <catch2/catch.hpp>

#include "cli/project/cmake.hpp"

using namespace epic::cli;

TEST_CASE("build log: errors are kept with what the compiler shows of them, warnings and commands are not", "[cli]") {
  const std::string log =
      "[1/2] Building CXX object a.o\nFAILED: a.o\n/usr/bin/clang++-19 -c a.cpp\n"
      "a.cpp:3:1: warning: unused\n    3 | int x;\n"
      "a.cpp:7:3: error: unknown type name 'Foo'\n    7 |   Foo foo;\n      |   ^\n1 warning and 1 error generated.\n"
      "ninja: build stopped: subcommand failed.\n";
  CHECK(shorten_build_log(log, Severity::error) ==
        "a.cpp:7:3: error: unknown type name 'Foo'\n    7 |   Foo foo;\n      |   ^\n");
}

TEST_CASE("build log: warnings are kept by themselves, and a clean log has none", "[cli]") {
  const std::string log =
      "[1/2] Building CXX object a.o\na.cpp:3:1: warning: ignoring return value\n    3 | ref->f();\n1 warning "
      "generated.\n"
      "[2/2] Linking CXX shared module a.so\n";
  CHECK(shorten_build_log(log, Severity::warning) == "a.cpp:3:1: warning: ignoring return value\n    3 | ref->f();\n");
  CHECK(shorten_build_log("[1/1] Linking\n", Severity::warning).empty());
}

TEST_CASE("build log: of many errors the first are shown and the rest counted", "[cli]") {
  std::string log;
  for (int i = 1; i <= 5; ++i) log += "a.cpp:" + std::to_string(i) + ":1: error: no\n";
  CHECK(shorten_build_log(log, Severity::error, 2) == "a.cpp:1:1: error: no\na.cpp:2:1: error: no\n… and 3 more\n");
}

TEST_CASE("build log: without an error that is known, its end is shown", "[cli]") {
  CHECK(shorten_build_log("some\nlast words\n", Severity::error).find("last words") != std::string::npos);
}
