#include "node/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <map>
#include <memory>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "codec/conversion.hpp"
#include "epic/entity.hpp"
#include "kernel/errors.hpp"
#include "kernel/type_table.hpp"

namespace epic::node {

namespace json = boost::json;

namespace {

constexpr std::size_t kReasonsMax = 20;  // per schema

/// Why snapshots cannot be read.
struct Reason {
  std::string field;
  std::string message;
  std::uint64_t entities = 0;
  std::string example;  // an entity's name; empty: none was looked at
};

/// The snapshots of one type that were written with one schema.
struct Written {
  kernel::SchemaId id;
  std::uint64_t entities = 0;
  std::optional<reflect::Schema> schema;
  codec::Conversion conversion;
  std::uint64_t unreadable = 0;
  std::vector<Reason> reasons = {};
  bool is_damaged = false;  // the schema itself cannot be read by any module

  [[nodiscard]] bool depends() const {
    if (!schema || unreadable == entities) return false;
    return conversion.depends_on_values ||
           (!conversion.changes.empty() && conversion.effect() == codec::Effect::may_fail);
  }
};

/// "bag[3].name" → "bag[].name".
std::string without_indexes(std::string_view path) {
  std::string text;
  bool is_index = false;
  for (const char c : path) {
    if (c == ']') is_index = false;
    if (!is_index) text += c;
    if (c == '[') is_index = true;
  }
  return text;
}

std::string_view verdict_of(const Written& written) {
  if (written.is_damaged) return "damaged";
  if (written.unreadable > 0) return written.unreadable == written.entities ? "fails" : "partly";
  return written.conversion.changes.empty() ? "reads" : "converts";
}

class Checker {
 public:
  Checker(const kernel::TypeTable& types, storage::Store& store) : types_(types), store_(store) {}

  std::expected<json::object, std::string> run() {
    const auto counts = store_.count_by_schema();
    if (!counts) return std::unexpected(counts.error().message);
    std::map<std::string, std::vector<storage::SchemaCount>> by_type;
    for (const storage::SchemaCount& count : *counts) by_type[count.type].push_back(count);
    json::array types;
    json::array orphans;
    json::array unclaimed;
    for (const auto& [name, schemas] : by_type) {
      if (const kernel::TypeEntry* type = find_stored_as(name)) {
        auto told = tell_type(*type, schemas);
        if (!told) return std::unexpected(std::move(told.error()));
        types.emplace_back(std::move(*told));
        continue;
      }
      json::object row{{"type", name}, {"entities", total(schemas)}};
      if (const kernel::TypeEntry* owner = find_owner(name, schemas)) {
        row["class"] = owner->info->type_name;
        row["stored_as"] = owner->info->stored_name();
        orphans.emplace_back(std::move(row));
      } else {
        unclaimed.emplace_back(std::move(row));
      }
    }
    return json::object{{"types", std::move(types)},
                        {"orphans", std::move(orphans)},
                        {"unclaimed", std::move(unclaimed)},
                        {"damaged", damaged_}};
  }

 private:
  static std::uint64_t total(const std::vector<storage::SchemaCount>& schemas) {
    std::uint64_t entities = 0;
    for (const storage::SchemaCount& count : schemas) entities += count.entities;
    return entities;
  }

  const kernel::TypeEntry* find_stored_as(std::string_view name) const {
    for (const auto& type : types_.all())
      if (type->info->stored_name() == name) return type.get();
    return nullptr;
  }

  const kernel::TypeEntry* find_named(std::string_view name) const {
    for (const auto& type : types_.all())
      if (type->info->type_name == name ||
          std::ranges::find(type->info->former_names, name) != type->info->former_names.end())
        return type.get();
    return nullptr;
  }

  /// The class that these rows belong to, or would if it were not stored under another name: one with this name now, or
  /// when the rows were written.
  const kernel::TypeEntry* find_owner(const std::string& name, const std::vector<storage::SchemaCount>& schemas) {
    if (const kernel::TypeEntry* type = find_named(name)) return type;
    for (const storage::SchemaCount& count : schemas)
      if (const auto schema = read_schema(count.schema))
        if (const kernel::TypeEntry* type = find_named(schema->root().name)) return type;
    return nullptr;
  }

  std::expected<reflect::Schema, std::string> read_schema(kernel::SchemaId id) {
    const auto text = store_.schema(id);
    if (!text) return std::unexpected(text.error().message);
    if (!*text) return std::unexpected(fmt::format("the store does not have the schema {:016x}", id));
    return reflect::Schema::parse(**text);
  }

