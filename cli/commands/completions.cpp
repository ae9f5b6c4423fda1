// epic completions: prints a shell's completion script.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/completion/scripts.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kCompletionsPositionals[] = {
    {.name = "SHELL", .summary = "bash, zsh or fish", .completes = Completes::shell},
};

Outcome run_completions(Context& context, const Arguments& arguments) {
  const std::string wanted = *arguments.word(0);
  std::vector<std::string> known;
  for (const CompletionScript& script : completion_scripts()) {
    if (script.shell == wanted) {
      context.console().print(script.text);
      return ExitCode::ok;
    }
    known.emplace_back(script.shell);
  }
  Failure failure =
      usage_failure(arguments.command(), fmt::format("there are no completions for \"{}\"", printable(wanted)),
                    fmt::format("the shells are {}", listing(known)));
  if (const std::string near = find_near(wanted, known); !near.empty())
    failure.help = {fmt::format("did you mean 'epic completions {}'?", near)};
  return fail(std::move(failure));
}

}  // namespace

constexpr Command kCompletionsCommand{
    .path = "completions",
    .group = Group::tool,
    .summary = "Print a shell's completion script",
    .description =
        "An installed epic has its scripts where the shells look. Otherwise set them up as in the example. Types,\n"
        "keys, methods and nodes are completed from the running fabric, or from the store.",
    .example =
        "source <(epic completions bash)  # in ~/.bashrc\n"
        "source <(epic completions zsh)   # in ~/.zshrc, after compinit\n"
        "epic completions fish > ~/.config/fish/completions/epic.fish",
    .positionals = kCompletionsPositionals,
    .run = run_completions,
};

}  // namespace epic::cli
