#include "reflect/schema_of.hpp"

#include <fmt/format.h>

#include <unordered_set>

#include "reflect/type_text.hpp"

namespace epic::reflect {
namespace {

/// Gives each table a node before its parts are visited, so that a type can contain itself.
class Describer {
 public:
  Schema::Index describe(const TypeInfo& type) {
    const auto [known, is_new] = indexes_.try_emplace(&type, static_cast<Schema::Index>(nodes_.size()));
    if (!is_new) return known->second;
    const Schema::Index index = known->second;
    nodes_.push_back({.kind = type.kind, .name = {}, .parts = {}, .enumerators = {}});
    if (type.kind == Kind::record || type.kind == Kind::enumeration) nodes_[index].name = unique_name(type.name);
    if (type.kind == Kind::ref) nodes_[index].name = stored_class(type);
    nodes_[index].unit = type.time.unit;
    nodes_[index].is_multi = type.map.is_multi;
    nodes_[index].is_expected = type.variant.is_expected;
    for (const auto& [name, value] : type.enumeration.enumerators)
      nodes_[index].enumerators.push_back({std::string(name), value});

    std::vector<Schema::Part> parts = describe_parts(type);
    nodes_[index].parts = std::move(parts);
    return index;
  }

  std::vector<Schema::Node> take() { return std::move(nodes_); }

 private:
  std::vector<Schema::Part> describe_parts(const TypeInfo& type) {
    std::vector<Schema::Part> parts;
    const auto add = [&](std::string_view name, TypeFn part) {
      parts.push_back({std::string(name), describe(part())});
    };
    switch (type.kind) {
      case Kind::record:
        for (const auto& field : type.fields) add(field.name, field.type);
        break;
      case Kind::tuple:
        for (const auto& field : type.fields) add({}, field.type);
        break;
      case Kind::optional:
        add({}, type.optional.element);
        break;
      case Kind::sequence:
        add({}, type.sequence.element);
        break;
      case Kind::map:
        add({}, type.map.key);
        add({}, type.map.value);
        break;
      case Kind::variant:
        for (const TypeFn alternative : type.variant.alternatives) add({}, alternative);
        break;
      default:
        break;
    }
    return parts;
  }

  std::string unique_name(std::string_view name) {
    std::string candidate(name);
    for (int count = 2; !names_.insert(candidate).second; ++count) candidate = fmt::format("{}#{}", name, count);
    return candidate;
  }

  std::vector<Schema::Node> nodes_;
  std::unordered_map<const TypeInfo*, Schema::Index> indexes_;
  std::unordered_set<std::string> names_;
};

}  // namespace

Schema schema_of(const TypeInfo& type) {
  Describer describer;
  describer.describe(type);
  return Schema(describer.take());
}

const Schema& SchemaCache::get(const TypeInfo& type) {
  auto& schema = schemas_[&type];
  if (!schema) schema = std::make_unique<const Schema>(schema_of(type));
  return *schema;
}

}  // namespace epic::reflect
