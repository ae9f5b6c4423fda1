#pragma once
// Scaffold: creates a project from a template.
//
// A template is a directory of plain files. In their contents and names, @NAME@ becomes the project's name and
// @IDENTIFIER@ the same as a C++ identifier. The project is created next to its destination and renamed into it, so
// that it is complete or not there at all.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

/// The templates in `directory`, sorted.
std::vector<std::string> template_names(const std::filesystem::path& directory);

struct ScaffoldOptions {
  std::filesystem::path template_directory;  // of this template
  std::filesystem::path target;              // must not exist
  std::string name;                          // checked by the caller
};

/// The files created, relative to the target, sorted.
Result<std::vector<std::filesystem::path>> scaffold(const ScaffoldOptions& options);

}  // namespace epic::cli
