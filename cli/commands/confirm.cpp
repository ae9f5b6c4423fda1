#include "cli/commands/confirm.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "cli/output/humanize.hpp"

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

Result<void> confirm_removal(Console& console, const Arguments& arguments, std::uint64_t count,
                             std::string_view place) {
  return confirm(console, arguments,
                 fmt::format("Remove {} from {}", count_of(count, "saved state", "saved states"), place));
}

}  // namespace epic::cli
