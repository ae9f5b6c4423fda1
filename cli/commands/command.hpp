#pragma once
// Command: one row of the table that feeds the parser, --help, `help exit-codes` and completions.
//
// Everything that a user can type is described here as data, and nowhere else; a command adds only the function that
// does the work. Tables are constexpr and live as long as the program.
//
// Not here: which commands there are (table.hpp), how words become Arguments (../parser/parser.hpp).

#include <span>
#include <string_view>

#include "cli/output/failure.hpp"

namespace epic::cli {

class Context;
class Arguments;

/// What can stand in a place, for completions. Anything live is asked of the fabric, then of the store.
enum class Completes {
  nothing,
  choice,  // OptionSpec::choices
  file,
  directory,
  entity,          // Type/Key
  type_or_entity,  // Type, Type/, Type/Key
  method,          // of the entity in the first place
  node,
  template_name,
  shell,
  command,
};

struct OptionSpec {
  std::string_view name;        // "nodes", for --nodes
  char letter = 0;              // 'o', for -o
  std::string_view value = {};  // what the value is called: "N"; empty: a switch without a value
  std::string_view summary;
  std::string_view environment = {};               // variable that is read where the option is not given
  std::string_view fallback = {};                  // what holds otherwise, for the help page
  std::span<const std::string_view> choices = {};  // the only values; empty: any
  Completes completes = Completes::nothing;
};

enum class Arity { one, optional, many, some };  // many: or none; some: at least one

[[nodiscard]] constexpr bool has_no_end(Arity arity) { return arity == Arity::many || arity == Arity::some; }

struct PositionalSpec {
  std::string_view name;  // "TYPE/KEY"
  std::string_view summary;
  Arity arity = Arity::one;
  Completes completes = Completes::nothing;
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
  std::span<const ExitNote> exit_codes = {};  // those with a meaning of their own here; 0, 1 and 2 are general
  Outcome (*run)(Context&, const Arguments&);
  bool is_hidden = false;
};

}  // namespace epic::cli
