#pragma once
// ProjectTemplate: a directory whose files become a project: one of epic's own, or a user's.
//
// It is read whole, and checked, before anything of the project is written. Only plain files count: a link could lead
// to what nobody meant to copy. What a project never shares (.git, build, .epic …) is left out, so that any project can
// serve as a template. A directory has to contain CMakeLists.txt and an epic.toml that this epic understands; the
// version in find_package(epic 0.1 …), if there is one, is held against this epic's.
//
// Not here: what the placeholders become (scaffold.hpp).

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

/// One of epic's own, as `epic new --list` shows it.
struct TemplateEntry {
  std::string name;
  std::string summary;  // the first paragraph of its README
};
/// The templates in `directory`, sorted by name.
std::vector<TemplateEntry> list_templates(const std::filesystem::path& directory);
std::vector<std::string> template_names(const std::filesystem::path& directory);

struct TemplateFile {
  std::filesystem::path path;  // relative to the template
  std::string text;
  std::filesystem::perms permissions;
};

/// The files of a template, sorted. Fails for anything that is not a plain file or a directory, for files that cannot
/// be read, and for more or larger ones than a template can need.
Result<std::vector<TemplateFile>> read_template(const std::filesystem::path& directory);

/// Whether `version`, of this epic, is one that the template asks for in find_package(epic …). `text` is that of its
/// CMakeLists.txt. Empty if it is, or if it asks for none.
std::string why_other_version(std::string_view text, std::string_view version);

}  // namespace epic::cli
