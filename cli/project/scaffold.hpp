#pragma once
// Scaffold: a new project out of a template.
//
// A template is a directory of plain files. @NAME@ in their contents and names becomes the project's name, @IDENTIFIER@
// the same as a C++ identifier. The project is made beside its place and renamed into it, so that there is a whole
// one or none.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

/// The templates in `directory`, sorted.
std::vector<std::string> template_names(const std::filesystem::path& directory);

struct ScaffoldOptions {
  std::filesystem::path template_directory;  // of the one template
  std::filesystem::path target;              // must not exist
  std::string name;                          // checked by the caller
};

/// The files made, relative to the target, sorted.
Result<std::vector<std::filesystem::path>> scaffold(const ScaffoldOptions& options);

}  // namespace epic::cli
