#pragma once
// Help: the pages, generated from the command table. Every page starts with an example.
//
// Not here: the same pages for `man` (manual.hpp).

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

/// "epic snapshot show TYPE/KEY [OPTIONS]".
std::string usage_line(const Command& command);
/// What an option is for, with its default and its environment variable.
std::string option_text(const OptionSpec& option);
std::string_view title_of(Group group);
/// The lines of shell on the page that lists all commands, and what it is about.
std::string_view overview_example();
std::string_view overview_title();

using Lines = std::vector<std::pair<std::string, std::string>>;  // a name, and what it is
using Sections = std::vector<std::pair<std::string, Lines>>;
/// A page that is not about a command: sections of names and texts, and a last paragraph.
std::string topic_page(const Console& console, std::string_view title, std::string_view example,
                       const Sections& sections, std::string_view last);

}  // namespace epic::cli
