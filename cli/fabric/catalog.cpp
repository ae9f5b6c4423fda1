#include "cli/fabric/catalog.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "protocol/json.hpp"

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

std::vector<std::string> texts_at(const boost::json::object& object, std::string_view field) {
  std::vector<std::string> texts;
  if (const auto* array = array_at(object, field))
    for (const auto& element : *array)
      if (const auto* text = element.if_string()) texts.emplace_back(std::string_view(*text));
  return texts;
}

MethodEntry method_from(const boost::json::object& object) {
  MethodEntry method{.name = text_at(object, "name"),
                     .parameters = texts_at(object, "parameters"),
                     .result = text_at(object, "result")};
  const std::vector<std::string> names = texts_at(object, "parameter_names");
  for (std::size_t i = 0; i < std::min(names.size(), method.parameters.size()); ++i)
    method.parameters[i] = names[i] + ": " + method.parameters[i];
  return method;
}

}  // namespace

const TypeEntry* Catalog::find(std::string_view type) const {
  const auto found = std::ranges::find_if(types, [&](const TypeEntry& entry) {
    return entry.name == type || std::ranges::find(entry.former_names, type) != entry.former_names.end();
  });
  return found == types.end() ? nullptr : &*found;
}

std::string Catalog::stored_name(std::string_view type) const {
  const TypeEntry* entry = find(type);
  return entry == nullptr ? std::string(type) : entry->stored_as;
}

std::string Catalog::shown(std::string_view type_or_entity) const {
  const std::string_view type = type_or_entity.substr(0, type_or_entity.find('/'));
  const TypeEntry* entry = find(type);
  return std::string(entry == nullptr ? type : entry->name).append(type_or_entity.substr(type.size()));
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
    TypeEntry entry{.name = text_at(*type, "type"),
                    .former_names = texts_at(*type, "formerly"),
                    .stored_as = text_at(*type, "stored_as"),
                    .methods = {}};
    if (entry.stored_as.empty()) entry.stored_as = entry.former_names.empty() ? entry.name : entry.former_names.back();
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
  const auto value = protocol::parse_json(text.str());
  if (!value) return std::nullopt;
  return catalog_from(*value);
}

}  // namespace epic::cli
