#pragma once
// StoredFabric: the snapshots of a project, read from its store, with or without a running fabric.
//
// Objects have the field names of the control verbs, so that a script need not care where an answer came from; "live"
// is false, and what only a running fabric knows is null. Types are asked for by any name that the built module gives
// them, and shown by the present one. Nothing is written, and no lock is taken.

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/fabric/entity_name.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/project.hpp"
#include "codec/snapshot_readers.hpp"
#include "reflect/schema.hpp"
#include "storage/store.hpp"

namespace epic::cli {

enum class Detail {
  summary,   // as the verb `ls` answers
  snapshot,  // what is known of it without reading its state: entity, version, schema, saved_at, shard, bytes
  state,     // as a line of an export: entity, version, schema, saved_at, state
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
  /// A failure of the kind not_found when nothing has been saved yet.
  static Result<StoredFabric> open(const ProjectPaths& paths);
  /// The same, and a failure of that kind when nothing of `type` has been saved. Empty: any type.
  static Result<StoredFabric> open_with(const ProjectPaths& paths, const std::string& type);

  /// A failure of the kind not_found, with the nearest name, when nothing of `type` has been saved.
  Result<void> check_type(const std::string& type);
  /// As the verb `inspect` answers; empty if it was never saved.
  Result<std::optional<boost::json::object>> inspect(const EntityName& name);
  /// Snapshots by type, then key. `on_damage` hears of those that cannot be read; they are passed over.
  Result<void> list(const storage::ListFilter& filter, Detail detail,
                    const std::function<bool(boost::json::object)>& visit,
                    const std::function<void(std::string)>& on_damage);
  /// What is read from here on is the store as it is now, whatever a fabric writes meanwhile.
  Result<void> hold_moment();
  /// How much `type` has, or everything when it is empty.
  Result<StoredTotals> totals(std::string_view type);
  Result<std::vector<std::string>> types();
  /// Who had which shard, and since when; for inspect().
  Result<void> read_shards();
  /// Of one type, or of all when it is empty; by type.
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

/// What the last build knows of types and their names; nothing if there was none.
Catalog names_of_build(const ProjectPaths& paths);

/// How a schema's id is spelt everywhere.
std::string schema_text(reflect::SchemaId id);

/// The store's sentences: the first says what is wrong, those with a command in backquotes how to mend it.
Failure failure_of(const storage::StoreError& error);

}  // namespace epic::cli
