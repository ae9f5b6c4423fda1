#include "lint/text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>

namespace epic::lint {
namespace {

constexpr std::size_t kLinesMax = 800;
constexpr std::size_t kOpeningLinesMax = 25;

/// Files that a README need not name: build files, and those that are the same in every folder.
bool is_plumbing(std::string_view name) {
  return name == "README.md" || name == "CMakeLists.txt" || name.starts_with(".");
}

/// Folders that are described by the README of a folder above.
bool is_described_above(std::string_view folder) {
  return starts_with_any(folder, {"tests/unit", "tests/golden", "tests/fuzz/seeds", "templates/", ".ci"}) ||
         folder == "runtime/include" || folder.find("/golden") != std::string_view::npos;
}

bool names(std::string_view readme, const std::string& file) {
  if (readme.find(file) != std::string_view::npos) return true;
  const std::string stem = file.substr(0, file.find('.'));
  const std::regex brief("\\b" + stem + "\\.(\\{[^}]*\\}|\\*)");  // gate.{hpp,cpp}
  return std::regex_search(readme.begin(), readme.end(), brief);
}

Findings find_matches(const Tree& tree, const std::regex& pattern) {
  Findings findings;
  for (const auto& [path, content] : tree)
    for (const auto& line : lines_of(content)) {
      std::cmatch match;
      if (std::regex_search(line.text.begin(), line.text.end(), match, pattern))
        findings.push_back(fmt::format("{}:{}: says '{}'", path, line.number, match.str()));
    }
  return findings;
}

}  // namespace

Findings find_long_files(const Tree& tree) {
  Findings findings;
  for (const auto& [path, content] : tree) {
    const std::size_t count = lines_of(content).size();
    if (is_source(path) && count > kLinesMax)
      findings.push_back(fmt::format("{}:{}: {} lines, more than {}: split it", path, count, count, kLinesMax));
  }
  return findings;
}

Findings find_silent_headers(const Tree& tree) {
  Findings findings;
  for (const auto& [path, content] : tree) {
    if (!path.ends_with(".hpp")) continue;
    const auto lines = lines_of(content);
    if (lines.empty() || lines[0].text != "#pragma once") {
      findings.push_back(fmt::format("{}:1: does not start with #pragma once", path));
      continue;
    }
    const auto end = std::ranges::find_if(lines.begin() + 1, lines.end(),
                                          [](const Line& line) { return !line.text.starts_with("//"); });
    const auto count = static_cast<std::size_t>(end - lines.begin() - 1);
    if (count == 0 || count > kOpeningLinesMax)
      findings.push_back(
          fmt::format("{}:2: opens with {} lines of comment, not 1 to {}", path, count, kOpeningLinesMax));
  }
  return findings;
}

Findings find_buried_headings(const Tree& tree) {
  static const std::regex inside("^ *//.*[^ /] +Not here:");
  static const std::regex split("^ *//.*[^ /] +Not$");
  Findings findings;
  for (const auto& [path, content] : tree) {
    if (!is_source(path)) continue;
    const auto lines = lines_of(content);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const std::string text(lines[i].text);
      const bool is_split = i + 1 < lines.size() && lines[i + 1].text.starts_with("// here:");
      if (std::regex_search(text, inside) || (is_split && std::regex_search(text, split)))
        findings.push_back(fmt::format("{}:{}: 'Not here:' does not start the line", path, lines[i].number));
    }
  }
  return findings;
}

Findings find_unlisted_awaitables(const Tree& tree) {
  static const std::set<std::string, std::less<>> kMayHaveOne = {"task.hpp",   "call.hpp",        "call_window.hpp",
                                                                 "gather.hpp", "parked_wait.hpp", "sim.hpp"};
  constexpr std::string_view kFolder = "runtime/include/epic/";
  Findings findings;
  for (const auto& [path, content] : tree) {
    if (!path.starts_with(kFolder) || kMayHaveOne.contains(path.substr(kFolder.size()))) continue;
    for (const Line& line : lines_of(content))
      if (line.text.contains("EpicAwaitable = void"))
        findings.push_back(fmt::format("{}:{}: has an awaitable that is not a detail::ParkedWait", path, line.number));
  }
  return findings;
}

