#include "node/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/describe/enum_to_string.hpp>
#include <map>
#include <memory>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "codec/conversion.hpp"
#include "epic/entity.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/placement_groups.hpp"
#include "node/no_world.hpp"
#include "reflect/try.hpp"
#include "storage/mail.hpp"

namespace epic::node {

using protocol::control::StoreCheck;

namespace {

constexpr std::size_t kReasonsMax = 20;  // per schema

/// The snapshots of one type that were written with one schema.
struct Written {
  kernel::SchemaId id;
  StoreCheck::Row row;
  std::optional<reflect::Schema> schema = {};
  codec::Conversion conversion = {};

  [[nodiscard]] bool depends() const {
    if (!schema || row.unreadable == row.entities) return false;
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

std::string_view verdict_of(const StoreCheck::Row& row) {
  if (row.unreadable > 0) return row.unreadable == row.entities ? "fails" : "partly";
  return row.changes.empty() ? "reads" : "converts";
}

class Checker {
 public:
  Checker(const kernel::TypeTable& types, storage::Store& store) : types_(types), store_(store) {}

  std::expected<StoreCheck::Answer, std::string> run() {
    const auto counts = store_.count_by_schema();
    if (!counts) return std::unexpected(counts.error().message);
    std::map<std::string, std::vector<storage::SchemaCount>> by_type;
    for (const storage::SchemaCount& count : *counts) by_type[count.type].push_back(count);

    std::vector<StoreCheck::Row> orphaned;
    std::vector<StoreCheck::Row> unclaimed;
    for (const auto& [name, schemas] : by_type) {
      if (const kernel::TypeEntry* type = find_stored_as(name))
        EPIC_TRY(add_type(*type, schemas));
      else if (const kernel::TypeEntry* owner = find_owner(name, schemas))
        orphaned.push_back(
            without_class(name, schemas, "orphaned",
                          fmt::format("class {0} stores its entities as {1}; restore formerly(\"{2}\") as "
                                      "the last name in its named(…)",
                                      owner->info->type_name, owner->info->stored_name(), name)));
      else
        unclaimed.push_back(without_class(name, schemas, "unclaimed", "no class of the module has this name"));
    }
    for (StoreCheck::Row& row : orphaned) row.unreadable = row.entities;
    std::ranges::move(orphaned, std::back_inserter(answer_.rows));
    std::ranges::move(unclaimed, std::back_inserter(answer_.rows));
    EPIC_TRY(check_mail());
    return std::move(answer_);
  }

 private:
  static StoreCheck::Row without_class(const std::string& name, const std::vector<storage::SchemaCount>& schemas,
                                       std::string_view verdict, std::string text) {
    StoreCheck::Row row{.type = name, .stored_as = name, .verdict = std::string(verdict), .text = std::move(text)};
    for (const storage::SchemaCount& count : schemas) row.entities += count.entities;
    return row;
  }
  /// Messages stay stored under the names of their time.
  std::expected<void, std::string> check_mail() {
    std::map<std::pair<std::string, std::string>, StoreCheck::Undeliverable> found;
    const auto listed = store_.list_mail(
        {},
        [&](const storage::Mail& mail) {
          const std::string stored_type = mail.to.substr(0, mail.to.find('/'));
          const kernel::TypeEntry* const type = find_named(stored_type);
          if (type != nullptr && type->info->find_method(mail.method) != nullptr) return storage::Visit::go_on;
          auto& row = found[{stored_type, mail.method}];
          if (row.messages++ == 0)
            row = {.type = type == nullptr ? stored_type : std::string(type->info->type_name),
                   .method = mail.method,
                   .has_class = type != nullptr,
                   .messages = 1,
                   .example = storage::mail_id_text(mail.id)};
          return storage::Visit::go_on;
        },
        [](const storage::StoreError&) {});
    if (!listed) return std::unexpected(listed.error().message);
    for (auto& [name, row] : found) answer_.undeliverable.push_back(std::move(row));
    return {};
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

  std::expected<void, std::string> add_type(const kernel::TypeEntry& type,
                                            const std::vector<storage::SchemaCount>& counts) {
    std::vector<Written> schemas;
    for (const storage::SchemaCount& count : counts) schemas.push_back(look(type, count));
    if (std::ranges::any_of(schemas, &Written::depends)) EPIC_TRY(decode(type, schemas));
    for (Written& written : schemas) {
      if (written.row.verdict.empty()) written.row.verdict = verdict_of(written.row);
      answer_.rows.push_back(std::move(written.row));
    }
    return {};
  }

  Written look(const kernel::TypeEntry& type, const storage::SchemaCount& count) {
    Written written{.id = count.schema,
                    .row = {.type = std::string(type.info->type_name),
                            .stored_as = std::string(type.info->stored_name()),
                            .schema = fmt::format("{:016x}", count.schema),
                            .entities = count.entities}};
    StoreCheck::Row& row = written.row;
    if (!type.is_stored) {
      row.verdict = "unused";
      return written;
    }
    auto schema = read_schema(count.schema);
    if (!schema) {
      answer_.damaged += count.entities;
      row.verdict = "damaged";
      row.text = schema.error();
      row.reasons = {{.message = schema.error(), .entities = count.entities}};
      return written;
    }
    written.schema = std::move(*schema);
    written.conversion = codec::examine(*written.schema, type.info->state);
    for (const codec::Change& change : written.conversion.changes) {
      row.changes.push_back({.what = boost::describe::enum_to_string(change.what, ""),
                             .effect = boost::describe::enum_to_string(change.effect, ""),
                             .field = change.field,
                             .was = change.was,
                             .is = change.is,
                             .text = codec::describe(change)});
      row.text += (row.text.empty() ? "" : "; ") + row.changes.back().text;
      if (change.effect != codec::Effect::fails) continue;
      row.unreadable = count.entities;
      if (row.reasons.size() < kReasonsMax)
        row.reasons.push_back(
            {.field = change.field,
             .message = fmt::format("was written as {} and cannot be read as {}", change.was, change.is),
             .entities = count.entities});
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
        [this](const storage::StoreError&) { ++answer_.damaged; });
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
    ++written.row.unreadable;
    error.path = without_indexes(error.path);
    auto& reasons = written.row.reasons;
    const auto known = std::ranges::find_if(reasons, [&](const StoreCheck::Reason& reason) {
      return reason.field == error.path && reason.message == error.what;
    });
    if (known != reasons.end())
      ++known->entities;
    else if (reasons.size() < kReasonsMax)
      reasons.push_back({.field = error.path,
                         .message = error.what,
                         .entities = 1,
                         .example = fmt::format("{}/{}", info.type_name, snapshot.key)});
  }

  const kernel::TypeTable& types_;
  storage::Store& store_;
  codec::CapnpCodec codec_;
  StoreCheck::Answer answer_;
};

}  // namespace

std::expected<StoreCheck::Answer, std::string> check_store(const ModuleInfo& module, storage::Store& store) {
  const codec::CapnpCodec codec;
  NoWorld world;
  kernel::Kernel kernel({.self = {kernel::NodeId{1}, 1}, .fabric = {}, .placement = kernel::placement_for(module, 1)},
                        codec, world);
  EPIC_TRY(kernel.add_module(module));
  std::expected<StoreCheck::Answer, std::string> answer;
  kernel.enter([&] { answer = Checker(kernel.types(), store).run(); });  // which knows the class of each name
  return answer;
}

}  // namespace epic::node
