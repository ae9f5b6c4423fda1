#include "cli/parser/parser.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "cli/commands/table.hpp"

using namespace epic::cli;
using Words = std::vector<std::string>;

namespace {

Parsed parse_line(const Words& words) {
  const Verb verb = find_verb(command_table(), words);
  REQUIRE(verb.command != nullptr);
  return parse(*verb.command, verb.rest);
}

}  // namespace

TEST_CASE("parser: flags with values may stand before the command, its own ones too", "[cli]") {
  const Verb verb = find_verb(command_table(), {"-o", "json", "-q", "--nodes", "3", "run", "--detach"});
  REQUIRE(verb.command != nullptr);
  CHECK(verb.command->path == "run");
  CHECK(verb.rest == Words{"-o", "json", "-q", "--nodes", "3", "--detach"});
  const auto [arguments, failure] = parse(*verb.command, verb.rest);
  CHECK_FALSE(failure);
  CHECK(arguments.value("format") == "json");
  CHECK(arguments.has("quiet"));
  CHECK(arguments.number("nodes") == 3);
  CHECK(arguments.has("detach"));
}

TEST_CASE("parser: a value that may be left out is empty then, and takes no flag or command for itself", "[cli]") {
  for (const Words& words : {Words{"run", "--join"}, Words{"run", "--join", "--detach"}, Words{"--join", "run"}}) {
    const auto [arguments, failure] = parse_line(words);
    CHECK_FALSE(failure);
    CHECK(arguments.has("join"));
    CHECK(arguments.value("join") == "");
  }
  for (const Words& words :
       {Words{"run", "--join", "arena"}, Words{"--join=arena", "run"}, Words{"--join", "arena", "run"}})
    CHECK(parse_line(words).arguments.value("join") == "arena");
  CHECK_FALSE(parse_line({"run"}).arguments.has("join"));
}

TEST_CASE("parser: flags may stand between the two words of a command", "[cli]") {
  const Verb verb = find_verb(command_table(), {"snapshot", "-q", "list", "--limit", "2"});
  REQUIRE(verb.command != nullptr);
  CHECK(verb.command->path == "snapshot list");
  CHECK(verb.rest == Words{"-q", "--limit", "2"});
}

TEST_CASE("parser: a word that names no command is found, with what follows it", "[cli]") {
  const Verb verb = find_verb(command_table(), {"-q", "greet", "--loud", "you there"});
  CHECK(verb.command == nullptr);
  CHECK(verb.unknown == "greet");
  CHECK(verb.after == Words{"--loud", "you there"});
  CHECK(find_verb(command_table(), {"snapshot", "ls"}).unknown == "ls");
}

TEST_CASE("parser: a destructive command is never suggested", "[cli]") {
  for (const char* word : {"top", "sotp", "kil", "drian", "scael"}) {
    INFO(word);
    const Failure failure = unknown_command(command_table(), {.unknown = word});
    REQUIRE(failure.help.size() == 1);
    CHECK(failure.help[0] == "'epic help' lists all commands");
  }
  CHECK(unknown_command(command_table(), {.unknown = "bild"}).help[0] == "did you mean 'epic build'?");
}

TEST_CASE("parser: words that look like JSON or negative numbers stay as they were typed", "[cli]") {
  const Words words = {"-3", "[1,2]", "{}", "", "--", "-.5", "--help", "-x"};
  const auto [arguments, failure] = parse(*command_table().find("help"), words);
  CHECK_FALSE(failure);
  CHECK(arguments.words() == Words{"-3", "[1,2]", "{}", "", "-.5", "--help", "-x"});
  const auto call = parse_line({"call", "Deadline/a", "set", "[[1],[2]]", "-1e3"});
  CHECK(call.arguments.words() == Words{"Deadline/a", "set", "[[1],[2]]", "-1e3"});
}

