#pragma once
// ModuleHabits: what a module does past epic: writable globals, clocks and random numbers of its own.
//
// All entities of a node share a global, it is not saved, and it does not move with them. Neither a simulation nor a
// test can repeat what depends on a real clock or on real randomness. The symbols of the built module tell that there
// is such a thing, the project's sources where it is. What no source mentions comes from a library, and is left alone;
// so is a line that ends in a comment with "epic:allow".
//
// Reading of sources is by words: a declaration that says `const` or `constexpr` is taken at its word.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/project/project.hpp"

namespace epic::cli {

struct SourceText {
  std::string path;  // relative to the project
  std::string text;
};

/// What a module's symbols tell.
struct ModuleSymbols {
  std::vector<std::string> writable;  // "arena::Player::hits", demangled
  std::vector<std::string> taken;     // from other libraries: "clock_gettime"
};
ModuleSymbols read_module_symbols(const std::filesystem::path& module);

/// One sentence each, with its place: "src/player.cpp:7: …".
std::vector<std::string> find_habits(const ModuleSymbols& symbols, const std::vector<SourceText>& sources);

/// Looks at a built module and the C++ files of its project.
std::vector<std::string> find_habits(const Project& project);

}  // namespace epic::cli
