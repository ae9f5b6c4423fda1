#pragma once
// Suggest: the one word that a typo was near to. Never acted upon, only printed.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace epic::cli {

/// Insertions, deletions, substitutions and swaps of neighbours that lead from `a` to `b` (optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

/// The candidate nearest to `word`, if it is near enough to be meant: a third of its length, at least one edit; a
/// word of which it is the beginning counts as near. Empty when none is.
std::string find_near(std::string_view word, std::span<const std::string> candidates);

/// "a, b and c", for sentences; at most `count_max` of them, then "and 7 more".
std::string listing(std::span<const std::string> words, std::size_t count_max = 12);

/// "a, b or c".
std::string alternatives(std::span<const std::string> words);

}  // namespace epic::cli
