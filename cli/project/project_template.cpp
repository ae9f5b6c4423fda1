#include "cli/project/project_template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

#include "cli/output/humanize.hpp"
#include "cli/project/cmake.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::uintmax_t kFileBytesMax = 4 * 1024 * 1024;
constexpr std::uintmax_t kTemplateBytesMax = 32 * 1024 * 1024;
constexpr std::size_t kTemplateFilesMax = 1'000;
constexpr int kDepthMax = 32;

std::string size_text(std::uintmax_t bytes) { return human_bytes(static_cast<std::int64_t>(bytes)); }

/// What the .gitignore of a project names, and its repository.
bool is_left_out(const fs::path& name, int depth) {
  constexpr std::string_view kNames[] = {"build", ".epic", ".cache", "compile_commands.json"};
  return name == ".git" || (depth == 0 && std::ranges::find(kNames, name.string()) != std::end(kNames));
}

std::string kind_of(fs::file_type type) {
  return type == fs::file_type::symlink ? "a symbolic link" : "neither a file nor a directory";
}

/// Reads the files of one template.
class TemplateReader {
 public:
  explicit TemplateReader(const fs::path& directory) : directory_(directory) {}

  Result<std::vector<TemplateFile>> read() {
    std::error_code error;
    auto walk = fs::recursive_directory_iterator(directory_, error);
    for (; !error && walk != fs::end(walk); walk.increment(error)) {
      const fs::file_status status = walk->symlink_status(error);
      if (error) break;
      if (is_left_out(walk->path().filename(), walk.depth())) {
        if (fs::is_directory(status)) walk.disable_recursion_pending();
      } else if (fs::is_directory(status)) {
        if (walk.depth() == kDepthMax) return refuse(walk->path(), "is too deep in it");
      } else if (!fs::is_regular_file(status)) {
        return refuse(walk->path(), "is " + kind_of(status.type()));
      } else {
        EPIC_TRY(add(walk->path(), status.permissions()));
      }
    }
    if (error) return refuse(directory_, fmt::format("cannot be read: {}", error.message()));
    std::ranges::sort(files_, {}, &TemplateFile::path);
    return std::move(files_);
  }

 private:
  [[nodiscard]] std::unexpected<Failure> refuse(const fs::path& path, std::string_view why) const {
    return fail({.what = fmt::format("{} cannot be used as a template", directory_.string()),
                 .why = fmt::format("{} {}", path.string(), why),
                 .help = {"a template is a directory of plain files, such as a project; see 'epic help new'"}});
  }

  Result<void> add(const fs::path& path, fs::perms permissions) {
    std::error_code error;
    const std::uintmax_t bytes = fs::file_size(path, error);
    if (error) return refuse(path, fmt::format("cannot be read: {}", error.message()));
    if (bytes > kFileBytesMax)
      return refuse(path, fmt::format("has {}; the limit is {}", size_text(bytes), size_text(kFileBytesMax)));
    bytes_ += bytes;
    if (bytes_ > kTemplateBytesMax)
      return refuse(directory_, fmt::format("has more than {}", size_text(kTemplateBytesMax)));
    if (files_.size() == kTemplateFilesMax)
      return refuse(directory_, fmt::format("has more than {} files", kTemplateFilesMax));
    std::ifstream in(path, std::ios::binary);
    std::string text(std::istreambuf_iterator<char>(in), {});
    if (!in.is_open() || in.bad()) return refuse(path, "cannot be read: " + std::generic_category().message(errno));
    files_.push_back({path.lexically_relative(directory_), std::move(text), permissions & fs::perms::all});
    return {};
  }

  const fs::path& directory_;
  std::uintmax_t bytes_ = 0;
  std::vector<TemplateFile> files_;
};

/// The first sentence of a README, below its title, without its full stop.
std::string first_sentence(const fs::path& readme) {
  std::ifstream stream(readme);
  std::string text;
  for (std::string line; std::getline(stream, line);) {
    const bool is_prose = !line.empty() && std::string_view("# |`").find(line.front()) == std::string_view::npos;
    if (is_prose) text += (text.empty() ? "" : " ") + line;
    if (!is_prose && !text.empty()) break;
  }
  text.resize(std::min(text.find(". "), text.size()));
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// Major, minor and patch of "0.1" or "0.1.0"; none if it is not a version.
std::optional<std::array<int, 3>> parse_version(std::string_view text) {
  std::array<int, 3> parts{};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parts[i]);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    if (text.empty()) return parts;
    if (!text.starts_with('.')) return std::nullopt;
    text.remove_prefix(1);
  }
  return parts;
}

/// What follows `find_package(epic`, if it begins like a version. CMake takes its commands in any case.
std::string_view find_wanted_version(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::string_view kCommand = "find_package";
  for (std::size_t at = lower.find(kCommand); at != std::string::npos; at = lower.find(kCommand, at + 1)) {
    const std::size_t line = lower.rfind('\n', at) + 1;
    if (lower.find_first_not_of(" \t", line) != at) continue;  // in a comment
    std::string_view rest = text.substr(at + kCommand.size());
    const auto skip_blanks = [&] { rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n"), rest.size())); };
    const auto skip = [&](std::string_view word) {
      if (!rest.starts_with(word)) return false;
      rest.remove_prefix(word.size());
      const std::string_view before = rest;
      skip_blanks();
      return word == "(" || rest.size() < before.size();
    };
    skip_blanks();
    if (skip("(") && skip("epic")) return rest.substr(0, rest.find_first_not_of("0123456789."));
  }
  return {};
}

}  // namespace

std::vector<TemplateEntry> list_templates(const fs::path& directory) {
  std::error_code ignored;
  std::vector<TemplateEntry> entries;
  for (const auto& entry : fs::directory_iterator(directory, ignored))
    if (fs::exists(entry.path() / "epic.toml", ignored))
      entries.push_back({entry.path().filename().string(), first_sentence(entry.path() / "README.md")});
  std::ranges::sort(entries, {}, &TemplateEntry::name);
  return entries;
}

std::vector<std::string> template_names(const fs::path& directory) {
  std::vector<std::string> names;
  for (TemplateEntry& entry : list_templates(directory)) names.push_back(std::move(entry.name));
  return names;
}

Result<std::vector<TemplateFile>> read_template(const fs::path& directory) { return TemplateReader(directory).read(); }

std::string why_other_version(std::string_view text, std::string_view version) {
  std::string wanted(find_wanted_version(text));  // or a range of them
  const std::size_t range = wanted.find("...");
  wanted.resize(std::min(range, wanted.size()));
  const auto asks = parse_version(wanted);
  const auto has = parse_version(version);
  if (!asks || !has) return {};
  const bool is_newer = *asks > *has;
  const bool is_older = range == std::string::npos && ((*asks)[0] != (*has)[0] || (*asks)[1] != (*has)[1]);
  if (!is_newer && !is_older) return {};
  return fmt::format("its CMakeLists.txt asks for epic {}, and this is epic {}", wanted, version);
}

}  // namespace epic::cli
