#pragma once
// Parser: the words after `epic` become a command and its arguments.
//
// CLI11 does the parsing, twice, because flags may stand before the command's name as well as after it. find_verb()
// uses an app whose subcommands are the table's commands and which knows the flags of all of them, and stops at the
// command's name. parse() uses an app of that command alone, with its words, options, environment and checks. How
// errors are worded, and which word a typo was near to, is decided here.

#include <optional>
#include <string>
#include <vector>

#include "cli/parser/arguments.hpp"
#include "cli/parser/command.hpp"

namespace epic::cli {

/// Which command a command line names.
struct Verb {
  const Command* command = nullptr;     // null: none was named, or it does not exist
  std::string noun = {};                // "snapshot", if that was the first word
  std::string unknown = {};             // the word that names no command
  std::vector<std::string> rest = {};   // everything else, in order
  std::vector<std::string> after = {};  // what stood after `unknown`, for a program epic-<unknown>
};

Verb find_verb(const CommandTable& table, const std::vector<std::string>& words);

/// What was understood, and whether it is correct. The arguments are filled in either case, so that an error is already
/// printed in the format and colours that were asked for. After --help and --version nothing else is checked.
struct Parsed {
  Arguments arguments;
  std::optional<Failure> failure = std::nullopt;
};
Parsed parse(const Command& command, const std::vector<std::string>& rest);

/// The usage failure for a word that names no command, with the nearest one that does no harm.
Failure unknown_command(const CommandTable& table, const Verb& verb);

}  // namespace epic::cli
