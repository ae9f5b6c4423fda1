#include "cli/project/manifest.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <functional>
#include <sstream>

#include "cli/output/humanize.hpp"
#include "cli/output/suggest.hpp"

namespace epic::cli {
namespace {

struct Where {
  std::string_view text;
  const std::filesystem::path& file;
};

std::string_view line_of(std::string_view text, std::size_t line) {
  for (; line > 1; --line) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return {};
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// The shape that compilers use: file:line:column, then the line with a mark under the place.
Failure at(const Where& where, const toml::source_region& source, std::string what,
           std::vector<std::string> help = {}) {
  const std::size_t line = std::max<std::size_t>(1, source.begin.line);
  const std::size_t column = std::max<std::size_t>(1, source.begin.column);
  const std::size_t end = source.end.line == source.begin.line ? source.end.column : column + 1;
  const std::string number = std::to_string(line);
  const std::string margin(number.size(), ' ');
  std::string excerpt = fmt::format("{}--> {}:{}:{}\n", margin, where.file.string(), line, column);
  excerpt += fmt::format("{} |\n{} | {}\n", margin, number, line_of(where.text, line));
  excerpt += fmt::format("{} | {}{}\n", margin, std::string(column - 1, ' '),
                         std::string(std::max<std::size_t>(1, end > column ? end - column : 1), '^'));
  return {.code = ExitCode::usage, .what = std::move(what), .excerpt = std::move(excerpt), .help = std::move(help)};
}

using namespace std::chrono_literals;

// Heartbeats come every 200 ms, when the machine has time for them.
constexpr std::chrono::milliseconds kSilenceMin = 1s;

struct Key {
  std::string_view section;
  std::string_view name;
  std::function<std::string(const toml::node&, Manifest&)> set;  // answers what was expected, empty if it was that
};

auto whole(std::int64_t Manifest::* member, std::int64_t min, std::int64_t max) {
  return [=](const toml::node& node, Manifest& manifest) -> std::string {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < min || *value > max) return fmt::format("a whole number from {} to {}", min, max);
    manifest.*member = *value;
    return {};
  };
}

auto one_of(std::string Manifest::* member, std::vector<std::string> choices) {
  return [=](const toml::node& node, Manifest& manifest) -> std::string {
    const auto value = node.value_exact<std::string>();
    if (!value || std::ranges::find(choices, *value) == choices.end()) {
      std::string quoted;
      for (const std::string& choice : choices) quoted += fmt::format("{}\"{}\"", quoted.empty() ? "" : " or ", choice);
      return quoted;
    }
    manifest.*member = *value;
    return {};
  };
}

auto duration(std::chrono::milliseconds Manifest::* member, std::chrono::milliseconds min = 1ms) {
  return [=](const toml::node& node, Manifest& manifest) -> std::string {
    const auto text = node.value_exact<std::string>();
    const auto value = text ? parse_duration(*text) : std::nullopt;
    if (!value || *value < min)
      return "a duration such as \"250ms\", \"30s\" or \"5m\", of at most \"36500d\"" +
             (min > 1ms ? fmt::format(", and at least {}", min) : std::string());
    manifest.*member = *value;
    return {};
  };
}

auto size(std::uint64_t Manifest::* member) {
  return [=](const toml::node& node, Manifest& manifest) -> std::string {
    const auto text = node.value_exact<std::string>();
    const auto value = text ? parse_size(*text) : std::nullopt;
    if (!value || *value == 0) return "a size such as \"64MiB\" or \"2GiB\"";
    manifest.*member = *value;
    return {};
  };
}

std::string set_name(const toml::node& node, Manifest& manifest) {
  const auto value = node.value_exact<std::string>();
  if (!value || !why_no_project_name(*value).empty())
    return "a name of letters, digits, '-' and '_' that begins with a letter";
  manifest.name = *value;
  return {};
}

std::string set_module(const toml::node& node, Manifest& manifest) {
  const auto value = node.value_exact<std::string>();
  if (!value || !why_no_project_name(*value).empty())
    return "the name of a module, as epic_add_module() in CMakeLists.txt has it";
  manifest.module = *value;
  return {};
}

const std::vector<Key>& keys() {
  static const std::vector<Key> kKeys = {
      {"project", "name", set_name},
      {"modules", "load", set_module},
      {"fabric", "nodes", whole(&Manifest::nodes, 1, kNodesMax)},
      {"fabric", "shards", whole(&Manifest::shards, 1, kShardsMax)},
      {"fabric", "store", one_of(&Manifest::store, {"sqlite", "memory"})},
      {"fabric", "transport", one_of(&Manifest::transport, {"unix"})},
      {"fabric", "codec", one_of(&Manifest::codec, {"capnp"})},
      {"fabric", "coordination", one_of(&Manifest::coordination, {"local"})},
      {"fabric", "idle_age", duration(&Manifest::idle_age)},
      {"fabric", "memory_budget", size(&Manifest::memory_budget_bytes)},
      {"fabric", "call_deadline", duration(&Manifest::call_deadline)},
      {"fabric", "turn_report", duration(&Manifest::turn_report)},
      {"fabric", "turn_max", duration(&Manifest::turn_max)},
      {"fabric", "silence_max", duration(&Manifest::silence_max, kSilenceMin)},
      {"fabric", "grace", duration(&Manifest::grace)},
      {"restart", "delay_first", duration(&Manifest::restart_delay_first)},
      {"restart", "delay_max", duration(&Manifest::restart_delay_max)},
      {"restart", "forget_after", duration(&Manifest::restart_forget_after)},
      {"log", "level", one_of(&Manifest::log_level, {"debug", "info", "warn", "error"})},
  };
  return kKeys;
}

std::vector<std::string> known_keys(std::string_view section) {
  std::vector<std::string> names;
  for (const Key& key : keys())
    if (key.section == section) names.emplace_back(key.name);
  return names;
}

std::vector<std::string> known_sections() {
  std::vector<std::string> names;
  for (const Key& key : keys())
    if (names.empty() || names.back() != key.section) names.emplace_back(key.section);
  return names;
}

std::vector<std::string> suggestion(std::string_view word, const std::vector<std::string>& known,
                                    std::string_view kind) {
  const std::string near = find_near(word, known);
  if (!near.empty()) return {fmt::format("did you mean \"{}\"?", near)};
  return {fmt::format("the {} are {}", kind, listing(known))};
}

Result<void> read_section(const Where& where, std::string_view section, const toml::table& table, Manifest& manifest) {
  for (const auto& [name, node] : table) {
    const auto key =
        std::ranges::find_if(keys(), [&](const Key& k) { return k.section == section && k.name == name.str(); });
    if (key == keys().end())
      return fail(at(where, name.source(), fmt::format("there is no key \"{}\" in [{}]", name.str(), section),
                     suggestion(name.str(), known_keys(section), fmt::format("keys of [{}]", section))));
    if (const std::string expected = key->set(node, manifest); !expected.empty())
      return fail(at(where, node.source(), fmt::format("[{}] {} takes {}", section, name.str(), expected)));
  }
  return {};
}

}  // namespace

std::string why_no_project_name(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > 64) return "it is longer than 64 characters";
  if (!std::isalpha(static_cast<unsigned char>(name.front()))) return "it does not begin with a letter";
  for (const char c : name)
    if (!(std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'))
      return c == '/' ? "it has a '/' in it: give a name, and run the command in the directory that it shall lie in"
                      : fmt::format("it has a '{}' in it", c);
  return {};
}

Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& file) {
  const Where where{text, file};
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(at(where, error.source(), fmt::format("epic.toml is no TOML: {}", error.description())));
  }
  Manifest manifest;
  for (const auto& [name, node] : root) {
    const auto known = known_sections();
    if (std::ranges::find(known, name.str()) == known.end())
      return fail(at(where, name.source(), fmt::format("there is no section [{}] in epic.toml", name.str()),
                     suggestion(name.str(), known, "sections")));
    const auto* table = node.as_table();
    if (table == nullptr)
      return fail(at(where, name.source(), fmt::format("\"{}\" is a section: write [{}]", name.str(), name.str())));
    if (auto read = read_section(where, name.str(), *table, manifest); !read)
      return std::unexpected(std::move(read.error()));
  }
  if (manifest.name.empty())
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} does not name the project", file.string()),
                 .help = {"add these two lines to it:\n[project]\nname = \"arena\""}});
  if (manifest.module.empty()) manifest.module = manifest.name;
  return manifest;
}

Result<Manifest> read_manifest(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  if (!stream)
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} cannot be read", file.string()),
                 .why = std::generic_category().message(errno)});
  return parse_manifest(text.str(), file);
}

}  // namespace epic::cli
