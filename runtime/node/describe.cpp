#include "node/describe.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <chrono>

#include "reflect/schema_of.hpp"
#include "reflect/type_text.hpp"

namespace epic::node {

namespace json = boost::json;

namespace {

std::string_view mode_of(const reflect::EntityInfo& info) {
  switch (info.durability) {
    case reflect::Durability::gated:
      return "gated";
    case reflect::Durability::interval:
      return "interval";
    case reflect::Durability::transient:
      return "transient";
  }
  return "unknown";
}

json::object describe_method(const reflect::MethodInfo& method) {
  json::array parameters;
  json::array names;
  for (const reflect::FieldInfo& parameter : method.arguments().fields) {
    parameters.emplace_back(reflect::type_text(parameter.type()));
    if (!parameter.name.empty()) names.emplace_back(parameter.name);
  }
  json::object described{
      {"name", method.name},
      {"parameters", std::move(parameters)},
      {"result", method.result == nullptr ? json::value(nullptr) : json::value(reflect::type_text(method.result()))},
      {"const", method.access == reflect::Access::read_only},
      {"exclusive", method.locking == reflect::Locking::exclusive}};
  if (!names.empty()) described["parameter_names"] = std::move(names);
  return described;
}

}  // namespace

json::object describe_type(const reflect::EntityInfo& info) {
  json::array methods;
  for (const reflect::MethodInfo* method : info.methods) methods.emplace_back(describe_method(*method));
  json::array state;
  for (const reflect::FieldInfo& field : info.state.fields)
    state.emplace_back(json::object{{"name", field.name}, {"type", reflect::type_text(field.type())}});
  json::array formerly;
  for (const std::string_view name : info.former_names) formerly.emplace_back(name);
  json::object type{{"type", info.type_name},   {"formerly", std::move(formerly)},   {"stored_as", info.stored_name()},
                    {"mode", mode_of(info)},    {"exclusive", info.class_exclusive}, {"methods", std::move(methods)},
                    {"state", std::move(state)}};
  if (info.durability == reflect::Durability::interval)
    type["interval_ms"] = std::chrono::duration_cast<std::chrono::milliseconds>(info.save_interval).count();
  return type;
}

json::object describe_module(const ModuleInfo& module) {
  json::array types;
  for (const EntityInfoFn info_of : module.entities) {
    json::object type = describe_type(info_of());
    const reflect::Schema schema = reflect::schema_of(info_of().state);
    type["schema"] = schema.text();
    type["schema_id"] = fmt::format("{:016x}", schema.id().value);
    types.emplace_back(std::move(type));
  }
  return {{"abi", module.abi_tag}, {"types", std::move(types)}};
}

}  // namespace epic::node
