#pragma once
// Help: the pages, made from the command table. Every page begins with an example.

#include <string>
#include <string_view>

#include "cli/commands/command.hpp"
#include "cli/output/console.hpp"

namespace epic::cli {

/// What `epic` and `epic help` print.
std::string overview_page(const Console& console);
std::string command_page(const Console& console, const Command& command);
/// The commands of a noun.
std::string noun_page(const Console& console, std::string_view noun);
std::string exit_codes_page(const Console& console);

}  // namespace epic::cli
