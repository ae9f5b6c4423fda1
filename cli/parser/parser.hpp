#pragma once
// Parser: the words after `epic` become a command and its arguments.
//
// Two steps. find_verb() looks over flags for the command's name, because flags may stand before it as well as after.
// parse() then gives the rest to CLI11 with exactly that command's options. CLI11 splits flags from values and knows
// the environment; what a wrong word was near to, and how that is said, is ours.

#include <optional>
#include <string>
#include <vector>

#include "cli/commands/command.hpp"
#include "cli/parser/arguments.hpp"

namespace epic::cli {

/// What the words before anything else say.
struct Verb {
  const Command* command = nullptr;     // null: none was named, or none there is
  std::string noun = {};                // "snapshot", when only that was given, or with a second word that it has not
  std::string unknown = {};             // the word that names no command
  std::vector<std::string> rest = {};   // everything else, in order
  std::vector<std::string> after = {};  // what stood after `unknown`, for a program epic-<unknown>
};

Verb find_verb(const std::vector<std::string>& words);

/// Checks `rest` against the command's table and the global options.
Result<Arguments> parse(const Command& command, const std::vector<std::string>& rest);

/// The usage failure for a word that names no command, with the nearest one.
Failure unknown_command(const Verb& verb);

}  // namespace epic::cli
