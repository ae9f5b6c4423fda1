#include "cli/project/add_entity.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <span>
#include <system_error>

#include "cli/output/atomic_file.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/cmake.hpp"
#include "cli/project/module_source.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kHeaderText = R"(#pragma once
// @CLASS@: what it is, in one sentence.

#include <cstdint>
#include <epic/epic.hpp>

class @CLASS@ : public epic::Entity {
  std::int64_t total = 0;

 public:
  /// Returns the new total.
  epic::Task<std::int64_t> add(std::int64_t amount);

  /// const: read-only, never causes a save.
  epic::Task<std::int64_t> get_total() const;

  EPIC_ENTITY(@CLASS@, @SAVING@state(total), methods(add, get_total))
};
)";

constexpr std::string_view kSourceText = R"(#include "@FILE@.hpp"

epic::Task<std::int64_t> @CLASS@::add(std::int64_t amount) {
  total += amount;
  co_return total;
}

epic::Task<std::int64_t> @CLASS@::get_total() const { co_return total; }
)";

constexpr std::string_view kTestText = R"text(#include "@HEADER@"

#include <catch2/catch.hpp>
#include <epic/script.hpp>

TEST_CASE("@FILE@: adds up") {
  epic::testing::Script<@CLASS@> first("first");

  CHECK(first.call<&@CLASS@::add>(2).result() == 2);
  CHECK(first.call<&@CLASS@::add>(3).result() == 5);
  CHECK(first.call<&@CLASS@::get_total>().result() == 5);
  CHECK(first.state() == R"({"total":5})");
}
)text";

using Words = std::vector<std::pair<std::string_view, std::string>>;

std::string filled(std::string_view text, const Words& words) {
  std::string out(text);
  for (const auto& [from, to] : words)
    for (std::size_t at = 0; (at = out.find(from, at)) != std::string::npos; at += to.size())
      out.replace(at, from.size(), to);
  return out;
}

/// As a literal of C++: "250ms", "5min".
std::string cpp_duration(std::chrono::milliseconds duration) {
  constexpr std::pair<std::int64_t, std::string_view> kUnits[] = {{3'600'000, "h"}, {60'000, "min"}, {1'000, "s"}};
  for (const auto& [milliseconds, unit] : kUnits)
    if (duration.count() % milliseconds == 0) return fmt::format("{}{}", duration.count() / milliseconds, unit);
  return fmt::format("{}ms", duration.count());
}

std::string saving_section(const NewEntity& entity) {
  switch (entity.saving) {
    case NewEntity::Saving::gated:
      return {};
    case NewEntity::Saving::interval:
      return fmt::format("interval({}), ", cpp_duration(entity.interval));
    case NewEntity::Saving::transient:
      return "transient, ";
  }
  return {};
}

struct SourceFile {
  fs::path path;  // relative to the project
  std::string text;
};

constexpr std::string_view kHeaderEndings[] = {".hpp", ".h", ".hh", ".hxx"};
constexpr std::string_view kSourceEndings[] = {".cpp", ".cc", ".cxx"};

bool ends_in(const fs::path& path, std::span<const std::string_view> endings) {
  return std::ranges::find(endings, path.extension().string()) != endings.end();
}
bool is_header(const fs::path& path) { return ends_in(path, kHeaderEndings); }

/// The project's C++ files, without its tests and what was built. Only files: opening a pipe would wait for a writer.
Result<std::vector<SourceFile>> read_sources(const fs::path& root) {
  std::vector<SourceFile> sources;
  std::error_code ignored;
  auto walk = fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, ignored);
  for (; walk != fs::end(walk); walk.increment(ignored)) {
    const fs::path& path = walk->path();
    const std::string name = path.filename().string();
    if (walk->is_directory(ignored)) {
      if (name.starts_with('.') || (walk.depth() == 0 && (name == "build" || name == "tests")))
        walk.disable_recursion_pending();
    } else if (walk->is_regular_file(ignored) && (is_header(path) || ends_in(path, kSourceEndings))) {
      if (::access(path.c_str(), R_OK) != 0)
        return fail({.what = fmt::format("{} cannot be read", path.lexically_relative(root).string()),
                     .why = std::generic_category().message(errno),
                     .help = {"check its permissions: it may define the class, or list it"}});
      sources.push_back({path.lexically_relative(root), read_text(path)});
    }
  }
  std::ranges::sort(sources, {}, &SourceFile::path);
  return sources;
}

