#include "reflect/schema.hpp"

#include "reflect/hash.hpp"
#include "reflect/schema_text.hpp"
#include "reflect/try.hpp"

namespace epic::reflect {
Schema::Schema(std::vector<Node> nodes) : nodes_(std::move(nodes)) {
  text_ = render_schema(nodes_);
  id_ = SchemaId{hash64(text_)};
}

std::expected<Schema, std::string> Schema::parse(std::string_view text) {
  auto nodes = EPIC_TRY(parse_schema_nodes(text));
  return Schema(std::move(nodes));
}

std::string Schema::type_text(Index index, TypeDetail detail) const { return render_type(nodes_, index, detail); }

}  // namespace epic::reflect
