#include "cli/fabric/catalog.hpp"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <fstream>
#include <sstream>

namespace epic::cli {
namespace {

std::string text_at(const boost::json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value && value->is_string() ? std::string(std::string_view(value->get_string())) : std::string();
}

const boost::json::array* array_at(const boost::json::object& object, std::string_view field) {
  const auto* value = object.if_contains(field);
  return value ? value->if_array() : nullptr;
}

MethodEntry method_from(const boost::json::object& object) {
  MethodEntry method{.name = text_at(object, "name"), .parameters = {}, .result = text_at(object, "result")};
  if (const auto* parameters = array_at(object, "parameters"))
    for (const auto& parameter : *parameters)
      if (const auto* name = parameter.if_string()) method.parameters.emplace_back(std::string_view(*name));
  return method;
}

}  // namespace

const TypeEntry* Catalog::find(std::string_view type) const {
  const auto found = std::ranges::find(types, type, &TypeEntry::name);
  return found == types.end() ? nullptr : &*found;
}

std::vector<std::string> Catalog::type_names() const {
  std::vector<std::string> names;
  for (const TypeEntry& type : types) names.push_back(type.name);
  return names;
}

std::vector<std::string> Catalog::method_names(std::string_view type) const {
  std::vector<std::string> names;
  if (const TypeEntry* entry = find(type))
    for (const MethodEntry& method : entry->methods) names.push_back(method.name);
  return names;
}

Catalog catalog_from(const boost::json::value& answer) {
  Catalog catalog;
  const auto* object = answer.if_object();
  const auto* types = object ? array_at(*object, "types") : nullptr;
  if (types == nullptr) return catalog;
  for (const auto& element : *types) {
    const auto* type = element.if_object();
    if (type == nullptr) continue;
    TypeEntry entry{.name = text_at(*type, "type"), .methods = {}};
    if (const auto* methods = array_at(*type, "methods"))
      for (const auto& method : *methods)
        if (const auto* fields = method.if_object()) entry.methods.push_back(method_from(*fields));
    if (!entry.name.empty()) catalog.types.push_back(std::move(entry));
  }
  return catalog;
}

std::optional<Catalog> catalog_of_build(const std::filesystem::path& module_types) {
  std::ifstream stream(module_types, std::ios::binary);
  if (!stream) return std::nullopt;
  std::ostringstream text;
  text << stream.rdbuf();
  boost::system::error_code malformed;
  const auto value = boost::json::parse(text.str(), malformed);
  if (malformed) return std::nullopt;
  return catalog_from(value);
}

}  // namespace epic::cli
