#pragma once
// Types as text for error messages and listings: "map<text, int32>".

#include <optional>
#include <string>
#include <string_view>

#include "epic/type_info.hpp"

namespace epic::reflect {

/// The name of a kind: "int32", "text", "list", "time" …
[[nodiscard]] std::string_view to_string(Kind kind);

/// The kind called `word` that has no parts and no name of its own, such as "int32"; empty for all others.
[[nodiscard]] std::optional<Kind> find_plain_kind(std::string_view word);

/// The kind written as `word<…>`: optional, variant, list, map, tuple.
[[nodiscard]] std::optional<Kind> find_composed_kind(std::string_view word);

/// "list<int32>", "array<float32, 3>", "optional<game::Item>".
[[nodiscard]] std::string type_text(const TypeInfo& type);

}  // namespace epic::reflect
