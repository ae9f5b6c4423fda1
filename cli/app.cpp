#include "cli/app.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "cli/commands/table.hpp"
#include "cli/parser/help.hpp"
#include "cli/parser/parser.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

ConsoleOptions console_options(const Arguments& arguments) {
  const std::string format = arguments.value("format").value_or("text");
  const std::string color = arguments.value("color").value_or("auto");
  return {.format = format == "json"    ? Format::json
                    : format == "jsonl" ? Format::jsonl
                                        : Format::text,
          .color = color == "always"  ? ColorMode::always
                   : color == "never" ? ColorMode::never
                                      : ColorMode::automatic,
          .verbosity = arguments.has("quiet") ? -1 : arguments.count("verbose")};
}

// `epic NAME` runs `epic-NAME` if such a program is on PATH. Returns only if there is none.
void try_exec_plugin(const Verb& verb) {
  if (verb.unknown.empty() || !verb.noun.empty() || verb.unknown.find('/') != std::string::npos) return;
  std::string program = "epic-" + verb.unknown;
  std::vector<std::string> words = verb.after;
  std::vector<char*> arguments = {program.data()};
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  ::execvp(program.c_str(), arguments.data());
}

Outcome run_words(Console& console, const std::vector<std::string>& words) {
  const CommandTable& table = command_table();
  const Verb verb = find_verb(table, words);
  if (!verb.unknown.empty()) try_exec_plugin(verb);
  // Without a command there are only flags, and perhaps a noun: they are parsed as those of `help`.
  const Command& command = verb.command ? *verb.command : kHelpCommand;
  auto [arguments, failure] = parse(command, verb.rest);
  console.configure(console_options(arguments));
  if (!verb.unknown.empty()) return fail(unknown_command(table, verb));
  if (failure) return fail(std::move(*failure));
  if (arguments.has("version")) {
    console.print("epic " EPIC_VERSION);
    return ExitCode::ok;
  }
  if (verb.command == nullptr && !verb.noun.empty()) {
    console.print(noun_page(console, table, *table.find_noun(verb.noun)));
    return ExitCode::ok;
  }
  if (arguments.has("help")) {
    console.print(verb.command ? command_page(console, command) : overview_page(console, table));
    return ExitCode::ok;
  }
  Context context(console, InstallPaths::find());
  return command.run(context, arguments);
}

}  // namespace

int run_app(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  Console console;
  Outcome outcome;
  try {
    outcome = run_words(console, words);
  } catch (const std::exception& error) {
    outcome = fail({.code = ExitCode::failed,
                    .what = "epic has a bug",
                    .why = error.what(),
                    .help = {"please report it with the command line and this output"}});
  }
  if (!outcome) console.error(outcome.error());
  const bool written = console.flush();
  if (!outcome) return static_cast<int>(outcome.error().code);
  if (!written) {
    console.error({.what = "cannot write to stdout"});
    return static_cast<int>(ExitCode::failed);
  }
  return static_cast<int>(*outcome);
}

}  // namespace epic::cli
