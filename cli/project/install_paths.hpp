#pragma once
// InstallPaths: where this epic finds what it was installed with, relative to its own executable.
//
// Installed: <prefix>/bin/epic, <prefix>/libexec/epic/epic-node, <prefix>/share/epic/templates. In a build tree the
// node lies in <build>/runtime and the templates in the source tree that CMakeCache.txt names. EPIC_NODE and
// EPIC_TEMPLATES overrule both.

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
  /// epic-node; the failure names the places that were looked at.
  [[nodiscard]] Result<std::filesystem::path> node() const;
  /// The directory with one directory a template.
  [[nodiscard]] Result<std::filesystem::path> templates() const;
  /// The directory with epicConfig.cmake; empty if there is none, then CMake looks for itself.
  [[nodiscard]] std::filesystem::path cmake_package() const;

 private:
  std::filesystem::path executable_;
  std::filesystem::path prefix_;
  std::filesystem::path build_tree_;   // empty when installed
  std::filesystem::path source_tree_;  // empty when installed
};

}  // namespace epic::cli
