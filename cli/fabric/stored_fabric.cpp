#include "cli/fabric/stored_fabric.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/fabric/unknown.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/connection.hpp"
#include "codec/described_json.hpp"
#include "protocol/control_entities.hpp"
#include "protocol/log_line.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace {

using storage::Snapshot;
using storage::StoreError;
using storage::StoreErrorCode;

std::int64_t age_of(const Snapshot& snapshot) {
  const auto age = std::chrono::system_clock::now() - snapshot.saved_at;
  return std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::milliseconds>(age).count());
}

}  // namespace

std::string StoredFabric::entity_of(const Snapshot& snapshot) const {
  return names_.shown(snapshot.type) + "/" + snapshot.key;
}

boost::json::object StoredFabric::summary_of(const Snapshot& snapshot) const {
  return codec::describe_json(protocol::control::Ls::Answer{.entity = entity_of(snapshot),
                                                            .state = "stored",
                                                            .shard = snapshot.shard.value,
                                                            .version = snapshot.version.value,
                                                            .bytes = snapshot.bytes.size(),
                                                            .age_ms = age_of(snapshot)})
      .as_object();
}

boost::json::object StoredFabric::head_of(const Snapshot& snapshot) const {
  return {{"entity", entity_of(snapshot)},
          {"version", snapshot.version.value},
          {"schema", schema_text(snapshot.schema)},
          {"saved_at", protocol::format_time(snapshot.saved_at)}};
}

Catalog names_of_build(const ProjectPaths& paths) {
  const auto manifest = read_manifest(paths.manifest());
  if (!manifest) return {};
  return catalog_of_build(paths.module_types(manifest->module)).value_or(Catalog());
}

Failure failure_of(const StoreError& error) {
  Failure failure;
  if (error.code == StoreErrorCode::not_found) failure.code = ExitCode::not_found;
  std::string_view rest = error.message;
  while (!rest.empty()) {
    const std::size_t end = rest.find(". ");
    std::string sentence(rest.substr(0, end));
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
    if (sentence.ends_with('.')) sentence.pop_back();
    if (failure.what.empty())
      failure.what = std::move(sentence);
    else if (sentence.find('`') != std::string::npos)
      failure.help.push_back(std::move(sentence));
    else
      failure.why += (failure.why.empty() ? "" : "; ") + sentence;
  }
  return failure;
}

std::string schema_text(reflect::SchemaId id) { return fmt::format("{:016x}", id.value); }

Result<std::unique_ptr<storage::Store>> open_to_read(const ProjectPaths& paths) {
  if (paths.connection && paths.connection->settings_fault) return fail(*paths.connection->settings_fault);
  if (!paths.store.keeps_state())
    return fail({.code = ExitCode::not_found,
                 .what = "nothing of this project is saved",
                 .why = "the store in epic.toml keeps nothing",
                 .help = {"choose another one there; 'epic help config' lists them"}});
  if (!paths.connection) EPIC_TRY(check_state_directory(paths));
  auto store = storage::open_store({.address = paths.store, .mode = storage::OpenMode::read_only});
  if (store) return std::move(*store);
  if (store.error().code != StoreErrorCode::not_found) return fail(failure_of(store.error()));
  return fail({.code = ExitCode::not_found,
               .what = fmt::format("nothing has been saved yet in {}", paths.root.string()),
               .why = fmt::format("there is no {}{}", paths.store.has_file() ? "" : "store in ", paths.store.shown()),
               .help = {"run the project with 'epic run'"}});
}

void warn_of_mark(Console& console, const ProjectPaths& paths) {
  if (const auto what = storage::find_mark(paths.store))
    console.warn(fmt::format("{}, so acknowledged values may be missing here; see 'epic help snapshot verify'", *what));
}

codec::SnapshotReaders readers_of(storage::Store& store, const Catalog& names) {
  return codec::SnapshotReaders(
      [from = &store](reflect::SchemaId id) -> std::expected<std::optional<std::string>, std::string> {
        auto text = from->schema(id);
        if (!text) return std::unexpected(text.error().message);
        return std::move(*text);
      },
      [names](std::string_view name) { return names.shown(name); });
}

Result<StoredFabric> StoredFabric::open(const ProjectPaths& paths) {
  return StoredFabric(EPIC_TRY(open_to_read(paths)), names_of_build(paths));
}

Result<StoredFabric> StoredFabric::open_with(const ProjectPaths& paths, const std::string& type) {
  auto store = open(paths);
  if (!store || type.empty()) return store;
  EPIC_TRY(store->check_type(type));
  return store;
}

StoredFabric::StoredFabric(std::unique_ptr<storage::Store> store, const Catalog& names)
    : store_(std::move(store)), names_(names), readers_(readers_of(*store_, names)) {}

Result<void> StoredFabric::hold_moment() {
  if (auto begun = store_->begin_moment(); !begun) return fail(failure_of(begun.error()));
  return {};
}

