#pragma once
// ImportTarget: where the lines of an import go: to the owners in a running fabric, or, if none is running, into the
// store through a process that has loaded the module.
//
// Lines are sent in groups, each of one part: the shard in a running fabric, anything otherwise. The answer has an
// outcome per line.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/fabric/entity_name.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/context.hpp"
#include "cluster/supervisor/project_lock.hpp"
#include "protocol/control_entities.hpp"
#include "storage/store_hold.hpp"

namespace epic::cli {

using ImportMode = protocol::control::Import::Mode;
using ImportOutcome = protocol::control::Import::Outcome;
using ImportAnswer = protocol::control::Import::Answer;

class ImportTarget {
 public:
  virtual ~ImportTarget() = default;

  /// For the running fabric if there is one; otherwise holds the project's lock while it exists.
  static Result<std::unique_ptr<ImportTarget>> open(Context& context, const Project& project);
  /// The same for lines that only remove, which need no module if no fabric is running.
  static Result<std::unique_ptr<ImportTarget>> open_for_removal(const Project& project);

  /// The part that an entity's line belongs to.
  [[nodiscard]] virtual std::uint32_t part_of(const EntityName& name) const = 0;
  /// The maximum number of lines in a group.
  [[nodiscard]] virtual std::size_t group_lines_max() const = 0;
  /// After one group has failed: true if others may still succeed, because they go elsewhere.
  [[nodiscard]] virtual bool goes_on() const { return false; }
  virtual Result<ImportAnswer> send(ImportMode mode, std::uint32_t part, const std::vector<std::string>& lines) = 0;
  /// "the running fabric", "the store (no fabric runs)".
  [[nodiscard]] virtual std::string_view words() const = 0;

  /// The class's current name if `type` is a former one.
  [[nodiscard]] std::string present_name(const std::string& type) const { return types_.shown(type); }
  [[nodiscard]] bool has_type(const std::string& type) const { return types_.find(type) != nullptr; }
  /// A failure if the module has no such class. A target that needs no module accepts any.
  [[nodiscard]] Result<void> check_type(const std::string& type) const;

 protected:
  /// From an answer to `types`, or the output of `epic-node --describe`.
  void set_types(Catalog types) { types_ = std::move(types); }
  [[nodiscard]] const Catalog& types() const { return types_; }

 private:
  Catalog types_;
};

/// A line that makes an entity start afresh; with a version, only if it has that version.
std::string removal_line(const std::string& entity, std::optional<std::uint64_t> version);

/// For a command that needs the project's store for itself.
struct HeldProject {
  cluster::ProjectLock lock;
  storage::StoreHold store;
};
/// Prevents a fabric from starting meanwhile, in this directory or in another on the same store. Fails if one runs.
Result<HeldProject> lock_project(const ProjectPaths& paths);

}  // namespace epic::cli
