#include "node/import_reader.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <memory>
#include <stdexcept>

#include "codec/described_json.hpp"
#include "epic/pool.hpp"
#include "kernel/errors.hpp"
#include "kernel/limits.hpp"
#include "node/answers.hpp"
#include "protocol/control_entities.hpp"
#include "protocol/json.hpp"
#include "reflect/try.hpp"

namespace epic::node {

namespace json = boost::json;

namespace {

struct Destroy {
  const reflect::EntityInfo* info;
  void operator()(Entity* entity) const noexcept { info->destroy(entity); }
};

/// A new instance, filled from `state`, as bytes.
std::expected<std::vector<std::byte>, std::string> encode_state(const kernel::TypeEntry& type, const json::value& state,
                                                                codec::UnknownFields unknown_fields,
                                                                const kernel::Codec& codec, std::size_t& ignored) {
  const reflect::EntityInfo& info = *type.info;
  std::vector<std::byte> bytes;
  try {
    const std::unique_ptr<Entity, Destroy> entity(info.create(), Destroy{&info});
    void* const object = info.object(entity.get());
    if (auto read = codec::from_json(state, info.state, object, unknown_fields, &ignored); !read)
      return std::unexpected(
          fmt::format("state{}{}: {}", read.error().path.empty() ? "" : ".", read.error().path, read.error().what));
    codec.encode(info.state, object, bytes);
  } catch (const std::length_error& error) {
    return std::unexpected(fmt::format("state: {}", error.what()));
  } catch (...) {
    return std::unexpected(
        fmt::format("its constructor threw: {}", kernel::describe_thrown(std::current_exception()).message));
  }
  if (bytes.size() > kernel::limits::kStateBytesMax)
    return std::unexpected(fmt::format("state: it has {} bytes when encoded, and the limit is {}", bytes.size(),
                                       kernel::limits::kStateBytesMax));
  return bytes;
}

}  // namespace

std::expected<ImportRow, std::string> ImportReader::read(std::string_view line) {
  const auto parsed = EPIC_TRY(protocol::parse_json(line, protocol::DuplicateKeys::refuse));
  const auto* object = parsed.if_object();
  if (object == nullptr)
    return std::unexpected("it is not a JSON object, such as {\"entity\":\"Player/Bob\",\"state\":{}}");
  const auto read = EPIC_TRY(codec::read_described<protocol::control::Import::Line>(parsed));
  const std::string& entity = read.entity;
  const std::size_t slash = entity.find('/');
  if (slash == std::string::npos || slash == 0)
    return std::unexpected("its \"entity\" is not a name: it is written Type/Key");
  const std::string type_name = entity.substr(0, slash);
  ImportRow row{.type = types_.find(type_name), .key = entity.substr(slash + 1)};
  if (row.type == nullptr) {
    const std::string near = types_.nearest_type(type_name);
    return std::unexpected(fmt::format("no entity class '{}' in this project's module{}", type_name,
                                       near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
  }
  if (!detail::parse_name(row.name()))
    return std::unexpected("its key is empty, too long, not UTF-8, or contains a control character");
  if (!row.type->is_stored)
    return std::unexpected(
        fmt::format("{} is never saved (transient, or without state): remove the line", row.type->info->type_name));
  if (read.remove) {
    if (read.version) row.only_if = kernel::Version{*read.version};
    return row;
  }
  const auto* state = object->if_contains("state");
  if (state == nullptr) return std::unexpected("it has no \"state\"");
  const bool is_other = !read.schema.empty() && read.schema != hex(row.type->schema.id());
  auto bytes =
      EPIC_TRY(encode_state(*row.type, *state, is_other ? codec::UnknownFields::ignore : codec::UnknownFields::refuse,
                            codec_, ignored_count_));
  row.state = std::move(bytes);
  return row;
}

}  // namespace epic::node
