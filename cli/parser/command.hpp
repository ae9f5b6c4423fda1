#pragma once
// Command: one row of the table that feeds the parser, --help, `help exit-codes` and completions.
//
// Everything that a user can type is described here as data, and nowhere else; a command adds only the function that
// does the work. Tables are constexpr and live as long as the program.
//
// Not here: which commands exist (../commands/table.hpp), how words become Arguments (parser.hpp).

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

class Context;
class Arguments;

/// What completion offers in a place beside Check::choices. Live names come from the fabric, or else from the store.
enum class Completes {
  nothing,
  file,
  directory,
  entity,          // Type/Key
  type_or_entity,  // Type, Type/, Type/Key
  method,          // of the entity named before it
  node,
  template_name,
  test,  // of the last build
  shell,
  command,
  scenario,    // of the last build
  setting,     // a user's
  connection,  // a saved one
};

/// Which values are accepted; the parser checks them before the command runs.
struct Check {
  enum class Kind { any, choice, number, duration } kind = Kind::any;
  std::span<const std::string_view> choices = {};
  std::int64_t min = 0;
  std::int64_t max = 0;
};
constexpr Check one_of(std::span<const std::string_view> choices) {
  return {.kind = Check::Kind::choice, .choices = choices};
}
constexpr Check whole_number(std::int64_t min, std::int64_t max) {
  return {.kind = Check::Kind::number, .min = min, .max = max};
}
/// Such as 250ms, 30s or 5m.
constexpr Check duration() { return {.kind = Check::Kind::duration}; }

struct OptionSpec {
  std::string_view name;        // "nodes", for --nodes
  char letter = 0;              // 'o', for -o
  std::string_view value = {};  // name of the value: "N", or "[N]" if it may be left out; empty: a switch
  std::string_view summary;
  std::string_view environment = {};  // variable that is read when the option is not given
  std::string_view fallback = {};     // the value otherwise, or words that describe it
  Check check = {};
  Completes completes = Completes::nothing;

  [[nodiscard]] constexpr bool needs_value() const { return !value.empty() && !value.starts_with('['); }
};

enum class Arity { one, optional, many, some };  // many: any number; some: at least one

struct PositionalSpec {
  std::string_view name;  // "TYPE/KEY"
  std::string_view summary;
  Arity arity = Arity::one;
  Check check = {};
  Completes completes = Completes::nothing;

  [[nodiscard]] constexpr bool is_required() const { return arity == Arity::one || arity == Arity::some; }
  [[nodiscard]] constexpr bool repeats() const { return arity == Arity::many || arity == Arity::some; }
};

struct ExitNote {
  ExitCode code;
  std::string_view meaning;  // for this command
};

enum class Group { project, fabric, state, tool };

struct Command {
  std::string_view path;  // "run", "snapshot list"
  Group group;
  std::string_view summary;      // one line, no full stop
  std::string_view description;  // paragraphs
  std::string_view example;      // lines of shell
  std::span<const PositionalSpec> positionals = {};
  std::span<const OptionSpec> options = {};
  std::span<const ExitNote> exit_codes = {};  // those specific to this command; 0, 1 and 2 are general
  Outcome (*run)(Context&, const Arguments&);
  bool is_hidden = false;
  bool is_destructive = false;  // stops, removes or replaces something: never suggested for a typo
  bool connects = false;        // works on a fabric elsewhere, without its project: takes connection_options()

  /// "list" of "snapshot list"; empty for "run".
  [[nodiscard]] std::string_view verb_after(std::string_view noun) const {
    const bool matches = path.size() > noun.size() && path.starts_with(noun) && path[noun.size()] == ' ';
    return matches ? path.substr(noun.size() + 1) : std::string_view();
  }
};

/// The first word of several commands ("snapshot").
struct Noun {
  std::string_view name;
  std::string_view summary;
};

/// Every command, in the order of the help page.
struct CommandTable {
  std::span<const Command* const> commands;
  std::span<const Noun> nouns;

  /// The command with this path, or null.
  [[nodiscard]] const Command* find(std::string_view path) const;
  [[nodiscard]] const Noun* find_noun(std::string_view word) const;
  /// The visible first words: verbs and nouns.
  [[nodiscard]] std::vector<std::string> first_words() const;
  /// The visible second words after a noun.
  [[nodiscard]] std::vector<std::string> verbs_of(std::string_view noun) const;
};

/// Options that every command takes, before or after its name.
std::span<const OptionSpec> global_options();
/// Options that every command takes which connects to a fabric.
std::span<const OptionSpec> connection_options();
/// Those of a command that are not its own: where they end, the next ones begin.
std::vector<std::span<const OptionSpec>> shared_options(const Command& command);

}  // namespace epic::cli
