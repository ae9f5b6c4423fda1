#include "lint/tree.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>

namespace epic::lint {
namespace {

constexpr std::string_view kFolders[] = {"cli", "cluster", "completions", "runtime", "templates", "tests", ".ci"};

void read_file(const std::filesystem::path& top, const std::filesystem::path& path, Tree& tree) {
  std::ifstream in(path, std::ios::binary);
  tree[path.lexically_relative(top).generic_string()] = std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

Tree read_tree(const std::filesystem::path& top) {
  Tree tree;
  for (const auto& entry : std::filesystem::directory_iterator(top))
    if (entry.is_regular_file() && entry.path().filename() != ".git") read_file(top, entry.path(), tree);
  for (const std::string_view folder : kFolders) {
    auto entries = std::filesystem::recursive_directory_iterator(top / folder);
    for (auto entry = begin(entries); entry != end(entries); ++entry) {
      if (entry->is_directory() && entry->path().filename() == "build") entry.disable_recursion_pending();
      if (entry->is_regular_file()) read_file(top, entry->path(), tree);
    }
  }
  return tree;
}

std::vector<Line> lines_of(std::string_view content) {
  std::vector<Line> lines;
  for (std::size_t number = 1; !content.empty(); ++number) {
    const std::size_t end = std::min(content.find('\n'), content.size());
    lines.push_back({number, content.substr(0, end)});
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return lines;
}

std::vector<std::string> code_lines(std::string_view content) {
  std::vector<std::string> result;
  for (const auto& line : lines_of(content)) {
    std::string code;
    bool in_text = false;
    for (std::size_t at = 0; at < line.text.size(); ++at) {
      const char c = line.text[at];
      if (!in_text && line.text.substr(at, 2) == "//") break;
      if (in_text && c == '\\') {
        ++at;
        continue;
      }
      const bool is_char = at > 0 && line.text[at - 1] == '\'' && line.text.substr(at + 1, 1) == "'";
      if (c == '"' && !is_char) in_text = !in_text;
      if (!in_text || c == '"') code += c;
    }
    result.push_back(std::move(code));
  }
  return result;
}

std::string_view included_file(std::string_view line) {
  constexpr std::string_view kDirective = "#include ";
  if (!line.starts_with(kDirective)) return {};
  line.remove_prefix(kDirective.size());
  const std::size_t end = line.find_first_of("\">", 1);
  return line.empty() || end == std::string_view::npos ? std::string_view{} : line.substr(1, end - 1);
}

bool is_source(std::string_view path) { return path.ends_with(".hpp") || path.ends_with(".cpp"); }

bool starts_with_any(std::string_view text, const std::vector<std::string_view>& prefixes) {
  return std::ranges::any_of(prefixes, [&](std::string_view prefix) { return text.starts_with(prefix); });
}

}  // namespace epic::lint
