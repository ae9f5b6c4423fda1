#pragma once
// Catalog: which entity types and methods a module has, as the fabric or epic-node --describe tells it.
//
// Used for suggestions and completions, never to decide: whether a call fits is for the node to say.

#include <boost/json/value.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace epic::cli {

struct MethodEntry {
  std::string name;
  std::vector<std::string> parameters;  // type names
  std::string result;
};

struct TypeEntry {
  std::string name;
  std::vector<MethodEntry> methods;
};

struct Catalog {
  std::vector<TypeEntry> types;

  [[nodiscard]] const TypeEntry* find(std::string_view type) const;
  [[nodiscard]] std::vector<std::string> type_names() const;
  [[nodiscard]] std::vector<std::string> method_names(std::string_view type) const;
};

/// From the answer to the control verb `types`; parts of another shape are left out.
Catalog catalog_from(const boost::json::value& answer);
/// From the file that a build leaves behind; empty if there is none.
std::optional<Catalog> catalog_of_build(const std::filesystem::path& module_types);

}  // namespace epic::cli