  std::expected<json::object, std::string> tell_type(const kernel::TypeEntry& type,
                                                     const std::vector<storage::SchemaCount>& counts) {
    std::vector<Written> schemas;
    for (const storage::SchemaCount& count : counts) schemas.push_back(look(type, count));
    if (std::ranges::any_of(schemas, &Written::depends))
      if (auto decoded = decode(type, schemas); !decoded) return std::unexpected(std::move(decoded.error()));
    json::array rows;
    std::uint64_t unreadable = 0;
    for (const Written& written : schemas) {
      unreadable += written.unreadable;
      rows.emplace_back(tell_schema(type, written));
    }
    return json::object{{"type", type.info->type_name},
                        {"stored_as", type.info->stored_name()},
                        {"entities", total(counts)},
                        {"unreadable", unreadable},
                        {"schemas", std::move(rows)}};
  }

  Written look(const kernel::TypeEntry& type, const storage::SchemaCount& count) {
    Written written{.id = count.schema, .entities = count.entities, .schema = {}, .conversion = {}};
    if (!type.is_stored) return written;
    auto schema = read_schema(count.schema);
    if (!schema) {
      written.is_damaged = true;
      damaged_ += count.entities;
      written.reasons.push_back({.field = {}, .message = schema.error(), .entities = count.entities, .example = {}});
      return written;
    }
    written.schema = std::move(*schema);
    written.conversion = codec::examine(*written.schema, type.info->state);
    for (const codec::Change& change : written.conversion.changes) {
      if (change.effect != codec::Effect::fails) continue;
      written.unreadable = count.entities;
      if (written.reasons.size() < kReasonsMax)
        written.reasons.push_back(
            {.field = change.field,
             .message = fmt::format("was written as {} and cannot be read as {}", change.was, change.is),
             .entities = count.entities,
             .example = {}});
    }
    return written;
  }

  std::expected<void, std::string> decode(const kernel::TypeEntry& type, std::vector<Written>& schemas) {
    const auto listed = store_.list(
        {.type = std::string(type.info->stored_name())},
        [&](const storage::Snapshot& snapshot) {
          const auto written = std::ranges::find(schemas, snapshot.schema, &Written::id);
          if (written != schemas.end() && written->depends()) decode(type, *written, snapshot);
          return storage::Visit::go_on;
        },
        [this](const storage::StoreError&) { ++damaged_; });
    if (!listed) return std::unexpected(listed.error().message);
    return {};
  }

  void decode(const kernel::TypeEntry& type, Written& written, const storage::Snapshot& snapshot) {
    const reflect::EntityInfo& info = *type.info;
    kernel::CodecError error;
    try {
      const std::unique_ptr<Entity, void (*)(Entity*) noexcept> entity(info.create(), info.destroy);
      if (auto read = codec_.decode(snapshot.bytes, *written.schema, info.state, info.object(entity.get())); read)
        return;
      else
        error = std::move(read.error());
    } catch (...) {
      error.what = "the constructor threw: " + kernel::describe_thrown(std::current_exception()).message;
    }
    ++written.unreadable;
    error.path = without_indexes(error.path);
    const auto known = std::ranges::find_if(written.reasons, [&](const Reason& reason) {
      return reason.field == error.path && reason.message == error.what;
    });
    if (known != written.reasons.end())
      ++known->entities;
    else if (written.reasons.size() < kReasonsMax)
      written.reasons.push_back({.field = error.path,
                                 .message = error.what,
                                 .entities = 1,
                                 .example = fmt::format("{}/{}", info.type_name, snapshot.key)});
  }

  static json::object tell_schema(const kernel::TypeEntry& type, const Written& written) {
    json::array changes;
    for (const codec::Change& change : written.conversion.changes)
      changes.emplace_back(json::object{{"what", codec::to_string(change.what)},
                                        {"effect", codec::to_string(change.effect)},
                                        {"field", change.field},
                                        {"was", change.was},
                                        {"is", change.is},
                                        {"text", codec::describe(change)}});
    json::array reasons;
    for (const Reason& reason : written.reasons)
      reasons.emplace_back(
          json::object{{"field", reason.field},
                       {"message", reason.message},
                       {"entities", reason.entities},
                       {"example", reason.example.empty() ? json::value(nullptr) : json::value(reason.example)}});
    return {{"schema", fmt::format("{:016x}", written.id)},
            {"entities", written.entities},
            {"verdict", type.is_stored ? verdict_of(written) : "unused"},
            {"unreadable", written.unreadable},
            {"changes", std::move(changes)},
            {"reasons", std::move(reasons)}};
  }

  const kernel::TypeTable& types_;
  storage::Store& store_;
  codec::CapnpCodec codec_;
  std::uint64_t damaged_ = 0;
};

}  // namespace

std::expected<json::object, std::string> check_store(const ModuleInfo& module, storage::Store& store) {
  kernel::TypeTable types;
  if (auto added = types.add(module); !added) return std::unexpected(std::move(added.error()));
  return Checker(types, store).run();
}

}  // namespace epic::node
