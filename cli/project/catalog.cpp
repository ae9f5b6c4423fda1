#include "cli/project/catalog.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "codec/described_json.hpp"

namespace epic::cli {

const TypeEntry* Catalog::find(std::string_view type) const {
  const auto found = std::ranges::find_if(types, [&](const TypeEntry& entry) {
    return entry.type == type || std::ranges::find(entry.formerly, type) != entry.formerly.end();
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
  return std::string(entry == nullptr ? type : entry->type).append(type_or_entity.substr(type.size()));
}

std::vector<std::string> Catalog::type_names() const {
  std::vector<std::string> names;
  for (const TypeEntry& type : types) names.push_back(type.type);
  return names;
}

kernel::PlacementGroups Catalog::groups() const {
  kernel::PlacementGroups groups;
  for (const TypeEntry& type : types)
    if (type.group != type.stored_as) groups.emplace(type.stored_as, type.group);
  return groups;
}

std::vector<std::string> Catalog::method_names(std::string_view type) const {
  std::vector<std::string> names;
  if (const TypeEntry* entry = find(type))
    for (const MethodEntry& method : entry->methods) names.push_back(method.name);
  return names;
}

Catalog catalog_from(protocol::control::Types::Answer answer) {
  Catalog catalog{std::move(answer)};
  std::erase_if(catalog.types, [](const TypeEntry& type) { return type.type.empty(); });
  for (TypeEntry& type : catalog.types)
    if (type.stored_as.empty()) type.stored_as = type.formerly.empty() ? type.type : type.formerly.back();
  for (TypeEntry& type : catalog.types)
    if (type.group.empty()) type.group = type.stored_as;
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
