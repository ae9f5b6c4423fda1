#include "kernel/mail/outbox.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "kernel/errors.hpp"
#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "reflect/schema_of.hpp"

namespace epic::kernel {

void Outbox::deliver(const Record& call) {
  const Record* const current = uses_.scheduler.current;
  Activation* const sender = activation_of(current);
  if (sender == nullptr || sender->entity == nullptr)
    throw std::logic_error("epic::deliver() sends messages of an entity: use it in its methods or hooks");
  if (current->is_read_only)
    throw std::logic_error("epic::deliver() was used in a const method, which must not change anything");
  if (sender->type->local_max > 0)
    throw std::logic_error(
        fmt::format("epic::deliver(): {} is a local class, of which nothing is saved, so a message could not be saved "
                    "with what its sender has changed; call the entity instead",
                    sender->type->info->type_name));
  if (!uses_.has_shared_store)
    throw std::logic_error(
        "epic::deliver() needs a store that all nodes share, and in this project each has its own: set store = "
        "\"sqlite\" "
        "in epic.toml");
  const TypeEntry* const type = uses_.types.find(call.callee->type());
  if (type == nullptr || !type->info->has(*call.method))
    throw Error(type == nullptr ? ErrorCode::no_such_type : ErrorCode::no_such_method,
                fmt::format("{} was not sent: the module has no such class or method", uses_.words.describe(call)));
  if (!type->is_stored)
    throw std::logic_error(
        fmt::format("epic::deliver(): {} has no saved state, so there is nowhere to record that the message took "
                    "effect; call it instead",
                    type->info->type_name));
  Mail mail{.id = next_id(sender->shard),
            .to_shard = {},
            .from = std::string(sender->name->text),
            .to = uses_.types.stored(call.callee->text),
            .method = std::string(call.method->name),
            .schema = schema_of_arguments(*call.method),
            .arguments = {},
            .sent_at_ns = uses_.scheduler.wall_ns};
  mail.to_shard = uses_.placement.shard_of(mail.to);
  std::string too_large;
  try {
    uses_.codec.encode(call.method->arguments(), const_cast<Record&>(call).arguments(), mail.arguments);
    if (mail.arguments.size() > limits::kArgumentsBytesMax)
      too_large = fmt::format("its arguments have {} bytes, and {} is the most", mail.arguments.size(),
                              limits::kArgumentsBytesMax);
  } catch (const std::length_error& error) {
    too_large = error.what();
  }
  if (!too_large.empty())
    throw Error(ErrorCode::bad_arguments, fmt::format("{} was not sent: {}", uses_.words.describe(call), too_large));
  uses_.saving.add(*sender, PutMail{std::move(mail)});
}

SchemaId Outbox::schema_of_arguments(const reflect::MethodInfo& method) {
  const auto known = schemas_.find(&method);
  if (known != schemas_.end()) return known->second;
  const reflect::Schema schema = reflect::schema_of(method.arguments());
  uses_.saving.add_schema({schema.id(), schema.text()});
  return schemas_.emplace(&method, schema.id()).first->second;
}

}  // namespace epic::kernel
