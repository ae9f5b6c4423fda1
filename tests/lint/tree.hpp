#pragma once
// Tree: the project's own files, as the lint rules see them.
//
// A rule is a function from a tree to findings. The tests run each rule over the real tree, where it must find nothing,
// and over a small bad one, where it must find the mistake: a rule that cannot fail protects nothing.

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace epic::lint {

/// Path from the top of the tree, with '/', to content.
using Tree = std::map<std::string, std::string, std::less<>>;

/// One finding: where it is and what is wrong with it, as "path:line: sentence".
using Findings = std::vector<std::string>;

/// Reads every text file below the project's folders, except build folders and hidden ones.
Tree read_tree(const std::filesystem::path& top);

/// A line of a file, with its number (from 1).
struct Line {
  std::size_t number;
  std::string_view text;
};
std::vector<Line> lines_of(std::string_view content);

/// The lines without comments, and with the content of string literals blanked.
std::vector<std::string> code_lines(std::string_view content);

/// The file named by an #include on this line, without quotes or brackets; empty if there is none.
std::string_view included_file(std::string_view line);

bool is_source(std::string_view path);  // .hpp or .cpp
bool starts_with_any(std::string_view text, const std::vector<std::string_view>& prefixes);

}  // namespace epic::lint
