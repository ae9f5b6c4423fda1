#pragma once
// Writes and parses the canonical text of a schema. Used by schema.cpp only; schema.hpp describes the grammar.
//
// The text comes from stores and peers, so the parser has limits: the constants below.

#include <cstddef>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "reflect/schema.hpp"

namespace epic::reflect {

inline constexpr std::size_t kSchemaTextBytesMax = 1 << 20;
inline constexpr std::size_t kSchemaNodesMax = 1 << 16;
/// Fields of one record, or parts of one tuple: a Cap'n Proto struct holds twice as many words.
inline constexpr std::size_t kSchemaPartsMax = 1 << 15;
/// Nesting such as list<list<…>> in one expression. A named type starts again at zero.
inline constexpr int kSchemaNestingMax = 64;

[[nodiscard]] std::string render_schema(std::span<const Schema::Node> nodes);
[[nodiscard]] std::string render_type(std::span<const Schema::Node> nodes, Schema::Index index,
                                      TypeDetail detail = TypeDetail::full);
[[nodiscard]] std::expected<std::vector<Schema::Node>, std::string> parse_schema_nodes(std::string_view text);

}  // namespace epic::reflect
