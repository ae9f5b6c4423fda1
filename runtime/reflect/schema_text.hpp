#pragma once
// The canonical text of a schema, written and read. Used by schema.cpp only; the grammar is in schema.hpp.
//
// Text comes from stores and peers, so reading has bounds: the constants below.

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
/// Fields of one record, parts of one tuple: a struct of Cap'n Proto holds twice as many words.
inline constexpr std::size_t kSchemaPartsMax = 1 << 15;
/// Of list<list<…>> in one expression. Named types start afresh.
inline constexpr int kSchemaNestingMax = 64;

[[nodiscard]] std::string render_schema(std::span<const Schema::Node> nodes);
[[nodiscard]] std::string render_type(std::span<const Schema::Node> nodes, Schema::Index index);
[[nodiscard]] std::expected<std::vector<Schema::Node>, std::string> parse_schema_nodes(std::string_view text);

}  // namespace epic::reflect
