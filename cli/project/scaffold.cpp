#include "cli/project/scaffold.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "cli/project/manifest.hpp"
#include "cli/project/project_template.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

std::string replaced(std::string text, std::string_view name) {
  std::string identifier(name);
  std::ranges::replace(identifier, '-', '_');
  const auto replace_all = [&text](std::string_view from, std::string_view to) {
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  };
  replace_all("@NAME@", name);
  replace_all("@IDENTIFIER@", identifier);
  return text;
}

Failure cannot(std::string_view doing, const fs::path& path, const std::error_code& error) {
  return {.what = fmt::format("{} cannot be {}", path.string(), doing), .why = error.message()};
}

std::unexpected<Failure> refuse(const ScaffoldOptions& options, Failure failure) {
  failure.what = fmt::format("{} cannot be used as a template", options.template_directory.string());
  return fail(std::move(failure));
}

/// The template's files as those of the project.
Result<std::vector<TemplateFile>> files_of(const ScaffoldOptions& options) {
  auto files = EPIC_TRY(read_template(options.template_directory));
  for (TemplateFile& file : files) {
    file.path = replaced(file.path.string(), options.name);
    file.text = replaced(std::move(file.text), options.name);
  }
  std::ranges::sort(files, {}, &TemplateFile::path);
  const auto twice = std::ranges::adjacent_find(files, {}, &TemplateFile::path);
  if (twice != files.end())
    return refuse(options, {.what = {},
                            .why = fmt::format("two of its files would become {}", twice->path.string()),
                            .help = {"choose another name for the project, or for one of them"}});
  return files;
}

Result<void> check(const ScaffoldOptions& options, const std::vector<TemplateFile>& files) {
  const auto find = [&](std::string_view name) {
    return std::ranges::find(files, fs::path(name), &TemplateFile::path);
  };
  for (const std::string_view needed : {"CMakeLists.txt", "epic.toml"})
    if (find(needed) == files.end())
      return refuse(options, {.what = {},
                              .why = fmt::format("it has no {}", needed),
                              .help = {fmt::format("start from a project: 'epic new {} --bare'", options.name)}});
  if (std::string why = why_other_version(find("CMakeLists.txt")->text, EPIC_VERSION); !why.empty())
    return refuse(options, {.what = {},
                            .why = std::move(why),
                            .help = {"use a template for this version, or change find_package(epic …) in it"}});
  auto manifest = parse_manifest(find("epic.toml")->text, options.template_directory / "epic.toml");
  if (manifest) return {};
  return refuse(options, {.what = {},
                          .excerpt = std::move(manifest.error().excerpt),
                          .why = std::move(manifest.error().what),
                          .help = std::move(manifest.error().help)});
}

Result<void> write_file(const TemplateFile& file, const fs::path& directory) {
  const fs::path path = directory / file.path;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error) return fail(cannot("made", path.parent_path(), error));
  std::ofstream out(path, std::ios::binary);
  out << file.text;
  out.close();
  if (!out) return fail(cannot("written", path, std::error_code(errno, std::generic_category())));
  fs::permissions(path, file.permissions | fs::perms::owner_read | fs::perms::owner_write, error);
  return {};
}

/// A directory that is removed unless it gets another name.
class Unfinished {
 public:
  explicit Unfinished(fs::path path) : path_(std::move(path)) {}
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  ~Unfinished() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }

  [[nodiscard]] const fs::path& path() const { return path_; }

  Result<void> rename_to(const fs::path& target) {
    // rename() would replace an empty directory that was created meanwhile, so ask it not to.
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
      return fail(cannot("made", target, std::error_code(errno, std::generic_category())));
    path_.clear();
    return {};
  }

 private:
  fs::path path_;
};

}  // namespace

Result<std::vector<fs::path>> scaffold(const ScaffoldOptions& options) {
  const auto files = EPIC_TRY(files_of(options));
  EPIC_TRY(check(options, files));

  std::error_code error;
  const fs::path target = fs::absolute(options.target);
  const fs::path beside = target.parent_path() / fmt::format(".{}.{}.new", target.filename().string(), ::getpid());
  fs::create_directory(beside, error);
  if (error)
    return fail({.what = fmt::format("cannot create {}", target.string()),
                 .why = error.message(),
                 .help = {"run 'epic new' in a writable directory"}});
  Unfinished project(beside);
  std::vector<fs::path> made;
  for (const TemplateFile& file : files) {
    EPIC_TRY(write_file(file, project.path()));
    made.push_back(file.path);
  }
  EPIC_TRY(project.rename_to(target));
  return made;
}

}  // namespace epic::cli
