// epic __complete: called by the shells' completion scripts. Silent and successful, whatever happens.

#include <sys/time.h>
#include <unistd.h>

#include <csignal>

#include "cli/commands/table.hpp"
#include "cli/completion/completion.hpp"
#include "cli/completion/live_names.hpp"
#include "cli/parser/parser.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kCompletePositionals[] = {
    {.name = "WORDS", .summary = "The words after 'epic', the last one being completed", .arity = Arity::many},
};

// Ends the process silently if a disk or a fabric is slow: a completion must not make the user wait.
void end_after(std::chrono::microseconds timeout) {
  std::signal(SIGALRM, [](int) { ::_exit(0); });
  const itimerval timer{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = timeout.count()}};
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

// The command line being completed, without its last word.
Arguments typed_so_far(const Arguments& arguments) {
  std::vector<std::string> words = arguments.words();
  if (!words.empty()) words.pop_back();
  const Verb verb = find_verb(command_table(), words);
  return parse(verb.command ? *verb.command : kHelpCommand, verb.rest).arguments;
}

Outcome run_complete(Context& context, const Arguments& arguments) {
  end_after(std::chrono::milliseconds(200));
  const Arguments line = typed_so_far(arguments);
  LiveNames names(context.install(), context.start(line), chosen_place(line).value_or(std::nullopt));
  const Completion completion = complete(command_table(), arguments.words(), names);
  std::string out;
  for (const Candidate& candidate : completion.candidates) {
    if (candidate.word.find('\n') != std::string::npos) continue;  // a shell reads candidates by line
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

constexpr Command kCompleteCommand{
    .path = "__complete",
    .group = Group::tool,
    .summary = "Answer a shell that completes a command line",
    .description = "",
    .example = "epic __complete -- inspect Player/",
    .positionals = kCompletePositionals,
    .run = run_complete,
    .is_hidden = true,
};

}  // namespace epic::cli
