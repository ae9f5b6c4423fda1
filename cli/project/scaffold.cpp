#include "cli/project/scaffold.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

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

Result<void> copy_file(const fs::path& from, const fs::path& to, std::string_view name) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  if (error) return fail(cannot("made", to.parent_path(), error));
  std::ifstream in(from, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  std::ofstream out(to, std::ios::binary);
  out << replaced(text.str(), name);
  out.close();
  if (!in || !out) return fail(cannot("written", to, std::error_code(errno, std::generic_category())));
  fs::permissions(to, fs::status(from, error).permissions() | fs::perms::owner_write, error);
  return {};
}

}  // namespace

std::vector<std::string> template_names(const fs::path& directory) {
  std::error_code ignored;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory, ignored))
    if (fs::exists(entry.path() / "epic.toml", ignored)) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

Result<std::vector<fs::path>> scaffold(const ScaffoldOptions& options) {
  std::error_code error;
  const fs::path target = fs::absolute(options.target);
  const fs::path unfinished = target.parent_path() / fmt::format(".{}.{}.new", target.filename().string(), ::getpid());
  fs::create_directory(unfinished, error);
  if (error)
    return fail({.what = fmt::format("cannot create {}", target.string()),
                 .why = error.message(),
                 .help = {"run 'epic new' in a writable directory"}});
  std::vector<fs::path> made;
  for (const auto& entry : fs::recursive_directory_iterator(options.template_directory, error)) {
    if (!entry.is_regular_file()) continue;
    const fs::path relative =
        replaced(entry.path().lexically_relative(options.template_directory).string(), options.name);
    if (auto copied = copy_file(entry.path(), unfinished / relative, options.name); !copied) {
      fs::remove_all(unfinished, error);
      return std::unexpected(std::move(copied.error()));
    }
    made.push_back(relative);
  }
  // rename() would replace an empty directory that was created meanwhile, so ask it not to.
  if (::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0) {
    const std::error_code why(errno, std::generic_category());
    fs::remove_all(unfinished, error);
    return fail(cannot("made", target, why));
  }
  std::ranges::sort(made);
  return made;
}

}  // namespace epic::cli
