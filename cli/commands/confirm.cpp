#include "cli/commands/confirm.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

namespace epic::cli {

Result<void> confirm(Console& console, const Arguments& arguments, std::string_view question) {
  if (arguments.has("yes")) return {};
  if (::isatty(STDIN_FILENO) != 1 || !console.is_terminal(Stream::err))
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("'epic {}' asks before it changes anything, but there is no terminal to ask on",
                                     arguments.command().path),
                 .help = {"skip the question with --yes", "see what it would do with --dry-run"}});
  console.ask(fmt::format("{}? [y/N] ", question));
  std::string answer;
  for (int c = 0; (c = std::getchar()) != EOF && c != '\n';) answer += static_cast<char>(c);
  if (answer == "y" || answer == "Y" || answer == "yes") return {};
  return fail({.what = "nothing was changed"});
}

}  // namespace epic::cli
