// epic help: the help pages.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/settings_text.hpp"
#include "cli/commands/table.hpp"
#include "cli/parser/help.hpp"
#include "cli/parser/parser.hpp"
#include "cli/project/context.hpp"
#include "cli/project/manifest.hpp"
#include "cli/project/user_settings.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kHelpPositionals[] = {
    {.name = "COMMAND",
     .summary = "A command, config (the settings in epic.toml) or exit-codes",
     .arity = Arity::many,
     .completes = Completes::command},
};

// ---- the pages for programs ----

boost::json::value as_json(const Command& command) {
  boost::json::array options;
  for (const OptionSpec& option : command.options)
    options.push_back(boost::json::object{{"name", option.name},
                                          {"value", option.value},
                                          {"summary", option.summary},
                                          {"environment", option.environment},
                                          {"default", option.fallback}});
  boost::json::array words;
  for (const PositionalSpec& positional : command.positionals)
    words.push_back(boost::json::object{{"name", positional.name}, {"summary", positional.summary}});
  return boost::json::object{{"command", command.path},
                             {"summary", command.summary},
                             {"arguments", words},
                             {"options", options},
                             {"example", command.example}};
}

// `noun`: empty for all.
boost::json::value table_as_json(std::string_view noun) {
  boost::json::array all;
  for (const Command* command : command_table().commands)
    if (!command->is_hidden && (noun.empty() || !command->verb_after(noun).empty())) all.push_back(as_json(*command));
  return all;
}

boost::json::value exit_codes_as_json() {
  boost::json::array all;
  for (const auto& [code, meaning] : list_exit_codes())
    all.push_back(boost::json::object{{"code", static_cast<int>(code)}, {"meaning", meaning}});
  return all;
}

std::string settings_page(const Console& console) {
  Sections sections = settings_sections();
  sections.push_back({"Your own, with 'epic config set'", {}});
  for (const UserSettingText& setting : list_user_settings())
    sections.back().second.emplace_back(setting.key, fmt::format("{}: {}", setting.summary, setting.accepts));
  return topic_page(console, "settings in epic.toml", kSettingsExample, sections, kSettingsOrder);
}

boost::json::value settings_as_json() {
  boost::json::array all;
  for (const SettingText& setting : list_settings())
    all.push_back(boost::json::object{{"section", setting.section},
                                      {"name", setting.name},
                                      {"summary", setting.summary},
                                      {"accepts", setting.accepts},
                                      {"default", setting.fallback},
                                      {"environment", setting.environment}});
  return all;
}

Outcome run_help(Context& context, const Arguments& arguments) {
  Console& console = context.console();
  const CommandTable& table = command_table();
  const auto print = [&](const std::string& page, const boost::json::value& for_programs) {
    console.is_json() ? console.print_json(for_programs) : console.print(page);
  };
  const std::string path = fmt::format("{}", fmt::join(arguments.words(), " "));
  if (path.empty()) {
    print(overview_page(console, table), table_as_json(""));
  } else if (path == "config") {
    print(settings_page(console), settings_as_json());
  } else if (path == "exit-codes") {
    print(exit_codes_page(console), exit_codes_as_json());
  } else if (const Command* command = table.find(path); command && !command->is_hidden) {
    print(command_page(console, *command), as_json(*command));
  } else if (const Noun* noun = table.find_noun(path)) {
    print(noun_page(console, table, *noun), table_as_json(noun->name));
  } else {
    const Verb verb = find_verb(table, arguments.words());
    return fail(unknown_command(table, {.noun = verb.noun, .unknown = verb.unknown.empty() ? path : verb.unknown}));
  }
  return ExitCode::ok;
}

}  // namespace

Sections settings_sections() {
  Sections sections;
  for (const SettingText& setting : list_settings()) {
    const std::string section = fmt::format("[{}]", setting.section);
    if (sections.empty() || sections.back().first != section) sections.push_back({section, {}});
    std::string text = fmt::format("{}: {}", setting.summary, setting.accepts);
    if (!setting.fallback.empty()) text += fmt::format(" [default: {}]", setting.fallback);
    if (!setting.environment.empty()) text += fmt::format(" [env: {}]", setting.environment);
    sections.back().second.emplace_back(setting.name, text);
  }
  return sections;
}

constexpr Command kHelpCommand{
    .path = "help",
    .group = Group::tool,
    .summary = "Explain a command, the settings or the exit codes",
    .description = "Without arguments, lists all commands. With -o json, prints the same for programs.",
    .example = "epic help run\nepic help snapshot export\nepic help exit-codes",
    .positionals = kHelpPositionals,
    .run = run_help,
};

}  // namespace epic::cli