Failure not_listed(const NewEntity& entity, std::string why) {
  return {.what = fmt::format("cannot add {} to EPIC_MODULE", entity.name),
          .why = fmt::format("{}; nothing was changed", why),
          .help = {fmt::format("create its files with 'epic add entity {0} --unlisted', and add it to the list "
                               "yourself: EPIC_MODULE(…, {0})",
                               entity.name)}};
}

/// The source whose EPIC_MODULE is meant.
Result<const SourceFile*> find_module_source(const fs::path& root, const NewEntity& entity,
                                             const std::vector<SourceFile>& sources) {
  std::error_code ignored;
  std::vector<const SourceFile*> found;
  std::vector<std::string> places;
  for (const SourceFile& source : sources) {
    if (is_header(source.path)) continue;
    if (!entity.module_source.empty() && !fs::equivalent(root / source.path, entity.module_source, ignored)) continue;
    for (const std::size_t line : find_module_lines(source.text)) {
      found.push_back(&source);
      places.push_back(fmt::format("{}:{}", source.path.string(), line));
    }
    if (!entity.module_source.empty()) break;  // a link to it is the same source again
  }
  if (found.size() == 1) return found.front();
  if (found.empty())
    return fail(not_listed(entity, entity.module_source.empty()
                                       ? "no source of this project uses EPIC_MODULE"
                                       : fmt::format("{} is not a source of this project that uses EPIC_MODULE",
                                                     entity.module_source.string())));
  Failure failure = not_listed(entity, fmt::format("it is used {} times: {}", places.size(), listing(places)));
  if (found.front() != found.back())
    failure.help.insert(failure.help.begin(),
                        fmt::format("choose one with 'epic add entity {} --module {}'", entity.name,
                                    (root / found.front()->path).lexically_relative(fs::current_path()).string()));
  return fail(std::move(failure));
}

/// The files that a class gets.
std::vector<SourceFile> make_files(const NewEntity& entity, const fs::path& folder) {
  const std::string stem = file_stem(entity.name);
  const fs::path header = folder / (stem + ".hpp");
  const fs::path from_src = header.lexically_relative("src");  // tests look for headers there
  const bool is_in_src = !from_src.empty() && *from_src.begin() != "..";
  const Words words = {{"@CLASS@", entity.name},
                       {"@FILE@", stem},
                       {"@HEADER@", (is_in_src ? from_src : header.lexically_relative("tests")).string()},
                       {"@SAVING@", saving_section(entity)}};
  return {{header, filled(kHeaderText, words)},
          {folder / (stem + ".cpp"), filled(kSourceText, words)},
          {fs::path("tests") / (stem + "_test.cpp"), filled(kTestText, words)}};
}

Result<void> check_that_new(const fs::path& root, const NewEntity& entity, const std::vector<SourceFile>& files,
                            const std::vector<SourceFile>& sources) {
  std::error_code ignored;
  for (const SourceFile& source : sources)
    if (const auto line = find_class_line(source.text, entity.name))
      return fail({.what = fmt::format("there is a class {} already", entity.name),
                   .why = fmt::format("{}:{} defines it", source.path.string(), *line),
                   .help = {"choose another name"}});
  for (const SourceFile& file : files)
    if (fs::exists(fs::symlink_status(root / file.path, ignored)))
      return fail({.what = fmt::format("{} already exists", file.path.string()),
                   .why = "epic add never overwrites files",
                   .help = {"choose another name, or move the file"}});
  return {};
}

/// Removes what it has written, unless keep() was called.
class NewFiles {
 public:
  explicit NewFiles(fs::path root) : root_(std::move(root)) {}
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;
  ~NewFiles() {
    std::error_code ignored;
    for (auto path = made_.rbegin(); path != made_.rend(); ++path) fs::remove(*path, ignored);
  }

  Result<void> write(const SourceFile& file) {
    const fs::path path = root_ / file.path;
    std::error_code error;
    if (fs::create_directory(path.parent_path(), error)) made_.push_back(path.parent_path());
    auto written = EPIC_TRY(
        AtomicFile::open(path, {.existing = Existing::refused, .help = "check that you may write to its directory"}));
    written.write(file.text);
    EPIC_TRY(written.keep());
    made_.push_back(path);
    return {};
  }

