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

/// "ms" for milliseconds; empty if the unit has no name.
[[nodiscard]] std::string_view unit_name(const TimeUnit& unit);
[[nodiscard]] std::optional<TimeUnit> find_unit(std::string_view name);
/// What a time counts, as schemas write it: "ms", "1/60", "s, float64", "date"; empty for nanoseconds.
[[nodiscard]] std::string unit_text(const TimeUnit& unit);

/// The class that a ref names, for people; empty if no module has it.
[[nodiscard]] std::string_view ref_class(const TypeInfo& ref);
/// The same as stores and schemas know it.
[[nodiscard]] std::string_view stored_class(const TypeInfo& ref);
/// Why `text` is not a ref to an entity of `ref_class`: a sentence.
[[nodiscard]] std::string ref_problem(std::string_view ref_class, std::string_view text);

/// "list<int32>", "ref<Player>", "array<float32, 3>", "optional<game::Item>".
[[nodiscard]] std::string type_text(const TypeInfo& type);

}  // namespace epic::reflect
