// epic __complete: what the shells' completion files ask. Silent and successful, whatever happens.

#include "cli/commands/table.hpp"
#include "cli/completion/completion.hpp"
#include "cli/context.hpp"
#include "cli/fabric/live_names.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "WORDS", .summary = "The words after 'epic', the last one being completed", .arity = Arity::many},
};

Outcome run(Context& context, const Arguments& arguments) {
  LiveNames names(context.install(), context.start(arguments));
  const Completion completion = complete(arguments.words(), names);
  std::string out;
  for (const Candidate& candidate : completion.candidates) {
    if (candidate.word.find('\n') != std::string::npos) continue;  // no shell could take it as one line
    out += candidate.word;
    if (!candidate.description.empty()) out += '\t' + candidate.description;
    out += '\n';
  }
  if (completion.paths == Completion::Paths::files) out += ":files\n";
  if (completion.paths == Completion::Paths::directories) out += ":directories\n";
  if (!out.empty()) context.console().print(out);
  return ExitCode::ok;
}

}  // namespace

const Command& complete_command() {
  static constexpr Command kCommand{
      .path = "__complete",
      .group = Group::tool,
      .summary = "Answer a shell that completes a command line",
      .description = "",
      .example = "epic __complete -- inspect Player/",
      .positionals = kPositionals,
      .run = run,
      .is_hidden = true,
  };
  return kCommand;
}

}  // namespace epic::cli