  void keep() { made_.clear(); }

 private:
  fs::path root_;
  std::vector<fs::path> made_;
};

/// Alone or behind "${PROJECT_SOURCE_DIR}/"; "src/*.cpp" does not mention "*.cpp".
bool mentions(std::string_view text, std::string_view pattern) {
  for (std::size_t at = text.find(pattern); at != std::string_view::npos; at = text.find(pattern, at + 1)) {
    const std::string_view before = text.substr(0, at);
    if (!before.ends_with('/') || before.ends_with("}/")) return true;
  }
  return false;
}

std::vector<std::string> find_left_out(const fs::path& root, const std::vector<SourceFile>& files) {
  const std::string text = read_text(root / "CMakeLists.txt");
  std::vector<std::string> warnings;
  for (const SourceFile& file : files) {
    if (is_header(file.path)) continue;
    const std::string pattern = (file.path.parent_path() / "*.cpp").string();
    if (!mentions(text, pattern))
      warnings.push_back(
          fmt::format("CMakeLists.txt does not mention {}: add {} to its SOURCES", pattern, file.path.string()));
  }
  return warnings;
}

}  // namespace

std::string why_no_entity_name(std::string_view name) {
  constexpr std::string_view kTaken = " FILE EOF NULL NAN DIR ";  // by headers of C
  if (name.empty()) return "it is empty";
  if (name.size() > 64) return "it is longer than 64 characters";
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  for (const char c : name)
    if (!is_letter(c) && c != '_' && (c < '0' || c > '9'))
      return c == ':'   ? "it contains ':': give the name of a class alone"
             : c == '/' ? "it contains '/': give the name of a class, without a key"
             : static_cast<unsigned char>(c) < 0x80
                 ? fmt::format("it contains '{}'", c)
                 : "it contains a character that is not a letter of the English alphabet";
  if (name.front() < 'A' || name.front() > 'Z') return "the name of a class starts with a capital letter";
  if (name.contains("__")) return "it contains '__', which C++ keeps for compilers";
  if (name.starts_with("EPIC_")) return "epic's macros start with EPIC_";
  if (kTaken.contains(fmt::format(" {} ", name))) return "the name means something else in C";
  return {};
}

std::string file_stem(std::string_view class_name) {
  const auto is_upper = [&](std::size_t i) {
    return i < class_name.size() && std::isupper(static_cast<unsigned char>(class_name[i])) != 0;
  };
  const auto is_lower = [&](std::size_t i) {
    return i < class_name.size() && std::islower(static_cast<unsigned char>(class_name[i])) != 0;
  };
  std::string stem;
  for (std::size_t i = 0; i < class_name.size(); ++i) {
    const bool begins_word = i > 0 && is_upper(i) && (!is_upper(i - 1) || is_lower(i + 1));
    if (begins_word && !stem.ends_with('_')) stem += '_';
    stem += static_cast<char>(std::tolower(static_cast<unsigned char>(class_name[i])));
  }
  return stem;
}

Result<AddedEntity> add_entity(const fs::path& root, const NewEntity& entity) {
  const auto sources = EPIC_TRY(read_sources(root));
  const SourceFile* module = nullptr;
  if (entity.listing == NewEntity::Listing::listed) module = EPIC_TRY(find_module_source(root, entity, sources));
  const auto files = make_files(entity, module == nullptr ? "src" : module->path.parent_path());
  EPIC_TRY(check_that_new(root, entity, files, sources));
  AddedEntity added;
  std::string changed;
  if (module != nullptr) {
    added.module_source = module->path;
    auto text = add_to_module(module->text, entity.name, files.front().path.filename().string());
    if (!text) return fail(not_listed(entity, fmt::format("in {}, {}", module->path.string(), text.error())));
    changed = std::move(*text);
  }

  NewFiles written(root);
  for (const SourceFile& file : files) {
    EPIC_TRY(written.write(file));
    added.files.push_back(file.path);
  }
  if (!added.module_source.empty()) EPIC_TRY(replace_text(root / added.module_source, changed));
  written.keep();
  added.warnings = find_left_out(root, files);
  return added;
}

}  // namespace epic::cli