Result<void> StoredFabric::stay_at_moment() {
  const auto has_moved_on = store_->try_move_on();
  if (!has_moved_on) return fail(failure_of(has_moved_on.error()));
  if (!*has_moved_on) return {};
  return fail({.what = "the fabric has written so much meanwhile that the store's log would become full",
               .why = "what is written during an export stays in the log, and a full log stops the fabric",
               .help = {"use --live, which moves on with the fabric", "or export while no fabric is running"}});
}

Result<void> StoredFabric::check_type(const std::string& type) {
  const auto known = EPIC_TRY(types());
  if (std::ranges::find(known, names_.shown(type)) != known.end()) return {};
  return fail(names_.find(type) ? unsaved_type(names_.shown(type)) : unknown_type(type, known));
}

std::expected<const reflect::Schema*, std::string> StoredFabric::find_schema(reflect::SchemaId id) {
  const auto reader = EPIC_TRY(readers_.find(id));
  return &reader->schema();
}

std::expected<boost::json::value, std::string> StoredFabric::state_of(const Snapshot& snapshot) {
  const auto reader = EPIC_TRY(readers_.find(snapshot.schema));
  auto state = reader->to_json(snapshot.bytes);
  if (!state) return std::unexpected(fmt::format("{}: {}", state.error().path, state.error().what));
  return std::move(*state);
}

Result<std::vector<StoredSchema>> StoredFabric::schemas(std::string_view type) {
  const auto counts = store_->count_by_schema();
  if (!counts) return fail(failure_of(counts.error()));
  const std::string stored_name = names_.stored_name(type);
  std::vector<StoredSchema> schemas;
  for (const storage::SchemaCount& count : *counts)
    if (type.empty() || count.type == stored_name)
      schemas.push_back({.type = names_.shown(count.type), .id = count.schema, .entities = count.entities});
  return schemas;
}

Result<void> StoredFabric::read_shards() {
  if (has_epochs_) return {};
  const auto rows = store_->shards();
  if (!rows) return fail(failure_of(rows.error()));
  for (const auto& row : *rows) epochs_[row.shard.value] = row.epoch.value;
  has_epochs_ = true;
  return {};
}

Result<std::optional<boost::json::object>> StoredFabric::inspect(const EntityName& name) {
  const auto snapshot = store_->load(names_.stored_name(name.type), name.key);
  if (!snapshot) return fail(failure_of(snapshot.error()));
  if (!*snapshot) return std::optional<boost::json::object>();
  auto state = state_of(**snapshot);
  if (!state)
    return fail({.what = fmt::format("the saved state of {} cannot be read", name.text()), .why = state.error()});
  EPIC_TRY(read_shards());
  const Snapshot& saved = **snapshot;
  boost::json::object row =
      codec::describe_json(protocol::control::Inspect::Answer{.entity = entity_of(saved),
                                                              .type = names_.shown(saved.type),
                                                              .key = saved.key,
                                                              .shard = saved.shard.value,
                                                              .epoch = epochs_[saved.shard.value],
                                                              .version = saved.version.value,
                                                              .bytes = saved.bytes.size(),
                                                              .schema = schema_text(saved.schema),
                                                              .saved_at = protocol::format_time(saved.saved_at)})
          .as_object();
  row["state"] = std::move(*state);
  return row;
}

Result<void> StoredFabric::list(const storage::ListFilter& filter, Detail detail,
                                const std::function<bool(boost::json::object)>& visit,
                                const std::function<void(const Damage&)>& on_damage) {
  const auto on_snapshot = [&](const Snapshot& snapshot) {
    boost::json::object row = detail == Detail::summary ? summary_of(snapshot) : head_of(snapshot);
    if (detail == Detail::snapshot) {
      if (names_.stored_name(snapshot.type) != snapshot.type) row["orphaned"] = true;
      row["shard"] = snapshot.shard.value;
      row["bytes"] = snapshot.bytes.size();
    } else if (detail == Detail::state) {
      auto state = state_of(snapshot);
      if (!state) {
        on_damage({entity_of(snapshot), fmt::format("{}: {}", entity_of(snapshot), state.error())});
        return storage::Visit::go_on;
      }
      row["state"] = std::move(*state);
    }
    return visit(std::move(row)) ? storage::Visit::go_on : storage::Visit::stop;
  };
  storage::ListFilter stored = filter;
  stored.type = names_.stored_name(filter.type);
  const auto listed = store_->list(stored, on_snapshot, [&](const storage::DamagedRow& row) {
    on_damage({names_.shown(row.type) + "/" + row.key, row.message});
  });
  if (!listed) return fail(failure_of(listed.error()));
  return {};
}

Result<StoredTotals> StoredFabric::totals(std::string_view type) {
  const auto counts = store_->count_by_type();
  if (!counts) return fail(failure_of(counts.error()));
  StoredTotals totals;
  for (const auto& count : *counts) {
    if (!type.empty() && count.type != names_.stored_name(type)) continue;
    totals.entities += count.entities;
    totals.bytes += count.bytes;
  }
  return totals;
}

Result<std::vector<std::string>> StoredFabric::types() {
  const auto counts = store_->count_by_type();
  if (!counts) return fail(failure_of(counts.error()));
  std::vector<std::string> names;
  for (const auto& count : *counts) names.push_back(names_.shown(count.type));
  return names;
}

}  // namespace epic::cli
