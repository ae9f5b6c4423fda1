#pragma once
// is_utf8: whether bytes are text. Strings of JSON hold nothing else, and names of entities are written there.

#include <string_view>

namespace epic::reflect {

/// False for what is overlong, cut short, a surrogate, or beyond U+10FFFF (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace epic::reflect
