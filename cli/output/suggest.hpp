#pragma once
// Suggest: the one word that a typo probably meant. It is printed, and never acted on.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace epic::cli {

/// The candidate nearest to `word` as find_nearest() has it, or else the first that begins with it. Empty if there is
/// none.
std::string find_near(std::string_view word, std::span<const std::string> candidates);

/// "a, b and c", for sentences; at most `count_max` of them, then "and 7 more".
std::string listing(std::span<const std::string> words, std::size_t count_max = 12);

/// "a, b or c".
std::string alternatives(std::span<const std::string> words);

}  // namespace epic::cli
