#pragma once
// AddEntity: a new entity class in a project: its files, its first test, and its place in EPIC_MODULE.
//
// Everything is looked at before anything is written: no file is overwritten, and if one cannot be written, those
// before it are removed. The source with EPIC_MODULE is replaced last, in one step. What the class's files contain is a
// class that builds, passes its test, and is meant to be changed.
//
// Not here: how the list in EPIC_MODULE is read (module_source.hpp).

#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

struct NewEntity {
  enum class Saving { gated, interval, transient };

  std::string name;  // checked by the caller
  Saving saving = Saving::gated;
  std::chrono::milliseconds interval{0};  // of Saving::interval
  /// The source whose EPIC_MODULE gets the class; empty: the only one that has any.
  std::filesystem::path module_source = {};
  enum class Listing { listed, unlisted } listing = Listing::listed;
};

struct AddedEntity {
  std::vector<std::filesystem::path> files;  // relative to the project
  std::filesystem::path module_source;       // the changed one; empty if none
  std::vector<std::string> warnings;         // of what CMakeLists.txt seems to leave out
};

/// Why `name` is not a valid name for an entity class; empty if it is. Letters, digits and '_', starting with a capital
/// letter, at most 64.
std::string why_no_entity_name(std::string_view name);

/// "leader_board" of "LeaderBoard", "npc" of "NPC": the name of a class's files.
std::string file_stem(std::string_view class_name);

Result<AddedEntity> add_entity(const std::filesystem::path& root, const NewEntity& entity);

}  // namespace epic::cli
