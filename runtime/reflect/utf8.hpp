#pragma once
// is_utf8: whether bytes are valid UTF-8. JSON strings, and so entity names, can hold nothing else.

#include <string_view>

namespace epic::reflect {

/// False for overlong or truncated sequences, surrogates, and code points beyond U+10FFFF (RFC 3629).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace epic::reflect
