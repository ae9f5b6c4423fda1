#pragma once
// Scaffold: creates a project from a template.
//
// In the contents and names of a template's files, @NAME@ becomes the project's name and @IDENTIFIER@ the same as a C++
// identifier. The template is read and checked first. The project is then created next to its destination and renamed
// into it, so that it is complete or not there at all. Files keep the template's modes, less the umask.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

struct ScaffoldOptions {
  std::filesystem::path template_directory;  // of this template
  std::filesystem::path target;              // must not exist
  std::string name;                          // checked by the caller
};

/// The files created, relative to the target, sorted.
Result<std::vector<std::filesystem::path>> scaffold(const ScaffoldOptions& options);

}  // namespace epic::cli
