#include "cli/project/manifest_edit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "cli/output/atomic_file.hpp"
#include "cli/project/manifest.hpp"

namespace epic::cli {
namespace {

constexpr std::string_view kTomlBlanks = " \t\r";

std::string_view trimmed_line(std::string_view line) {
  const std::size_t begin = line.find_first_not_of(kTomlBlanks);
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kTomlBlanks) - begin + 1);
}

bool is_section(std::string_view line) { return trimmed_line(line).starts_with('['); }

/// "[fabric]", perhaps with a comment behind it.
bool is_section_of_fabric(std::string_view line) {
  line = trimmed_line(line);
  if (!line.starts_with('[') || line.starts_with("[[")) return false;
  const std::size_t end = line.find(']');
  return end != std::string_view::npos && trimmed_line(line.substr(1, end - 1)) == "fabric";
}

/// Where the value begins in "shards = 64"; npos for another line.
std::size_t find_value_of_shards(std::string_view line) {
  constexpr std::string_view kKey = "shards";
  const std::size_t key = line.find_first_not_of(kTomlBlanks);
  if (key == std::string_view::npos || !line.substr(key).starts_with(kKey)) return std::string_view::npos;
  const std::size_t equals = line.find_first_not_of(kTomlBlanks, key + kKey.size());
  if (equals == std::string_view::npos || line[equals] != '=') return std::string_view::npos;
  return line.find_first_not_of(kTomlBlanks, equals + 1);
}

std::string with_edited_shards(std::string_view text, std::int64_t shards) {
  std::size_t after_header = std::string_view::npos;
  bool is_in_fabric = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    const std::size_t value = is_in_fabric ? find_value_of_shards(line) : std::string_view::npos;
    if (value != std::string_view::npos) {
      const std::size_t value_end = std::min(line.find_first_of(" \t\r#", value), line.size());
      return fmt::format("{}{}{}", text.substr(0, at + value), shards, text.substr(at + value_end));
    }
    if (is_section(line)) is_in_fabric = is_section_of_fabric(line);
    at = std::min(end + 1, text.size());
    if (is_in_fabric && after_header == std::string_view::npos) after_header = at;
  }
  const std::string added = fmt::format("shards = {}\n", shards);
  const std::string_view line_end = text.empty() || text.ends_with('\n') ? "" : "\n";
  if (after_header == std::string_view::npos) return fmt::format("{}{}\n[fabric]\n{}", text, line_end, added);
  return fmt::format("{}{}{}{}", text.substr(0, after_header), after_header == text.size() ? line_end : "", added,
                     text.substr(after_header));
}

}  // namespace

std::optional<std::string> with_shards(std::string_view text, std::int64_t shards) {
  std::string result = with_edited_shards(text, shards);
  const auto read = parse_manifest(result, "epic.toml");
  if (!read || read->shards != shards) return std::nullopt;
  return result;
}

Result<void> write_shards(const ProjectPaths& paths, std::int64_t shards) {
  std::ostringstream text;
  text << std::ifstream(paths.manifest(), std::ios::binary).rdbuf();
  const auto changed = with_shards(text.view(), shards);
  const std::string advice = fmt::format("write `shards = {}` under [fabric] in {}", shards, paths.manifest().string());
  if (!changed)
    return fail({.what = fmt::format("the number of shards in {} could not be changed", paths.manifest().string()),
                 .help = {advice}});
  auto written = replace_text(paths.manifest(), *changed);
  if (!written) written.error().help = {advice};
  return written;
}

}  // namespace epic::cli
