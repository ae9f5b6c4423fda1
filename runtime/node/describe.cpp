#include "node/describe.hpp"

#include <fmt/format.h>

#include <boost/describe/enum.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <chrono>

#include "kernel/placement_groups.hpp"
#include "reflect/schema_of.hpp"
#include "reflect/type_text.hpp"

namespace epic::reflect {
BOOST_DESCRIBE_ENUM(Durability, gated, interval, transient)
}

namespace epic::node {

namespace control = protocol::control;

namespace {

control::Types::Method describe_method(const reflect::MethodInfo& method) {
  control::Types::Method described{.name = std::string(method.name),
                                   .read_only = method.access == reflect::Access::read_only,
                                   .exclusive = method.locking == reflect::Locking::exclusive};
  for (const reflect::FieldInfo& parameter : method.arguments().fields) {
    described.parameters.push_back(reflect::type_text(parameter.type()));
    if (!parameter.name.empty()) described.parameter_names.emplace_back(parameter.name);
  }
  if (method.result != nullptr) described.result = reflect::type_text(method.result());
  return described;
}

}  // namespace

control::Types::Type describe_type(const reflect::EntityInfo& info, const kernel::Placement& placement) {
  const reflect::Schema schema = reflect::schema_of(info.state);
  control::Types::Type type{.type = std::string(info.type_name),
                            .formerly = {info.former_names.begin(), info.former_names.end()},
                            .stored_as = std::string(info.stored_name()),
                            .group = std::string(placement.group_of(info.stored_name())),
                            .mode = info.local_max > 0 ? "local" : boost::describe::enum_to_string(info.durability, ""),
                            .exclusive = info.class_exclusive,
                            .schema = schema.text(),
                            .schema_id = fmt::format("{:016x}", schema.id().value)};
  for (const reflect::MethodInfo* method : info.methods) type.methods.push_back(describe_method(*method));
  for (const reflect::FieldInfo& field : info.state.fields)
    type.state.push_back({.name = std::string(field.name), .type = reflect::type_text(field.type())});
  if (info.durability == reflect::Durability::interval)
    type.interval_ms = std::chrono::duration_cast<std::chrono::milliseconds>(info.save_interval).count();
  return type;
}

control::Types::Answer describe_module(const ModuleInfo& module) {
  control::Types::Answer answer;
  const kernel::Placement placement = kernel::placement_for(module, 1);
  for (const EntityInfoFn info_of : module.entities) answer.types.push_back(describe_type(info_of(), placement));
  return answer;
}

}  // namespace epic::node