TEST_CASE("parser: whatever is not a path is text, and bytes that are not UTF-8 are refused in every command",
          "[cli]") {
  const std::string bad = "a\xff";
  for (const Command* command : command_table().commands) {
    INFO(command->path);
    Words words;
    std::string about;  // the first word of the command that is text
    for (const PositionalSpec& spec : command->positionals) {
      words.push_back(bad);
      const bool is_path = spec.completes == Completes::file || spec.completes == Completes::directory;
      if (about.empty() && !is_path && spec.check.kind == Check::Kind::any) about = spec.name;
    }
    if (about.empty()) continue;
    const auto [arguments, failure] = parse(*command, words);
    REQUIRE(failure.has_value() != command->is_hidden);
    if (failure && failure->what.find("UTF-8") != std::string::npos)
      CHECK(failure->what == about + " takes text in UTF-8, not \"" + bad + "\"");
    else if (failure)
      CHECK(failure->what.find(bad) != std::string::npos);  // a word with a check of its own
    if (failure) CHECK(failure->code == ExitCode::usage);
  }
  CHECK(parse_line({"call", "Player/Bob", "move", bad}).failure->what ==
        "ARGUMENTS takes text in UTF-8, not \"" + bad + "\"");
  CHECK(parse_line({"call", "Player/Bob", "move", "1", "--timeout", bad}).failure.has_value());
  CHECK(parse_line({"ls", "Player/" + bad}).failure.has_value());
  CHECK_FALSE(parse_line({"ls", "Player/\u20ac"}).failure);
  CHECK_FALSE(parse_line({"ps", "-C", bad}).failure);
  CHECK_FALSE(parse_line({"call", bad, "--help"}).failure);
}

TEST_CASE("parser: a value is taken from the environment, and the command line comes first", "[cli]") {
  ::setenv("EPIC_NODES", "7", 1);
  CHECK(parse_line({"run"}).arguments.number("nodes") == 7);
  CHECK(parse_line({"run", "--nodes", "2"}).arguments.number("nodes") == 2);
  ::setenv("EPIC_NODES", "many", 1);
  const auto wrong = parse_line({"run"});
  ::unsetenv("EPIC_NODES");
  REQUIRE(wrong.failure);
  CHECK(wrong.failure->what == "--nodes takes a whole number from 1 to 64, not \"many\"");
  CHECK(wrong.failure->why == "the value comes from the environment variable EPIC_NODES");
}

TEST_CASE("parser: a default of the table is the value where none was given", "[cli]") {
  CHECK(parse_line({"logs"}).arguments.number("tail") == 1000);
  CHECK(parse_line({"call", "A/b", "m"}).arguments.duration("timeout") == std::chrono::seconds(30));
  CHECK(parse_line({"run"}).arguments.number("nodes") == std::nullopt);
}

TEST_CASE("parser: what was understood is there beside an error", "[cli]") {
  const auto [arguments, failure] = parse_line({"ps", "-o", "json", "--frob"});
  REQUIRE(failure);
  CHECK(failure->what == "unknown option --frob");
  CHECK(arguments.value("format") == "json");
}

TEST_CASE("parser: one flag name means one thing in every command, so that it can stand before the command", "[cli]") {
  std::map<std::string_view, bool> takes_value;
  std::map<char, std::string_view> letters;
  const auto check = [&](const OptionSpec& option) {
    const auto [known, is_new] = takes_value.emplace(option.name, !option.value.empty());
    CHECK((is_new || known->second == !option.value.empty()));
    if (option.letter == 0) return;
    const auto [name, is_new_letter] = letters.emplace(option.letter, option.name);
    CHECK((is_new_letter || name->second == option.name));
  };
  for (const OptionSpec& option : global_options()) check(option);
  for (const Command* command : command_table().commands)
    for (const OptionSpec& option : command->options) check(option);
}

TEST_CASE("parser: every row of the table is complete", "[cli]") {
  for (const Command* command : command_table().commands) {
    INFO(command->path);
    CHECK_FALSE(command->summary.empty());
    CHECK_FALSE(command->example.empty());
    CHECK(command->example.starts_with("epic ") != command->example.starts_with("source "));
    CHECK_FALSE(command->summary.ends_with('.'));
    CHECK(command->run != nullptr);
    for (const OptionSpec& option : command->options) CHECK_FALSE(option.summary.empty());
  }
}
