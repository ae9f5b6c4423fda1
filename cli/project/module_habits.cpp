#include "cli/project/module_habits.hpp"

#include <cxxabi.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include "cli/project/cmake.hpp"
#include "node/elf_file.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

/// A function that a module should not take from a library, and the words by which sources call it.
struct Habit {
  std::string_view symbol;
  std::span<const std::string_view> words;
  std::string_view instead;
};

constexpr std::string_view kNow = "epic::now() gives the node's time, which tests and simulations control";
constexpr std::string_view kRandom = "epic::random() gives numbers that tests and simulations can repeat";
constexpr std::string_view kClockWords[] = {"clock::now(", "Clock::now(", "system_clock", "steady_clock",
                                            "high_resolution_clock"};
constexpr std::string_view kDeviceWords[] = {"random_device"};
#define EPIC_WORDS(name) constexpr std::string_view k_##name[] = {#name "("}
EPIC_WORDS(clock_gettime);
EPIC_WORDS(gettimeofday);
EPIC_WORDS(time);
EPIC_WORDS(clock);
EPIC_WORDS(timespec_get);
EPIC_WORDS(rand);
EPIC_WORDS(rand_r);
EPIC_WORDS(random);
EPIC_WORDS(drand48);
EPIC_WORDS(lrand48);
EPIC_WORDS(arc4random);
EPIC_WORDS(getrandom);
EPIC_WORDS(getentropy);
#undef EPIC_WORDS

constexpr Habit kHabits[] = {
    {"_ZNSt6chrono3_V212system_clock3nowEv", kClockWords, kNow},
    {"_ZNSt6chrono3_V212steady_clock3nowEv", kClockWords, kNow},
    {"clock_gettime", k_clock_gettime, kNow},
    {"gettimeofday", k_gettimeofday, kNow},
    {"time", k_time, kNow},
    {"clock", k_clock, kNow},
    {"timespec_get", k_timespec_get, kNow},
    {"_ZNSt13random_device9_M_getvalEv", kDeviceWords, kRandom},
    {"rand", k_rand, kRandom},
    {"rand_r", k_rand_r, kRandom},
    {"random", k_random, kRandom},
    {"drand48", k_drand48, kRandom},
    {"lrand48", k_lrand48, kRandom},
    {"arc4random", k_arc4random, kRandom},
    {"getrandom", k_getrandom, kRandom},
    {"getentropy", k_getentropy, kRandom},
};

bool is_word_part(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// Comments as blanks, so that offsets and lines stay.
std::string without_comments(std::string text) {
  for (std::size_t at = text.find('/'); at != std::string::npos; at = text.find('/', at + 1)) {
    const std::string_view open = std::string_view(text).substr(at, 2);
    if (open != "//" && open != "/*") continue;
    std::size_t end = open == "//" ? text.find('\n', at) : text.find("*/", at + 2);
    end = end == std::string::npos ? text.size() : end + (open == "//" ? 0 : 2);
    for (std::size_t i = at; i < end; ++i)
      if (text[i] != '\n') text[i] = ' ';
  }
  return text;
}

/// The next place of `word`, as a whole word that is not epic's own, from `from` on.
std::size_t find_word(std::string_view text, std::string_view word, std::size_t from) {
  for (std::size_t at = text.find(word, from); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const bool begins =
        at == 0 || !is_word_part(text[at - 1]) || word.starts_with("clock::") || word.starts_with("Clock::");
    const bool ends =
        at + word.size() >= text.size() || !is_word_part(word.back()) || !is_word_part(text[at + word.size()]);
    if (begins && ends && !text.substr(0, at).ends_with("epic::")) return at;
  }
  return std::string_view::npos;
}

std::string_view line_at(std::string_view text, std::size_t at) {
  const std::size_t before = text.rfind('\n', at);
  const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

bool is_allowed(const SourceText& source, std::size_t at) { return line_at(source.text, at).contains("epic:allow"); }

std::string place_of(const SourceText& source, std::size_t at) {
  return fmt::format("{}:{}", source.path, 1 + std::ranges::count(source.text.substr(0, at), '\n'));
}

/// "hits" of "arena::Player::shoot(std::vector<int>)::hits".
std::string_view last_name(std::string_view name) {
  if (const std::size_t abi = name.find("[abi:"); abi != std::string_view::npos) name = name.substr(0, abi);
  const std::size_t colons = name.rfind("::");
  return colons == std::string_view::npos ? name : name.substr(colons + 2);
}

/// Belongs to the compiler, to epic or to a well-known library.
bool is_foreign(std::string_view symbol) {
  constexpr std::string_view kPrefixes[] = {"_",
                                            "epic::",
                                            "std::",
                                            "boost::",
                                            "fmt::",
                                            "spdlog::",
                                            "__gnu_cxx::",
                                            "vtable",
                                            "typeinfo",
                                            "guard variable",
                                            "VTT for ",
                                            "DW.ref.",
                                            "construction vtable",
                                            "completed.",
                                            "epic_module"};
  return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) { return symbol.starts_with(prefix); });
}

