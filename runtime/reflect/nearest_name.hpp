#pragma once
// Finds the existing name that a misspelt one probably meant: fields, methods, types, commands.

#include <optional>
#include <span>
#include <string_view>

namespace epic::reflect {

/// The candidate closest to `wanted`: at most a third of its letters wrong, missing, doubled or swapped; case counts
/// less. Of equally close ones, one with the same first letter. Empty if none is close enough, or if `wanted` is longer
/// than a name may be (256 bytes).
[[nodiscard]] std::optional<std::string_view> find_nearest(std::string_view wanted,
                                                           std::span<const std::string_view> candidates);

}  // namespace epic::reflect
