#include "cli/project/scaffold.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cli/output/unfinished.hpp"
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

/// `unfinished` is its name until the project is complete.
Result<void> write_file(const TemplateFile& file, const fs::path& unfinished, const fs::path& path) {
  std::error_code error;
  fs::create_directories(unfinished.parent_path(), error);
  if (error) return fail(cannot("made", path.parent_path(), error));
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  const mode_t mode = (static_cast<mode_t>(file.permissions) & 0777) | 0600;  // less the umask
  const files::Descriptor descriptor(::open(unfinished.c_str(), kFlags, mode));
  std::string_view rest = file.text;
  while (descriptor.get() >= 0 && !rest.empty()) {
    const ssize_t count = ::write(descriptor.get(), rest.data(), rest.size());
    if (count < 0 && errno != EINTR) break;
    if (count > 0) rest.remove_prefix(static_cast<std::size_t>(count));
  }
  if (descriptor.get() >= 0 && rest.empty()) return {};
  return fail(cannot("written", path, std::error_code(errno, std::generic_category())));
}

}  // namespace

Result<std::vector<fs::path>> scaffold(const ScaffoldOptions& options) {
  const auto files = EPIC_TRY(files_of(options));
  EPIC_TRY(check(options, files));

  const fs::path target = fs::absolute(options.target);
  auto project = Unfinished::begin(target);
  const int error = !project ? project.error() : ::mkdir(project->path().c_str(), 0777) == 0 ? 0 : errno;
  if (error != 0)
    return fail({.what = fmt::format("cannot create {}", target.string()),
                 .why = std::generic_category().message(error),
                 .help = {"run 'epic new' in a writable directory"}});
  std::vector<fs::path> made;
  for (const TemplateFile& file : files) {
    EPIC_TRY(write_file(file, project->path() / file.path, target / file.path));
    made.push_back(file.path);
  }
  if (const int unmoved = project->move_to(target, Existing::refused); unmoved != 0)
    return fail(cannot("made", target, std::error_code(unmoved, std::generic_category())));
  return made;
}

}  // namespace epic::cli