Findings find_unnamed_files(const Tree& tree) {
  std::map<std::string, std::set<std::string>> folders;  // folder to the names in it
  for (const auto& [path, content] : tree) {
    std::string below = path;
    for (auto slash = below.rfind('/'); slash != std::string::npos; slash = below.rfind('/')) {
      folders[below.substr(0, slash)].insert(below.substr(slash + 1));
      below.resize(slash);
    }
  }
  Findings findings;
  for (const auto& [folder, entries] : folders) {
    if (is_described_above(folder)) continue;
    const auto readme = tree.find(folder + "/README.md");
    if (readme == tree.end()) {
      findings.push_back(fmt::format("{}/README.md: is missing", folder));
      continue;
    }
    for (const auto& entry : entries)
      if (!is_plumbing(entry) && !names(readme->second, entry))
        findings.push_back(fmt::format("{}/README.md: does not name {}", folder, entry));
  }
  return findings;
}

Findings find_dead_paths(const Tree& tree) {
  static const std::regex quoted("`([a-z.][A-Za-z0-9_./-]*)`");
  static const std::regex file(".+\\.(cpp|hpp|cmake|capnp|md|sh)");
  const auto exists = [&](const std::filesystem::path& named) {
    std::string path = named.lexically_normal().generic_string();
    while (path.ends_with('/')) path.pop_back();
    const auto at = tree.lower_bound(path);
    if (at != tree.end() && at->first == path) return true;
    const auto below = tree.lower_bound(path + "/");
    return below != tree.end() && below->first.starts_with(path + "/");
  };
  Findings findings;
  for (const auto& [readme, content] : tree) {
    if (!readme.ends_with("README.md") || readme.starts_with("templates/")) continue;
    const std::filesystem::path folder = std::filesystem::path(readme).parent_path();
    for (const auto& line : lines_of(content)) {
      const std::string text(line.text);
      for (std::sregex_iterator match(text.begin(), text.end(), quoted), end; match != end; ++match) {
        const std::string named = (*match)[1];
        // `.epic` and `build` are a project's; what CMake makes is called after epic.
        if (starts_with_any(named, {".epic", "build/", "epicConfig"})) continue;
        if (named.find('/') == std::string::npos && !std::regex_match(named, file)) continue;
        const bool is_there = std::ranges::any_of(
            std::initializer_list<std::filesystem::path>{folder, "", "runtime", "runtime/include", "cli"},
            [&](const std::filesystem::path& root) { return exists(root / named); });
        if (!is_there)
          findings.push_back(fmt::format("{}:{}: names {}, which does not exist", readme, line.number, named));
      }
    }
  }
  return findings;
}

Findings find_forbidden_words(const Tree& tree) {
  // Spelt in pieces, so that the rule does not find itself.
  static const std::regex pattern(
      "\\b(TO"
      "DO|FIX"
      "ME|XX"
      "X|HA"
      "CK)\\b|/wo"
      "rk/|/ro"
      "ot/");
  return find_matches(tree, pattern);
}

Findings find_stilted_phrases(const Tree& tree) {
  static const std::regex pattern(
      "\\b(me"
      "nd(s|ed|ing)?|how-"
      "manieth|be"
      "fell|be"
      "falls|who"
      "ever|at most so "
      "many|comes to its "
      "end|passed "
      "over|done away "
      "with)\\b|(^|[^a-z])(?!there )[a-z']+ is no "
      "(entity|module|project|store|number|shared|JSON|TOML|UTF-8)\\b",
      std::regex::icase);
  return find_matches(tree, pattern);
}

Findings find_unknown_commands(const Tree& tree) {
  static const std::regex row("\\.path = \"([a-z_ -]+)\"");
  std::set<std::string, std::less<>> known;  // whole paths, and their first words
  for (const auto& [path, content] : tree) {
    if (!path.starts_with("cli/commands/")) continue;
    for (std::sregex_iterator match(content.begin(), content.end(), row), end; match != end; ++match) {
      const std::string command = (*match)[1];
      known.insert(command);
      known.insert(command.substr(0, command.find(' ')));
    }
  }
  // As a line of shell, in backquotes, or in quotes.
  static const std::regex named("(^|\\$ |[`'])epic ([a-z]+)( [a-z]+)?");
  Findings findings;
  for (const auto& [path, content] : tree) {
    if (!path.ends_with(".md") && !starts_with_any(path, {"cli/", "cluster/", "runtime/"})) continue;
    for (const auto& line : lines_of(content)) {
      const std::string text(line.text);
      for (std::sregex_iterator match(text.begin(), text.end(), named), end; match != end; ++match) {
        const std::string first = (*match)[2];
        const std::string both = first + (*match)[3].str();
        const auto below = known.lower_bound(first + " ");
        const bool is_noun = below != known.end() && below->starts_with(first + " ");
        if (!known.contains(first) || (is_noun && both != first && !known.contains(both)))
          findings.push_back(fmt::format("{}:{}: there is no command 'epic {}'", path, line.number, both));
      }
    }
  }
  return findings;
}

}  // namespace epic::lint
