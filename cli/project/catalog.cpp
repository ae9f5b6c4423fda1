#include "cli/project/catalog.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "codec/described_json.hpp"

namespace epic::cli {
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

Catalog catalog_from(const protocol::control::Types::Answer& answer) {
  Catalog catalog;
  for (const auto& type : answer.types) {
    TypeEntry entry{.name = type.type, .former_names = type.formerly, .stored_as = type.stored_as};
    if (entry.stored_as.empty()) entry.stored_as = entry.former_names.empty() ? entry.name : entry.former_names.back();
    for (const auto& method : type.methods) {
      MethodEntry& described = entry.methods.emplace_back(method.name, method.parameters, method.result.value_or(""));
      for (std::size_t i = 0; i < std::min(method.parameter_names.size(), method.parameters.size()); ++i)
        described.parameters[i] = method.parameter_names[i] + ": " + method.parameters[i];
    }
    if (!entry.name.empty()) catalog.types.push_back(std::move(entry));
  }
  return catalog;
}

Catalog catalog_from(const boost::json::value& answer) {
  return catalog_from(
      codec::read_described<protocol::control::Types::Answer>(answer).value_or(protocol::control::Types::Answer()));
}

std::optional<Catalog> catalog_of_build(const std::filesystem::path& module_types) {
  std::ifstream stream(module_types, std::ios::binary);
  if (!stream) return std::nullopt;
  std::ostringstream text;
  text << stream.rdbuf();
  const auto types = codec::read_described_text<protocol::control::Types::Answer>(text.str());
  if (!types) return std::nullopt;
  return catalog_from(*types);
}

}  // namespace epic::cli
