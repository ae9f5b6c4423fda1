#pragma once
// SchemaCheck: how a module would read the project's store, determined by epic-node, which decodes like a node.
//
// `epic schema check` prints all of it; `epic build` does not activate a module that could not read, or would no longer
// find, some saved states.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/project/install_paths.hpp"
#include "cli/project/project.hpp"
#include "cli/project/stored_name_check.hpp"
#include "protocol/control_types.hpp"

namespace epic::cli {

struct SchemaCheck : protocol::control::StoreCheck::Answer {
  using Row = protocol::control::StoreCheck::Row;
  using Undeliverable = protocol::control::StoreCheck::Undeliverable;

  /// Snapshots that the module cannot read, or would not find.
  [[nodiscard]] std::uint64_t unreadable() const;
  [[nodiscard]] std::optional<std::string> damage() const;
  /// A class would look for its snapshots under another name.
  [[nodiscard]] bool has_orphans() const;
  /// One line per type that is read with another schema than it was saved with.
  [[nodiscard]] std::vector<std::string> conversions() const;
  /// One line per saved type that no class of the module claims.
  [[nodiscard]] std::vector<std::string> leftovers() const;
  /// One line per method that messages are stored for and the module lacks.
  [[nodiscard]] std::vector<std::string> undeliverable_mail() const;
  /// One line per type and reason.
  [[nodiscard]] std::vector<std::string> problems() const;
  /// Counts unclaimed rows as lost if the previous module found them under that name.
  void add_disagreements(const std::vector<StoredNameDisagreement>& disagreements);
};

/// Empty if nothing has been saved: there is no store file.
Result<std::optional<SchemaCheck>> check_schemas(const InstallPaths& install, const ProjectPaths& paths,
                                                 const std::filesystem::path& module);

}  // namespace epic::cli
