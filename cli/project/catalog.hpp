#pragma once
// Catalog: which entity types and methods a module has, as the fabric or epic-node --describe tells it.
//
// Used for suggestions and completions, never to decide: whether a call fits is for the node to say. But for names: an
// entity is stored by the oldest name of its class (EntityInfo::stored_name), and people know it by the present one.

#include <boost/json/value.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/control_types.hpp"

namespace epic::cli {

struct MethodEntry {
  std::string name;
  std::vector<std::string> parameters;  // "int32", or "x: int32" where the class names them
  std::string result;
};

struct TypeEntry {
  std::string name;
  std::vector<std::string> former_names;
  std::string stored_as;  // one of these names
  std::vector<MethodEntry> methods;
};

struct Catalog {
  std::vector<TypeEntry> types;

  /// By present or former name.
  [[nodiscard]] const TypeEntry* find(std::string_view type) const;
  /// The name in the store for any name of a type; an unknown one as it is.
  [[nodiscard]] std::string stored_name(std::string_view type) const;
  /// "Hero/Bob" or "Hero" as people know it: "Player/Bob", "Player".
  [[nodiscard]] std::string shown(std::string_view type_or_entity) const;
  [[nodiscard]] std::vector<std::string> type_names() const;
  [[nodiscard]] std::vector<std::string> method_names(std::string_view type) const;
};

Catalog catalog_from(const protocol::control::Types::Answer& answer);
/// The same as JSON; empty if it makes no sense.
Catalog catalog_from(const boost::json::value& answer);
/// From the file that a build leaves behind; empty if there is none.
std::optional<Catalog> catalog_of_build(const std::filesystem::path& module_types);

}  // namespace epic::cli
