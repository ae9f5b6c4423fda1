#pragma once
// UTF-8: whether bytes are valid text, and valid text from any bytes. JSON strings and entity names can hold nothing
// else.

#include <cstddef>
#include <string>
#include <string_view>

namespace epic::reflect {

/// Bytes of the character at the front of `text`; 0 if it is overlong, truncated, a surrogate, or beyond U+10FFFF (RFC
/// 3629), or if `text` is empty.
[[nodiscard]] std::size_t utf8_length(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);

/// `text` with U+FFFD in place of each byte that is not part of a character.
[[nodiscard]] std::string to_utf8(std::string_view text);

}  // namespace epic::reflect
