#include "lint/text.hpp"

#include <catch2/catch.hpp>

using namespace epic::lint;

TEST_CASE("length: a source of 801 lines is found", "[lint]") {
  CHECK(find_long_files({{"cli/main.cpp", std::string(801, '\n')}}).size() == 1);
  CHECK(find_long_files({{"cli/main.cpp", std::string(800, '\n')}}).empty());
}

TEST_CASE("openings: a header without pragma or comment is found", "[lint]") {
  CHECK(find_silent_headers({{"a.hpp", "// Text.\n"}}).size() == 1);
  CHECK(find_silent_headers({{"a.hpp", "#pragma once\n#include <map>\n"}}).size() == 1);
  CHECK(find_silent_headers({{"a.hpp", "#pragma once\n// A: the idea.\n\n#include <map>\n"}}).empty());
}

TEST_CASE("openings: 'Not here:' inside a line, or on two, is found", "[lint]") {
  CHECK(find_buried_headings({{"a.hpp", "// It grows. Not here:  what it is.\n"}}) ==
        Findings{"a.hpp:1: 'Not here:' does not start the line"});
  CHECK(find_buried_headings({{"a.hpp", "// It grows. Not\n// here: what it is.\n"}}).size() == 1);
  CHECK(find_buried_headings({{"a.hpp", "// It grows.\n// Not here: what it is. Not\n// there either.\n"}}).empty());
}

TEST_CASE("awaitables: one that the kernel does not list is found", "[lint]") {
  const std::string alone = "struct Tick {\n  using EpicAwaitable = void;\n};\n";
  CHECK(find_unlisted_awaitables({{"runtime/include/epic/tick.hpp", alone}}) ==
        Findings{"runtime/include/epic/tick.hpp:2: has an awaitable that is not a detail::ParkedWait"});
  CHECK(find_unlisted_awaitables({{"runtime/include/epic/call.hpp", alone}}).empty());
  CHECK(find_unlisted_awaitables({{"runtime/include/epic/tick.hpp", "using EpicAwaitable = ParkedWait;\n"}}).empty());
}

TEST_CASE("READMEs: a folder without one, and a file that it does not name, are found", "[lint]") {
  CHECK(find_unnamed_files({{"cli/main.cpp", ""}}) == Findings{"cli/README.md: is missing"});
  CHECK(find_unnamed_files({{"cli/main.cpp", ""}, {"cli/README.md", "# cli\n"}}) ==
        Findings{"cli/README.md: does not name main.cpp"});
}

TEST_CASE("READMEs: a subfolder must be named too", "[lint]") {
  const Tree tree = {{"cli/output/README.md", "table.cpp"}, {"cli/output/table.cpp", ""}, {"cli/README.md", "# cli"}};

  CHECK(find_unnamed_files(tree) == Findings{"cli/README.md: does not name output"});
}

TEST_CASE("READMEs: a pair may be named at once", "[lint]") {
  const Tree tree = {{"cli/gate.hpp", ""}, {"cli/gate.cpp", ""}, {"cli/README.md", "| `gate.{hpp,cpp}` | holds |"}};

  CHECK(find_unnamed_files(tree).empty());
}

TEST_CASE("READMEs: a path that does not exist is found", "[lint]") {
  const Tree tree = {{"cli/gate.hpp", ""},
                     {"cli/README.md", "`gate.hpp`, `../cli/`, `gate.cpp`, `no/folder`, `a_name`"}};

  CHECK(find_dead_paths(tree) == Findings{"cli/README.md:1: names gate.cpp, which does not exist",
                                          "cli/README.md:1: names no/folder, which does not exist"});
}

TEST_CASE("words: a mark of unfinished work is found", "[lint]") {
  const std::string mark = std::string("FIX") + "ME";

  CHECK(find_forbidden_words({{"cli/main.cpp", "// " + mark + " later\n"}}).size() == 1);
  CHECK(find_forbidden_words({{"cli/main.cpp", "// suffixmes\n"}}).empty());
}

TEST_CASE("words: a path of one machine is found", "[lint]") {
  CHECK(find_forbidden_words({{"README.md", std::string("cd /ro") + "ot/epic\n"}}).size() == 1);
}

TEST_CASE("words: a stilted phrase is found, in any case, but not inside another word", "[lint]") {
  const std::string verb = std::string("me") + "nd";

  CHECK(find_stilted_phrases({{"cli/main.cpp", "// M" + verb.substr(1) + "ed by a restart.\n"}}).size() == 1);
  CHECK(find_stilted_phrases({{"README.md", "We recom" + verb + " a restart.\n"}}).empty());
  CHECK(find_stilted_phrases({{"README.md", std::string("The file is no") + " JSON.\n"}}).size() == 1);
  CHECK(find_stilted_phrases({{"README.md", std::string("There is no") + " entity of this name.\n"}}).empty());
}

TEST_CASE("commands: one that does not exist is found where it is named", "[lint]") {
  const std::string table =
      R"(constexpr Command kShow{.path = "snapshot show"}; constexpr Command kRun{.path = "run"};)";
  const auto find = [&](const std::string& text) {
    return find_unknown_commands({{"cli/commands/all.cpp", table}, {"README.md", text}});
  };

  CHECK(find("`epic run`, `epic snapshot show`, 'epic snapshot'\n").empty());
  CHECK(find("epic run --nodes 4\n").empty());
  CHECK(find("Use `epic` to run; an epic walk.\n").empty());
  CHECK(find("`epic walk`\n") == Findings{"README.md:1: there is no command 'epic walk'"});
  CHECK(find("epic snapshot drop\n") == Findings{"README.md:1: there is no command 'epic snapshot drop'"});
}
