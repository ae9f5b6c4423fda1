#pragma once
// Confirm: asks before saved states change, if there is a terminal.

#include <cstdint>
#include <string_view>

#include "cli/output/console.hpp"
#include "cli/parser/arguments.hpp"

namespace epic::cli {

/// Continues with --yes, or if the user says yes. The failure says that nothing was changed. `question` ends without a
/// question mark.
Result<void> confirm(Console& console, const Arguments& arguments, std::string_view question);

/// The same about saved states. `place`: which they are removed from, as ImportTarget::words().
Result<void> confirm_removal(Console& console, const Arguments& arguments, std::uint64_t count, std::string_view place);

/// The options that belong to it.
inline constexpr OptionSpec kDryRunOption{.name = "dry-run", .summary = "Show what would be done, and change nothing"};
inline constexpr OptionSpec kYesOption{.name = "yes", .letter = 'y', .summary = "Do not ask"};

}  // namespace epic::cli
