#pragma once
// Catalog: the entity types and methods of a module, as reported by the fabric or by epic-node --describe.
//
// Used for suggestions and completions, never for decisions: whether a call fits is for the node to decide. The
// exception is names: an entity is stored under the oldest name of its class (EntityInfo::stored_name), but shown by
// its current one.

#include <boost/json/value.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/placement.hpp"
#include "protocol/control_types.hpp"

namespace epic::cli {

using MethodEntry = protocol::control::Types::Method;
using TypeEntry = protocol::control::Types::Type;

/// Each type has the name that its entities are stored under.
struct Catalog : protocol::control::Types::Answer {
  /// By current or former name.
  [[nodiscard]] const TypeEntry* find(std::string_view type) const;
  /// The stored name for any name of a type; unknown names unchanged.
  [[nodiscard]] std::string stored_name(std::string_view type) const;
  /// "Hero/Bob" or "Hero" by its current name: "Player/Bob", "Player".
  [[nodiscard]] std::string shown(std::string_view type_or_entity) const;
  [[nodiscard]] std::vector<std::string> type_names() const;
  /// The groups of the classes that are together with another.
  [[nodiscard]] kernel::PlacementGroups groups() const;
  [[nodiscard]] std::vector<std::string> method_names(std::string_view type) const;
};

Catalog catalog_from(protocol::control::Types::Answer answer);
/// The same from JSON; empty if it is malformed.
Catalog catalog_from(const boost::json::value& answer);
/// From the file that a build leaves behind; empty if there is none.
std::optional<Catalog> catalog_of_build(const std::filesystem::path& module_types);

}  // namespace epic::cli
