#pragma once
// The name that was probably meant by one that does not exist: fields, methods, types, commands.

#include <optional>
#include <span>
#include <string_view>

namespace epic::reflect {

/// The candidate that `wanted` was probably meant to be: at most a third of its letters wrong, missing, doubled or
/// swapped, case counting less. Empty when none is near enough, or `wanted` is longer than a name may be (256 bytes).
[[nodiscard]] std::optional<std::string_view> find_nearest(std::string_view wanted,
                                                           std::span<const std::string_view> candidates);

}  // namespace epic::reflect
