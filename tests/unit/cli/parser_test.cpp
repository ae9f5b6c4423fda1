#include "cli/parser/parser.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "cli/commands/table.hpp"

using namespace epic::cli;
using Words = std::vector<std::string>;

TEST_CASE("parser: flags with values may stand before the command", "[cli]") {
  const Verb verb = find_verb({"-o", "json", "-q", "build", "--debug"});
  REQUIRE(verb.command != nullptr);
  CHECK(verb.command->path == "build");
  CHECK(verb.rest == Words{"-o", "json", "-q", "--debug"});
  const auto arguments = parse(*verb.command, verb.rest);
  REQUIRE(arguments);
  CHECK(arguments->value("format") == "json");
  CHECK(arguments->has("quiet"));
  CHECK(arguments->has("debug"));
}

TEST_CASE("parser: words that look like JSON or negative numbers stay as they were typed", "[cli]") {
  const Command* help = find_command("help");
  const Words words = {"-3", "[1,2]", "{}", "-.5", "", "--", "--help", "-x"};
  const auto arguments = parse(*help, words);
  REQUIRE(arguments);
  CHECK(arguments->words() == Words{"-3", "[1,2]", "{}", "-.5", "", "--help", "-x"});
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
  for (const Command* command : commands())
    for (const OptionSpec& option : command->options) check(option);
}

TEST_CASE("parser: every row of the table is complete", "[cli]") {
  for (const Command* command : commands()) {
    INFO(command->path);
    CHECK_FALSE(command->summary.empty());
    CHECK_FALSE(command->example.empty());
    CHECK(command->example.starts_with("epic ") != command->example.starts_with("source "));
    CHECK_FALSE(command->summary.ends_with('.'));
    CHECK(command->run != nullptr);
    for (const OptionSpec& option : command->options) CHECK_FALSE(option.summary.empty());
  }
}
