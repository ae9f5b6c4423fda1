#pragma once
// SchemaCheck: how a module would read what the project's store holds, asked of epic-node, which decodes as a node
// will.
//
// `epic schema check` prints all of it; a build keeps a module out of its place that could not read, or would no longer
// find, what is saved.

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/project/install_paths.hpp"
#include "cli/project/placement.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

struct SchemaCheck {
  /// One for each type and schema in the store: {"type", "stored_as", "schema", "entities", "verdict", "unreadable",
  /// "changes", "reasons", "text"}; `verdict` as in runtime/node/check.hpp, or "orphaned", "unclaimed", whose schema is
  /// null.
  boost::json::array rows;
  std::uint64_t damaged = 0;  // no module could read them; that is nothing against this one

  /// Snapshots that the module cannot read, or would not find.
  [[nodiscard]] std::uint64_t unreadable() const;
  [[nodiscard]] std::optional<std::string> damage() const;
  /// Some class would look for its snapshots under another name than they have.
  [[nodiscard]] bool has_orphans() const;
  /// One line a type that is read in another shape than it was saved in.
  [[nodiscard]] std::vector<std::string> conversions() const;
  /// One line a type that is saved and that no class of the module claims.
  [[nodiscard]] std::vector<std::string> leftovers() const;
  /// One line a type and reason.
  [[nodiscard]] std::vector<std::string> problems() const;
  /// Counts rows that nobody claims as lost where the former module found them under that name.
  void add_disagreements(const std::vector<PlacementDisagreement>& disagreements);
};

/// Empty when nothing has been saved: there is no store file.
Result<std::optional<SchemaCheck>> check_schemas(const InstallPaths& install, const ProjectPaths& paths,
                                                 const std::filesystem::path& module);

}  // namespace epic::cli
