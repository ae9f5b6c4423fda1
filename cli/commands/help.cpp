// epic help: the help pages.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/parser/help.hpp"
#include "cli/parser/parser.hpp"
#include "cli/project/context.hpp"
#include "cli/project/manifest.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "COMMAND",
     .summary = "A command, config (the settings in epic.toml) or exit-codes",
     .arity = Arity::many,
     .completes = Completes::command},
};

// The command table, for programs.
boost::json::value table_as_json() {
  boost::json::array all;
  for (const Command* command : command_table().commands) {
    if (command->is_hidden) continue;
    boost::json::array options;
    for (const OptionSpec& option : command->options)
      options.push_back(boost::json::object{{"name", option.name},
                                            {"value", option.value},
                                            {"summary", option.summary},
                                            {"environment", option.environment},
                                            {"default", option.fallback}});
    boost::json::array words;
    for (const PositionalSpec& positional : command->positionals)
      words.push_back(boost::json::object{{"name", positional.name}, {"summary", positional.summary}});
    all.push_back(boost::json::object{{"command", command->path},
                                      {"summary", command->summary},
                                      {"arguments", words},
                                      {"options", options},
                                      {"example", command->example}});
  }
  return all;
}

std::string settings_page(const Console& console) {
  std::vector<std::pair<std::string, Lines>> sections;
  for (const SettingText& setting : list_settings()) {
    const std::string section = fmt::format("[{}]", setting.section);
    if (sections.empty() || sections.back().first != section) sections.push_back({section, {}});
    sections.back().second.emplace_back(
        setting.name, fmt::format("{}: {}{}", setting.summary, setting.accepts,
                                  setting.fallback.empty() ? "" : fmt::format(" [default: {}]", setting.fallback)));
  }
  return topic_page(
      console, "settings in epic.toml", "[fabric]\nnodes = 8\nidle_age = \"5m\"", sections,
      "A flag or an environment variable of a command comes before epic.toml, which comes before the default.");
}

boost::json::value settings_as_json() {
  boost::json::array all;
  for (const SettingText& setting : list_settings())
    all.push_back(boost::json::object{{"section", setting.section},
                                      {"name", setting.name},
                                      {"summary", setting.summary},
                                      {"accepts", setting.accepts},
                                      {"default", setting.fallback}});
  return all;
}

Outcome run(Context& context, const Arguments& arguments) {
  Console& console = context.console();
  const CommandTable& table = command_table();
  if (arguments.words().empty()) {
    if (console.is_json())
      console.print_json(table_as_json());
    else
      console.print(overview_page(console, table));
    return ExitCode::ok;
  }
  const std::string path = fmt::format("{}", fmt::join(arguments.words(), " "));
  if (path == "config") {
    if (console.is_json())
      console.print_json(settings_as_json());
    else
      console.print(settings_page(console));
  } else if (path == "exit-codes") {
    console.print(exit_codes_page(console));
  } else if (const Command* command = table.find(path); command && !command->is_hidden) {
    console.print(command_page(console, *command));
  } else if (const Noun* noun = table.find_noun(path)) {
    console.print(noun_page(console, table, *noun));
  } else {
    const Verb verb = find_verb(table, arguments.words());
    return fail(unknown_command(table, {.noun = verb.noun, .unknown = verb.unknown.empty() ? path : verb.unknown}));
  }
  return ExitCode::ok;
}

}  // namespace

constexpr Command kHelpCommand{
    .path = "help",
    .group = Group::tool,
    .summary = "Explain a command, the settings or the exit codes",
    .description = "Without arguments, lists all commands; with -o json, prints the command table for programs.",
    .example = "epic help run\nepic help snapshot export\nepic help exit-codes",
    .positionals = kPositionals,
    .run = run,
};

}  // namespace epic::cli
