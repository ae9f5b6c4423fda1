#include "cli/app.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "cli/commands/table.hpp"
#include "cli/context.hpp"
#include "cli/parser/help.hpp"
#include "cli/parser/parser.hpp"

namespace epic::cli {
namespace {

// The console's settings have to hold for errors in the command line itself, so they are looked for before parsing.
ConsoleOptions early_options(const std::vector<std::string>& words) {
  ConsoleOptions options;
  const auto set_color = [&](std::string_view value) {
    if (value == "always") options.color = ColorMode::always;
    if (value == "never") options.color = ColorMode::never;
  };
  if (const char* color = std::getenv("EPIC_COLOR")) set_color(color);
  for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
    if (words[i].starts_with("--color=")) set_color(std::string_view(words[i]).substr(8));
    if (words[i] == "--color" && i + 1 < words.size()) set_color(words[i + 1]);
  }
  return options;
}

ConsoleOptions console_options(const Arguments& arguments, ConsoleOptions options) {
  const std::string format = arguments.value("format").value_or("text");
  options.format = format == "json" ? Format::json : format == "jsonl" ? Format::jsonl : Format::text;
  if (const auto color = arguments.value("color"))
    options.color = *color == "always"  ? ColorMode::always
                    : *color == "never" ? ColorMode::never
                                        : ColorMode::automatic;
  options.verbosity = arguments.has("quiet") ? -1 : arguments.count("verbose");
  return options;
}

// `epic foo` is `epic-foo` where such a program is on the path. Returns only if there is none.
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
  const ConsoleOptions early = early_options(words);
  console.configure(early);
  const Verb verb = find_verb(words);
  if (verb.command == nullptr && !verb.unknown.empty()) {
    try_exec_plugin(verb);
    return fail(unknown_command(verb));
  }
  if (verb.command == nullptr) {
    // Only flags were given, or a noun and flags: they are checked as those of `help`, which prints the page.
    auto arguments = parse(*find_command("help"), verb.rest);
    if (!arguments) return std::unexpected(std::move(arguments.error()));
    console.configure(console_options(*arguments, early));
    if (arguments->has("version"))
      console.print("epic " EPIC_VERSION);
    else
      console.print(verb.noun.empty() ? overview_page(console) : noun_page(console, verb.noun));
    return ExitCode::ok;
  }
  auto arguments = parse(*verb.command, verb.rest);
  if (!arguments) return std::unexpected(std::move(arguments.error()));
  console.configure(console_options(*arguments, early));
  if (arguments->has("version")) {
    console.print("epic " EPIC_VERSION);
    return ExitCode::ok;
  }
  if (arguments->has("help")) {
    console.print(command_page(console, *verb.command));
    return ExitCode::ok;
  }
  Context context(console, InstallPaths::find());
  return verb.command->run(context, *arguments);
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
                    .what = "epic has met a bug of its own",
                    .why = error.what(),
                    .help = {"please report it with the command line and these lines"}});
  }
  if (!outcome) console.error(outcome.error());
  const bool written = console.flush();
  if (!outcome) return static_cast<int>(outcome.error().code);
  if (!written) {
    console.error({.what = "stdout could not be written"});
    return static_cast<int>(ExitCode::failed);
  }
  return static_cast<int>(*outcome);
}

}  // namespace epic::cli