std::string demangled(std::string_view symbol) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(std::string(symbol).c_str(), nullptr, nullptr, &status), std::free);
  return status == 0 ? name.get() : std::string(symbol);
}

/// The first place where a source declares the variable; none if one of them declares it as constant. What stands
/// between the end of the previous statement and the name is a declaration if there is a type in it.
std::optional<std::string> find_global(std::string_view name, const std::vector<SourceText>& sources,
                                       const std::vector<std::string>& codes) {
  std::optional<std::string> place;
  for (std::size_t i = 0; i < sources.size(); ++i)
    for (std::size_t at = find_word(codes[i], name, 0); at != std::string_view::npos;
         at = find_word(codes[i], name, at + 1)) {
      const std::size_t stop = codes[i].find_last_of(";{}#", at);
      const std::size_t begin = stop == std::string::npos ? 0 : stop + 1;
      const std::string_view before = std::string_view(codes[i]).substr(begin, at - begin);
      const bool is_use = before.find_first_of("=(") != std::string_view::npos || before.contains("return ") ||
                          before.ends_with('.') || before.ends_with("->") || std::ranges::none_of(before, is_word_part);
      if (is_use) continue;
      if (find_word(before, "const", 0) != std::string_view::npos || before.contains("constexpr")) return std::nullopt;
      if (is_allowed(sources[i], at)) return std::nullopt;
      if (!place) place = place_of(sources[i], at);
    }
  return place;
}

}  // namespace

ModuleSymbols read_module_symbols(const fs::path& module) {
  ModuleSymbols found;
  const auto elf = node::ElfFile::from(read_text(module));
  if (!elf) return found;
  const auto sections = elf->sections();
  for (const node::ElfFile::Symbol& symbol : elf->symbols())
    if (symbol.is_defined && symbol.size > 0 && symbol.section < sections.size() &&
        sections[symbol.section].is_writable)
      found.writable.push_back(demangled(symbol.name));
  for (const node::ElfFile::Symbol& symbol : elf->dynamic_symbols())
    if (!symbol.is_defined) found.taken.emplace_back(symbol.name);
  std::ranges::sort(found.writable);
  return found;
}

std::vector<std::string> find_habits(const ModuleSymbols& symbols, const std::vector<SourceText>& sources) {
  std::vector<std::string> codes;
  for (const SourceText& source : sources) codes.push_back(without_comments(source.text));
  std::vector<std::string> habits;
  const auto add = [&](std::string habit) {
    if (std::ranges::find(habits, habit) == habits.end()) habits.push_back(std::move(habit));
  };
  for (const std::string& symbol : symbols.writable) {
    if (is_foreign(symbol)) continue;
    if (const auto place = find_global(last_name(symbol), sources, codes))
      add(
          fmt::format("{}: {} is a writable global: all entities of a node share it, and it is never saved; make it a "
                      "member of an entity, or const",
                      *place, symbol));
  }
  for (const Habit& habit : kHabits) {
    if (std::ranges::find(symbols.taken, habit.symbol) == symbols.taken.end()) continue;
    for (std::size_t i = 0; i < sources.size(); ++i)
      for (const std::string_view word : habit.words) {
        bool is_found = false;
        for (std::size_t at = find_word(codes[i], word, 0); at != std::string_view::npos;
             at = find_word(codes[i], word, at + 1)) {
          is_found = true;
          if (is_allowed(sources[i], at)) continue;
          const std::string name = demangled(habit.symbol);
          add(fmt::format("{}: calls {}; {}", place_of(sources[i], at),
                          name.starts_with("std::random_device") ? "std::random_device"
                          : name.starts_with("std::chrono")      ? "a clock of std::chrono"
                                                                 : name + "()",
                          habit.instead));
        }
        if (is_found) break;  // the other words are for sources that use an alias
      }
  }
  return habits;
}

std::vector<std::string> find_habits(const Project& project) {
  std::vector<SourceText> sources;
  std::error_code ignored;
  auto walk = fs::recursive_directory_iterator(project.paths.root, ignored);
  for (; walk != fs::end(walk); walk.increment(ignored)) {
    const std::string name = walk->path().filename().string();
    if (walk->is_directory(ignored) &&
        (name.starts_with('.') || (walk.depth() == 0 && (name == "build" || name == "tests"))))
      walk.disable_recursion_pending();
    else if (name.ends_with(".cpp") || name.ends_with(".hpp") || name.ends_with(".cc") || name.ends_with(".h"))
      sources.push_back({walk->path().lexically_relative(project.paths.root).string(), read_text(walk->path())});
  }
  std::ranges::sort(sources, {}, &SourceText::path);
  return find_habits(read_module_symbols(project.paths.module(project.manifest.module)), sources);
}

}  // namespace epic::cli
