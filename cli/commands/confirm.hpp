#pragma once
// Confirm: asks before saved states change, where there is somebody to ask.

#include <string_view>

#include "cli/output/console.hpp"
#include "cli/parser/arguments.hpp"

namespace epic::cli {

/// Goes on with --yes, or when whoever sits at the terminal says so. The failure says that nothing was changed.
/// `question` ends without a question mark.
Result<void> confirm(Console& console, const Arguments& arguments, std::string_view question);

/// The options that go with it.
inline constexpr OptionSpec kDryRunOption{.name = "dry-run", .summary = "Only show what would be done"};
inline constexpr OptionSpec kYesOption{.name = "yes", .letter = 'y', .summary = "Do not ask"};

}  // namespace epic::cli
