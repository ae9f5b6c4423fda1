#pragma once
// Help: the pages, generated from the command table. Every page starts with an example.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/output/console.hpp"
#include "cli/parser/command.hpp"

namespace epic::cli {

/// What `epic` and `epic help` print.
std::string overview_page(const Console& console, const CommandTable& table);
std::string command_page(const Console& console, const Command& command);
/// The commands of a noun.
std::string noun_page(const Console& console, const CommandTable& table, const Noun& noun);
std::string exit_codes_page(const Console& console);
std::span<const ExitNote> list_exit_codes();

using Lines = std::vector<std::pair<std::string, std::string>>;  // a name, and what it is
/// A page that is not about a command: sections of names and texts, and a last paragraph.
std::string topic_page(const Console& console, std::string_view title, std::string_view example,
                       const std::vector<std::pair<std::string, Lines>>& sections, std::string_view last);

}  // namespace epic::cli
