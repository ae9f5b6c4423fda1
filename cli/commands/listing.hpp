#pragma once
// Listing: what the commands that list rows of the store have in common: which rows, how many, and those that cannot be
// read.

#include <cstdint>
#include <string>

#include "cli/output/console.hpp"
#include "cli/parser/arguments.hpp"

namespace epic::cli {

inline constexpr OptionSpec kLimitOption{
    .name = "limit", .value = "N", .summary = "Show at most N", .fallback = "all", .check = whole_number(1, INT64_MAX)};

/// INT64_MAX: all.
[[nodiscard]] inline std::uint64_t limit_of(const Arguments& arguments) {
  return static_cast<std::uint64_t>(arguments.number("limit").value_or(INT64_MAX));
}

inline constexpr PositionalSpec kTypeOrPrefix{
    .name = "TYPE[/PREFIX]",
    .summary = "Only entities of this type, or with keys that start like this",
    .arity = Arity::optional,
    .completes = Completes::type_or_entity};

/// Warns of rows that cannot be read. They are a failure only once the others have been shown.
class DamagedRows {
 public:
  explicit DamagedRows(Console& console) : console_(console) {}
  void add(const std::string& what) {
    has_any_ = true;
    console_.warn(what);
  }
  [[nodiscard]] bool has_any() const { return has_any_; }
  [[nodiscard]] ExitCode exit_code() const { return has_any_ ? ExitCode::failed : ExitCode::ok; }

 private:
  Console& console_;
  bool has_any_ = false;
};

}  // namespace epic::cli
