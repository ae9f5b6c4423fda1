#pragma once
// InstallPaths: where this epic finds its installed files, relative to its own executable.
//
// Installed: <prefix>/bin/epic, <prefix>/libexec/epic/epic-node, <prefix>/share/epic/templates. In a build tree the
// node is in <build>/runtime and the templates are in the source tree named in CMakeCache.txt. EPIC_NODE and
// EPIC_TEMPLATES override both.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

class InstallPaths {
 public:
  /// For the running executable.
  static InstallPaths find();
  explicit InstallPaths(std::filesystem::path executable);

  [[nodiscard]] const std::filesystem::path& executable() const { return executable_; }
  /// The installation prefix; empty when run from a build tree.
  [[nodiscard]] const std::filesystem::path& prefix() const { return prefix_; }
  /// Whether the Debian package has brought it here.
  [[nodiscard]] bool is_debian_package() const;
  /// How to put a missing or damaged part back.
  [[nodiscard]] std::string how_to_reinstall() const;
  /// epic-node; a failure lists the places that were searched.
  [[nodiscard]] Result<std::filesystem::path> node() const;
  /// The directory with one directory per template.
  [[nodiscard]] Result<std::filesystem::path> templates() const;
  /// The directory with epicConfig.cmake; empty if there is none, and CMake searches for it.
  [[nodiscard]] std::filesystem::path cmake_package() const;

 private:
  std::filesystem::path executable_;
  std::filesystem::path prefix_;
  std::filesystem::path build_tree_;   // empty when installed
  std::filesystem::path source_tree_;  // empty when installed
};

}  // namespace epic::cli
