#pragma once
// StoredFabric: the snapshots of a project, read from its store, whether or not a fabric is running.
//
// Objects have the field names of the control verbs, so that scripts need not care where an answer came from; "live" is
// false, and what only a running fabric knows is null. A type can be given by any name that the built module has for
// it, and is shown by its current one. Nothing is written, and no lock is taken.

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/fabric/entity_name.hpp"
#include "cli/output/console.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/project.hpp"
#include "codec/snapshot_readers.hpp"
#include "reflect/schema.hpp"
#include "storage/store.hpp"

namespace epic::cli {

enum class Detail {
  summary,   // as answered by the verb `ls`
  snapshot,  // what is known without reading the state: entity, version, schema, saved_at, shard, bytes
  state,     // as in a line of an export: entity, version, schema, saved_at, state
};

struct StoredTotals {
  std::uint64_t entities = 0;
  std::uint64_t bytes = 0;
};

/// A schema that snapshots of a type were written with.
struct StoredSchema {
  std::string type;
  reflect::SchemaId id;
  std::uint64_t entities = 0;
};

class StoredFabric {
 public:
  /// A not_found failure if nothing has been saved.
  static Result<StoredFabric> open(const ProjectPaths& paths);
  /// The same, also if nothing of `type` has been saved. Empty: any type.
  static Result<StoredFabric> open_with(const ProjectPaths& paths, const std::string& type);

  /// A not_found failure, with the nearest name, if nothing of `type` has been saved.
  Result<void> check_type(const std::string& type);
  /// As answered by the verb `inspect`; empty if it was never saved.
  Result<std::optional<boost::json::object>> inspect(const EntityName& name);
  /// Visits snapshots by type, then key. Damaged ones are skipped and passed to `on_damage`.
  Result<void> list(const storage::ListFilter& filter, Detail detail,
                    const std::function<bool(boost::json::object)>& visit,
                    const std::function<void(const Damage&)>& on_damage);
  /// From here on, reads the store as of now, whatever a fabric writes meanwhile.
  Result<void> hold_moment();
  /// Fails if what the fabric has written since must leave the store's log before the log is full.
  Result<void> stay_at_moment();
  /// The totals of `type`, or of everything if it is empty.
  Result<StoredTotals> totals(std::string_view type);
  Result<std::vector<std::string>> types();
  /// The owner of each shard, and since when; for inspect().
  Result<void> read_shards();
  /// The schemas of one type, or of all if it is empty; ordered by type.
  Result<std::vector<StoredSchema>> schemas(std::string_view type);
  /// Owned by this object. The error is a sentence.
  std::expected<const reflect::Schema*, std::string> find_schema(reflect::SchemaId id);
  [[nodiscard]] storage::StoreIdentity identity() const { return store_->identity(); }

 private:
  StoredFabric(std::unique_ptr<storage::Store> store, const Catalog& names);
  std::string entity_of(const storage::Snapshot& snapshot) const;
  boost::json::object summary_of(const storage::Snapshot& snapshot) const;
  boost::json::object head_of(const storage::Snapshot& snapshot) const;
  std::expected<boost::json::value, std::string> state_of(const storage::Snapshot& snapshot);

  std::unique_ptr<storage::Store> store_;
  Catalog names_;
  codec::SnapshotReaders readers_;
  std::map<std::uint32_t, std::uint64_t> epochs_;  // by shard
  bool has_epochs_ = false;
};

/// The project's store, for reading, whether or not a fabric is running. A not_found failure if nothing has been saved.
Result<std::unique_ptr<storage::Store>> open_to_read(const ProjectPaths& paths);
/// If something acknowledged may be missing from what is about to be shown, and nobody has accepted that.
void warn_of_mark(Console& console, const ProjectPaths& paths);
/// For what `store`, which outlives them, holds; Refs are shown by current names.
codec::SnapshotReaders readers_of(storage::Store& store, const Catalog& names);

/// The types and names known from the last build; empty if there was none.
Catalog names_of_build(const ProjectPaths& paths);

/// How a schema's id is written everywhere.
std::string schema_text(reflect::SchemaId id);

/// Turns the store's sentences into a failure: the first says what is wrong, those with a command in backquotes how to
/// fix it.
Failure failure_of(const storage::StoreError& error);

}  // namespace epic::cli
