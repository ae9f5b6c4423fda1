#pragma once
// StoredReminders: the reminders of a project's entities, whether or not a fabric is running.
//
// Nothing is written, and no lock is taken. Entities are shown by the current names of their classes.

#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "cli/fabric/entity_name.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/project.hpp"
#include "codec/snapshot_readers.hpp"
#include "storage/store.hpp"

namespace epic::cli {

class StoredReminders {
 public:
  /// A not_found failure if nothing has been saved.
  static Result<StoredReminders> open(const ProjectPaths& paths);

  /// The reminders of an entity, a type or all types, by type, key and name. Damaged ones are skipped; `on_damage` gets
  /// a sentence for each.
  Result<void> list(const EntityName& of, std::uint64_t limit,
                    const std::function<void(const storage::Reminder&)>& visit,
                    const std::function<void(const std::string&)>& on_damage);
  Result<std::uint64_t> count(const EntityName& of);
  /// A not_found failure, with the nearest name, if neither the module nor the store knows the type.
  Result<void> check_type(const std::string& type);

  /// entity, name, due_at, every_ms (null: once), method, arguments (null if they cannot be read).
  [[nodiscard]] boost::json::object describe(const storage::Reminder& reminder);

 private:
  StoredReminders(std::unique_ptr<storage::Store> store, Catalog names);

  std::unique_ptr<storage::Store> store_;
  Catalog names_;
  codec::SnapshotReaders readers_;  // of the arguments
};

}  // namespace epic::cli
