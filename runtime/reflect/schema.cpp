#include "reflect/schema.hpp"

#include "reflect/hash.hpp"
#include "reflect/schema_text.hpp"

namespace epic::reflect {
Schema::Schema(std::vector<Node> nodes) : nodes_(std::move(nodes)) {
  text_ = render_schema(nodes_);
  id_ = SchemaId{hash64(text_)};
}

std::expected<Schema, std::string> Schema::parse(std::string_view text) {
  auto nodes = parse_schema_nodes(text);
  if (!nodes) return std::unexpected(std::move(nodes.error()));
  return Schema(std::move(*nodes));
}

std::string Schema::type_text(Index index) const { return render_type(nodes_, index); }

}  // namespace epic::reflect
