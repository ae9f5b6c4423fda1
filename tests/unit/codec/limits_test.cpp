// What a writer accepts, every reader accepts.

#include "codec/limits.hpp"

#include <boost/describe/class.hpp>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"
#include "codec/snapshot_json.hpp"
#include "epic/values.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"

namespace nested {

struct Side;
struct Nothing {
  bool operator==(const Nothing&) const = default;
};
BOOST_DESCRIBE_STRUCT(Nothing, (), ())

/// Contains itself through every kind of value that has parts.
struct Tree {
  std::vector<Tree> list;
  std::map<std::string, Tree> map;
  std::vector<std::optional<std::vector<Tree>>> maybe;
  std::vector<std::variant<std::int32_t, std::vector<Tree>>> either;
  std::vector<Side> sides;
  std::vector<std::vector<Tree>> rows;
  std::vector<std::map<std::string, Tree>> maps;
  std::vector<Nothing> nothing;
  bool operator==(const Tree&) const;
};
BOOST_DESCRIBE_STRUCT(Tree, (), (list, map, maybe, either, sides, rows, maps, nothing))
struct Side {
  std::tuple<Tree, std::int32_t> both;
  bool operator==(const Side&) const = default;
};
BOOST_DESCRIBE_STRUCT(Side, (), (both))
bool Tree::operator==(const Tree&) const = default;

/// A tree of `depth` trees inside each other, by the member that `way` counts.
Tree make(int depth, int way) {
  Tree tree;
  for (int i = 0; i < depth; ++i) {
    Tree around;
    if (way == 0) around.list.push_back(std::move(tree));
    if (way == 1) around.map.emplace("k", std::move(tree));
    if (way == 2) around.maybe.emplace_back().emplace().push_back(std::move(tree));
    if (way == 3) around.either.emplace_back().emplace<1>().push_back(std::move(tree));
    if (way == 4) around.sides.push_back({.both = {std::move(tree), 7}});
    tree = std::move(around);
  }
  return tree;
}

constexpr int kCrumbs = 5;
/// The innermost tree has a list of something empty: the least that can still be inside.
Tree with_crumb(Tree tree, int depth, int way, int crumb) {
  Tree* at = &tree;
  for (int i = 0; i < depth; ++i) {
    if (way == 0) at = &at->list[0];
    if (way == 1) at = &at->map["k"];
    if (way == 2) at = &(*at->maybe[0])[0];
    if (way == 3) at = &std::get<1>(at->either[0])[0];
    if (way == 4) at = &std::get<0>(at->sides[0].both);
  }
  if (crumb == 0) at->maybe = {std::nullopt};
  if (crumb == 1) at->maybe = {std::vector<Tree>{}};
  if (crumb == 2) at->rows = {{}};
  if (crumb == 3) at->maps = {{}};
  if (crumb == 4) at->nothing = {{}};
  return tree;
}

}  // namespace nested

using namespace epic::codec;
using epic::reflect::schema_of;
using epic::reflect::type_of;
using nested::Tree;

namespace {

const epic::reflect::TypeInfo& tree_type() { return type_of<Tree>(); }

bool writes(const auto& encode) {
  try {
    encode();
    return true;
  } catch (const std::length_error&) {
    return false;
  }
}

/// Every writer accepts `tree`, and what it has written comes back; or every writer refuses it.
bool is_accepted_everywhere(const Tree& tree) {
  const CapnpCodec capnp;
  const JsonCodec json;
  const epic::reflect::Schema schema = schema_of(tree_type());
  std::vector<std::byte> bytes;
  const bool is_accepted = writes([&] { capnp.encode(tree_type(), &tree, bytes); });
  std::vector<std::byte> text;
  CHECK(writes([&] { json.encode(tree_type(), &tree, text); }) == is_accepted);
  if (!is_accepted) return false;
  Tree read;
  const auto done = capnp.decode(bytes, schema, tree_type(), &read);
  CHECK(done.has_value());
  CHECK(read == tree);
  Tree from_text;
  CHECK(json.decode(text, schema, tree_type(), &from_text).has_value());
  CHECK(from_text == tree);
  const auto exported = to_json(schema, bytes);
  REQUIRE(exported.has_value());
  CHECK(epic::protocol::print_json(*exported) ==
        std::string_view(reinterpret_cast<const char*>(text.data()), text.size()));
  Tree imported;
  REQUIRE(from_json(*exported, tree_type(), &imported).has_value());
  CHECK(imported == tree);
  return true;
}

}  // namespace

TEST_CASE("limits: what is nested to the limit is read by all that could be asked to, what is deeper by none",
          "[codec]") {
  for (int way = 0; way < 5; ++way) {
    int accepted = 0;
    int refused = 0;
    const int middle = kValueDepthMax / (way < 2 ? 2 : 4);  // a step of the way takes so many levels
    for (int depth = middle - 3; depth <= middle + 3; ++depth) {
      const Tree tree = nested::make(depth, way);
      CAPTURE(way, depth);
      is_accepted_everywhere(tree) ? ++accepted : ++refused;
      for (int crumb = 0; crumb < nested::kCrumbs; ++crumb) {
        CAPTURE(crumb);
        is_accepted_everywhere(nested::with_crumb(tree, depth, way, crumb)) ? ++accepted : ++refused;
      }
    }
    CHECK(accepted > 0);
    CHECK(refused > 0);
  }
}
