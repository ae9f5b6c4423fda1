#pragma once
// The limit of values themselves, whichever codec carries them.

namespace epic::reflect {

/// Nesting depth of values that are saved or sent: each list, map, optional, variant, tuple and record that has parts
/// counts one, so a list of records counts two, and an empty one nothing. Limits the stack.
inline constexpr int kValueDepthMax = 512;

}  // namespace epic::reflect
