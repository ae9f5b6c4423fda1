// epic help: the pages.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/context.hpp"
#include "cli/output/suggest.hpp"
#include "cli/parser/help.hpp"
#include "cli/parser/parser.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "COMMAND", .summary = "A command, or exit-codes", .arity = Arity::many, .completes = Completes::command},
};

// The command table for programs that want to know what epic can do.
boost::json::value table_as_json() {
  boost::json::array all;
  for (const Command* command : commands()) {
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

Outcome run(Context& context, const Arguments& arguments) {
  Console& console = context.console();
  if (arguments.words().empty()) {
    if (console.is_json())
      console.print_json(table_as_json());
    else
      console.print(overview_page(console));
    return ExitCode::ok;
  }
  const std::string path = fmt::format("{}", fmt::join(arguments.words(), " "));
  if (path == "exit-codes") {
    console.print(exit_codes_page(console));
  } else if (const Command* command = find_command(path); command && !command->is_hidden) {
    console.print(command_page(console, *command));
  } else if (is_noun(path)) {
    console.print(noun_page(console, path));
  } else {
    const bool has_noun = arguments.words().size() > 1 && is_noun(arguments.words()[0]);
    return fail(unknown_command(
        {.noun = has_noun ? arguments.words()[0] : "", .unknown = arguments.words()[has_noun ? 1 : 0]}));
  }
  return ExitCode::ok;
}

}  // namespace

const Command& help_command() {
  static constexpr Command kCommand{
      .path = "help",
      .group = Group::tool,
      .summary = "Explain a command, or the exit codes",
      .description = "Without a word it lists all commands; with -o json it prints the command table for programs.",
      .example = "epic help run\nepic help snapshot export\nepic help exit-codes",
      .positionals = kPositionals,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
