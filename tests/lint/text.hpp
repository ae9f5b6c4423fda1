#pragma once
// Text rules: what every file keeps to, whatever it holds.
//
// Sizes stay readable, headers open with the idea, folders say what is in them, and the project speaks of itself alone.

#include "lint/tree.hpp"

namespace epic::lint {

/// Sources of more than 800 lines: past that a file needs a map, so it is split before.
Findings find_long_files(const Tree& tree);

/// Headers that do not start with #pragma once and a comment of 1 to 25 lines that says what they are for.
Findings find_silent_headers(const Tree& tree);

/// Folders without a README.md, or whose README.md does not name a file or folder in it. Folders of which the tests
/// mirror another, and golden files, are described by the README above them.
Findings find_unnamed_files(const Tree& tree);

/// Marks of unfinished work, and paths that exist on one machine only.
Findings find_forbidden_words(const Tree& tree);

}  // namespace epic::lint
