#pragma once
// Linearizability: is there one order of an entity's operations that explains every result, in which each operation
// takes effect between its call and its return?
//
// The search is that of Wing and Gong ("Testing and Verifying Concurrent Objects", 1993) with Lowe's memory of what has
// been tried ("Testing for Linearizability", 2017), as Porcupine has it (github.com/anishathalye/porcupine,
// checker.go). It knows nothing of the system: only what clients called, when, and what they got.
//
// An operation whose outcome is unknown may take effect at any time after its call, or never.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace epic::test {

/// Of a client, on an entity that holds one number.
struct CellOperation {
  enum class Kind : std::uint8_t {
    read,  // returns the value
    add,   // adds the argument, returns the new value
    swap,  // sets the argument, returns the former value
  };
  Kind kind;
  std::int64_t argument = 0;
  std::int64_t called_ns = 0;
  std::int64_t returned_ns = 0;
  std::optional<std::int64_t> result = {};  // absent: unknown; returned_ns then means nothing
};

/// What a history counts as for which too many orders would have to be tried.
enum class TooHard : std::uint8_t { good, bad };

/// Why no order explains them, or nothing. The cell held `initial`.
[[nodiscard]] std::optional<std::string> find_contradiction(std::span<const CellOperation> operations,
                                                            std::int64_t initial = 0, TooHard too_hard = TooHard::good);

}  // namespace epic::test
