#pragma once
// Manual: the pages that `man` shows, from the tables that the parser and the help pages are made of.
//
// epic(1) has what all commands have in common, each visible command has a page of its own, and epic.toml(5) has the
// settings. A page is roff with the macros of man(7), in UTF-8.

#include <string>
#include <string_view>
#include <vector>

#include "cli/parser/help.hpp"

namespace epic::cli {

struct ManualPage {
  std::string file;  // "epic-run.1"
  std::string text;
};

/// epic(1), then a page for each visible command.
std::vector<ManualPage> command_manual(const CommandTable& table, std::string_view version);
/// epic.toml(5); `sections` and `last` as for topic_page().
ManualPage settings_manual(const Sections& sections, std::string_view example, std::string_view last,
                           std::string_view version);

}  // namespace epic::cli
