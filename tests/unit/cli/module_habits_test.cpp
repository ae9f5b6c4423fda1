#include "cli/project/module_habits.hpp"

#include <catch2/catch.hpp>

using namespace epic::cli;
using Lines = std::vector<std::string>;

namespace {

Lines habits_of(const ModuleSymbols& symbols, std::string text) {
  Lines lines = find_habits(symbols, {{"src/a.cpp", std::move(text)}});
  for (std::string& line : lines) line.resize(line.find(';'));
  return lines;
}

}  // namespace

TEST_CASE("module habits: a writable global is named with its place", "[cli]") {
  CHECK(habits_of({.writable = {"arena::hits"}, .taken = {}}, "namespace arena {\nstd::map<int, int> hits;\n}\n") ==
        Lines{"src/a.cpp:2: arena::hits is a writable global: all entities of a node share it, and it is never saved"});
  CHECK(habits_of({.writable = {"Player::hit(int)::count"}, .taken = {}},
                  "int hit() {\n  static int count = 0;\n  return ++count;\n}")
            .front()
            .starts_with("src/a.cpp:2: "));
  CHECK(habits_of({.writable = {"Player::all"}, .taken = {}}, "f(all);\nint Player::all = 0;")
            .front()
            .starts_with("src/a.cpp:2: "));
}

TEST_CASE("module habits: constants, libraries and allowed lines are left alone", "[cli]") {
  CHECK(habits_of({.writable = {"kPrices"}, .taken = {}}, "static const std::map<std::string, int>\n    kPrices = {};")
            .empty());
  CHECK(habits_of({.writable = {"kPrices"}, .taken = {}}, "inline constexpr int kPrices[] = {1};").empty());
  CHECK(
      habits_of({.writable = {"cache"}, .taken = {}}, "int cache;  // epic:allow: of the process, on purpose").empty());
  CHECK(
      habits_of({.writable = {"epic::x::info", "guard variable for f()::info", "_ZN1ainfoE"}, .taken = {}}, "int info;")
          .empty());
  CHECK(habits_of({.writable = {"acme::cache"}, .taken = {}}, "// int cache;\nint other;").empty());
  CHECK(habits_of({.writable = {}, .taken = {"_ZNSt6chrono3_V212system_clock3nowEv", "rand"}}, "auto t = epic::now();")
            .empty());
}

TEST_CASE("module habits: clocks and random numbers are named where sources take them", "[cli]") {
  const ModuleSymbols symbols{
      .writable = {},
      .taken = {"_ZNSt6chrono3_V212steady_clock3nowEv", "rand", "time", "_ZNSt13random_device9_M_getvalEv"}};
  CHECK(habits_of(symbols, "auto a = std::chrono::steady_clock::now();\n") ==
        Lines{"src/a.cpp:1: calls a clock of std::chrono"});
  CHECK(habits_of(symbols, "using Clock = std::chrono::steady_clock;\nauto a = Clock::now();\n") ==
        Lines{"src/a.cpp:2: calls a clock of std::chrono"});
  CHECK(habits_of(symbols,
                  "int a = std::rand() % 6;\nlong b = time(nullptr);  // epic:allow\nstd::random_device device;\n") ==
        Lines{"src/a.cpp:3: calls std::random_device", "src/a.cpp:1: calls rand()"});
  CHECK(habits_of(symbols, "int a = my_rand(); int runtime(int);\n").empty());
}

TEST_CASE("module habits: a file that is not a module has none", "[cli]") {
  const auto symbols = read_module_symbols("/etc/hostname");
  CHECK(symbols.writable.empty());
  CHECK(symbols.taken.empty());
}
