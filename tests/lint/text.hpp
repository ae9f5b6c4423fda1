#pragma once
// Text rules: what every file must keep to, whatever it contains.
//
// Files stay short, headers open with their idea, READMEs list their folder, and the wording is plain English.

#include "lint/tree.hpp"

namespace epic::lint {

/// Sources of more than 800 lines: a longer file needs a map, so it must be split.
Findings find_long_files(const Tree& tree);

/// Headers that do not start with #pragma once and a comment of 1 to 25 lines that says what they are for.
Findings find_silent_headers(const Tree& tree);

/// "Not here:" inside a line of a comment, where readers do not find it and clang-format has perhaps put it.
Findings find_buried_headings(const Tree& tree);

/// Folders without a README.md, or whose README.md does not name one of their files or folders. Folders of tests that
/// mirror another folder, and golden files, are described by the README above them.
Findings find_unnamed_files(const Tree& tree);

/// Files and folders that a README names in backquotes and that do not exist, looked up from its folder, from the top
/// of the tree, and from where includes are.
Findings find_dead_paths(const Tree& tree);

/// Public headers with an awaitable of their own: what entities await derives from ParkedWait, or waits for calls, so
/// that what cancels executions finds it.
Findings find_unlisted_awaitables(const Tree& tree);

/// Marks of unfinished work, and paths that exist on one machine only.
Findings find_forbidden_words(const Tree& tree);

/// Wordings that plain English has a usual verb for, such as "fix". They are listed because they have been used before.
Findings find_stilted_phrases(const Tree& tree);

/// Commands of epic that a README, a text or a comment names, and that are not in the CLI's table.
Findings find_unknown_commands(const Tree& tree);

}  // namespace epic::lint
