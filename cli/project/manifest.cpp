#include "cli/project/manifest.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>

#include "cli/output/humanize.hpp"
#include "cli/output/suggest.hpp"
#include "cli/output/text.hpp"
#include "cli/project/machine_address.hpp"
#include "cluster/coordination/lease_keeper.hpp"
#include "cluster/coordination/open_coordination.hpp"
#include "storage/open_store.hpp"

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

// In the form of compiler messages: file:line:column, then the line with a mark below the place.
Failure at(const Where& where, const toml::source_region& source, std::string what,
           std::vector<std::string> help = {}) {
  const std::size_t line = std::max<std::size_t>(1, source.begin.line);
  const std::size_t column = std::max<std::size_t>(1, source.begin.column);
  const std::size_t end = source.end.line == source.begin.line ? source.end.column : column + 1;
  constexpr std::size_t kColumnsMax = 160;  // of a line that is quoted
  const std::string number = std::to_string(line);
  const std::string margin(number.size(), ' ');
  std::string excerpt = fmt::format("{}--> {}:{}:{}\n", margin, where.file.string(), line, column);
  excerpt += fmt::format("{} |\n{} | {}\n", margin, number, shortened(line_of(where.text, line), kColumnsMax));
  if (column <= kColumnsMax)
    excerpt += fmt::format("{} | {}{}\n", margin, std::string(column - 1, ' '),
                           std::string(std::max<std::size_t>(1, end > column ? end - column : 1), '^'));
  return {.code = ExitCode::usage, .what = std::move(what), .excerpt = std::move(excerpt), .help = std::move(help)};
}

using namespace std::chrono_literals;

// Heartbeats are sent every 200 ms, if the machine has time for them.
constexpr std::chrono::milliseconds kSilenceMin = 1s;
// Long enough that a busy machine renews it in time.
constexpr std::chrono::milliseconds kLeaseMin = 2s;

/// A key of epic.toml. `set` is false for a value that is not what `accepts` says; `show` writes one as epic.toml has
/// it; `explain`, which may be empty, says what is wrong with a text that was refused.
struct Setting {
  std::string_view section;
  std::string_view name;
  std::string_view summary;
  std::string accepts;
  std::function<bool(const toml::node&, Manifest&)> set;
  std::function<std::string(const Manifest&)> show;
  std::function<std::string(const std::string&)> explain = {};
  const char* environment = nullptr;  // a variable that comes before the file
};

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", text); }

Setting whole(std::string_view section, std::string_view name, std::int64_t Manifest::* member, std::int64_t min,
              std::int64_t max, std::string_view summary) {
  const auto set = [=](const toml::node& node, Manifest& manifest) {
    const auto value = node.value_exact<std::int64_t>();
    if (!value || *value < min || *value > max) return false;
    manifest.*member = *value;
    return true;
  };
  const auto show = [=](const Manifest& manifest) { return std::to_string(manifest.*member); };
  return {section, name, summary, fmt::format("a whole number from {} to {}", min, max), set, show};
}

Setting text(std::string_view section, std::string_view name, std::string Manifest::* member,
             std::function<bool(const std::string&)> is_good, std::string accepts, std::string_view summary) {
  const auto set = [=](const toml::node& node, Manifest& manifest) {
    const auto value = node.value_exact<std::string>();
    if (!value || !is_good(*value)) return false;
    manifest.*member = *value;
    return true;
  };
  const auto show = [=](const Manifest& manifest) {
    return (manifest.*member).empty() ? std::string() : in_quotes(manifest.*member);
  };
  return {section, name, summary, std::move(accepts), set, show};
}

Setting flag(std::string_view section, std::string_view name, bool Manifest::* member, std::string_view summary) {
  const auto set = [=](const toml::node& node, Manifest& manifest) {
    const auto value = node.value_exact<bool>();
    if (value) manifest.*member = *value;
    return value.has_value();
  };
  const auto show = [=](const Manifest& manifest) { return std::string(manifest.*member ? "true" : "false"); };
  return {section, name, summary, "true or false", set, show};
}

Setting one_of(std::string_view section, std::string_view name, std::string Manifest::* member,
               std::vector<std::string> choices, std::string_view summary) {
  std::vector<std::string> shown;
  for (const std::string& choice : choices) shown.push_back(in_quotes(choice));
  const auto is_choice = [=](const std::string& value) { return std::ranges::find(choices, value) != choices.end(); };
  return text(section, name, member, is_choice, alternatives(shown), summary);
}

Setting duration(std::string_view section, std::string_view name, std::chrono::milliseconds Manifest::* member,
                 std::string_view summary, std::chrono::milliseconds min = 1ms) {
  const auto set = [=](const toml::node& node, Manifest& manifest) {
    const auto value = parse_duration(node.value_exact<std::string>().value_or(""));
    if (!value || *value < min) return false;
    manifest.*member = *value;
    return true;
  };
  const auto show = [=](const Manifest& manifest) { return in_quotes(duration_text(manifest.*member)); };
  return {section,
          name,
          summary,
          "a duration such as \"250ms\", \"30s\" or \"5m\", at most \"36500d\"" +
              (min > 1ms ? fmt::format(", and at least {}", in_quotes(duration_text(min))) : std::string()),
          set,
          show};
}

Setting size(std::string_view section, std::string_view name, std::uint64_t Manifest::* member,
             std::string_view summary) {
  const auto set = [=](const toml::node& node, Manifest& manifest) {
    const auto value = parse_size(node.value_exact<std::string>().value_or(""));
    if (!value || *value == 0) return false;
    manifest.*member = *value;
    return true;
  };
  const auto show = [](const Manifest&) { return std::string(); };  // no limit
  return {section, name, summary, "a size such as \"64MiB\" or \"2GiB\"", set, show};
}

Setting coordination() {
  const auto explain = [](const std::string& value) {
    const auto checked = value == kAlone ? std::expected<void, std::string>() : cluster::check_coordination(value);
    return checked ? std::string() : checked.error();
  };
  Setting setting = text(
      "fabric", "coordination", &Manifest::coordination,
      [explain](const std::string& value) { return explain(value).empty(); },
      fmt::format("{}, {}", in_quotes(kAlone), cluster::coordination_settings_text()),
      "How the supervisors of several machines agree; with \"local\" no other can join (epic run --join)");
  setting.explain = explain;
  setting.environment = "EPIC_COORDINATION";
  return setting;
}

Setting store() {
  Setting setting = text("fabric", "store", &Manifest::store, storage::is_store_setting, storage::store_settings_text(),
                         "Where state is saved; \"memory\" keeps nothing");
  setting.environment = "EPIC_STORE";
  return setting;
}

Setting lease_margin() {
  Setting setting = duration("fabric", "lease_margin", &Manifest::lease_margin,
                             "How long before its lease ends a machine stops relying on it, because of clocks that "
                             "differ and pauses; a fifth of the lease by default");
  setting.show = [](const Manifest&) { return std::string(); };
  return setting;
}

Setting listen() {
  const auto explain = [](const std::string& value) {
    const auto parsed = parse_listen_address(value);
    return parsed ? std::string() : parsed.error();
  };
  Setting setting = text(
      "cluster", "listen", &Manifest::listen, [explain](const std::string& value) { return explain(value).empty(); },
      "an address of this machine, such as \"10.0.0.1\" or \"10.0.0.1:7420\"",
      "Where other machines reach this one: its supervisor at this port (7420), its nodes at the 100 after it");
  setting.explain = explain;
  return setting;
}

constexpr std::size_t kListedMachinesMax = 256;

Setting machines() {
  const auto explain = [](const std::string& value) {
    const auto parsed = parse_machine_address(value);
    return parsed ? std::string() : parsed.error();
  };
  const auto set = [explain](const toml::node& node, Manifest& manifest) {
    const toml::array* const list = node.as_array();
    if (list == nullptr || list->size() > kListedMachinesMax) return false;
    manifest.machines.clear();
    for (const toml::node& element : *list) {
      const auto address = element.value_exact<std::string>();
      if (!address || !explain(*address).empty()) return false;
      manifest.machines.push_back(*address);
    }
    return true;
  };
  return {
      .section = "cluster",
      .name = "machines",
      .summary =
          "Where supervisors of this fabric may be, this machine's included: 'epic run' asks there first, and joins "
          "the fabric if it runs",
      .accepts =
          fmt::format("a list of at most {} addresses, such as [\"10.0.0.1\", \"game-b:7420\"]", kListedMachinesMax),
      .set = set,
      .show = [](const Manifest&) { return std::string(); },
      .explain = explain};
}

/// The value, or what is wrong in a list.
const toml::node& find_refused(const toml::node& node, const Setting& setting) {
  const toml::array* const list = node.as_array();
  if (list == nullptr || !setting.explain) return node;
  for (const toml::node& element : *list)
    if (const auto text = element.value_exact<std::string>(); !text || !setting.explain(*text).empty()) return element;
  return node;
}

bool is_named(const std::string& path) { return !path.empty() && !path.contains('\0'); }

bool is_project_name(const std::string& name) { return why_no_project_name(name).empty(); }

constexpr const char* kSourceFolders[] = {".git", "build", "clients", "src", "tests"};

/// Entities must reach neither the store, nor what is built and run, nor what is beside the project.
bool is_files_folder(const std::string& folder) {
  if (folder.empty() || folder.contains('\0')) return false;
  const std::filesystem::path path(folder);
  const auto is_kept = [](const std::filesystem::path& part) { return part != "." && part != ".." && part != ".epic"; };
  const auto is_first = [&](const char* name) { return *path.begin() == name; };
  return path.is_relative() && std::ranges::all_of(path, is_kept) && std::ranges::none_of(kSourceFolders, is_first);
}

const std::vector<Setting>& table() {
  using M = Manifest;
  static const std::vector<Setting> kTable = {
      text("project", "name", &M::name, is_project_name,
           "a name of letters, digits, '-' and '_' that starts with a letter", "The project's name"),
      text("modules", "load", &M::module, is_project_name, "the NAME of an epic_add_module() in CMakeLists.txt",
           "The module that nodes load; by default the one named like the project"),
      whole("fabric", "nodes", &M::nodes, 1, kNodesMax, "How many nodes 'epic run' starts"),
      whole("fabric", "shards", &M::shards, 1, kShardsMax,
            "How many shards; once something has been saved, use 'epic reshard'"),
      store(),
      coordination(),
      duration("fabric", "lease", &M::lease,
               "A machine whose supervisor is silent for this long is gone; only with coordination", kLeaseMin),
      lease_margin(),
      duration("fabric", "idle_age", &M::idle_age, "Entities idle for this long are saved and leave memory"),
      size("fabric", "memory_budget", &M::memory_budget_bytes,
           "Memory that a node's entities and calls may use; beyond it the least recently used leave, and then new "
           "calls are refused. No limit by default"),
      duration("fabric", "call_deadline", &M::call_timeout, "How long a call may take that sets no deadline"),
      duration("fabric", "turn_report", &M::turn_report, "A turn that runs longer is reported"),
      duration("fabric", "turn_max", &M::turn_max, "A turn that runs longer ends its node"),
      duration("fabric", "silence_max", &M::silence_max, "A node without a heartbeat for this long is killed",
               kSilenceMin),
      duration("fabric", "grace", &M::grace,
               "How long running calls may take to end when nodes stop or shards move; then they are interrupted"),
      whole("fabric", "blocking_threads", &M::blocking_threads, 1, kBlockingThreadsMax,
            "How many functions of epic::blocking a node runs at once"),
      whole("fabric", "blocking_queue", &M::blocking_queue, 0, kBlockingQueueMax,
            "How many more may wait; beyond it epic::blocking throws Overloaded"),
      listen(),
      text("cluster", "secret_file", &M::secret_file, is_named, "the path of a file",
           "What proves that a machine belongs to the fabric: a line of 20 characters or more, or two with the newest "
           "first; only this user may read it"),
      text("cluster", "certificates", &M::certificates, is_named, "the path of a directory",
           "Instead of a secret: authority.pem, certificate.pem and key.pem of this machine"),
      flag("cluster", "beacon", &M::beacon,
           "Say each second to the local network, by multicast, that a machine of this fabric listens there, so that "
           "others find it by its name ('epic run --join NAME')"),
      machines(),
      text("files", "folder", &M::files_folder, is_files_folder,
           "a folder below the project's, such as \"data\", and outside of .epic, .git, build, clients, src and tests",
           "Where epic::read_file and the like find the project's files"),
      duration("restart", "delay_first", &M::restart_delay_first,
               "The wait before a dead node is started again; doubled with each failure"),
      duration("restart", "delay_max", &M::restart_delay_max, "The longest such wait"),
      duration("restart", "forget_after", &M::restart_forget_after,
               "After this long without a failure the wait starts over"),
      one_of("log", "level", &M::log_level, {"debug", "info", "warn", "error"},
             "The least severe messages that are logged"),
  };
  return kTable;
}

std::vector<std::string> known_keys(std::string_view section) {
  std::vector<std::string> names;
  for (const Setting& setting : table())
    if (setting.section == section) names.emplace_back(setting.name);
  return names;
}

std::vector<std::string> known_sections() {
  std::vector<std::string> names;
  for (const Setting& setting : table())
    if (names.empty() || names.back() != setting.section) names.emplace_back(setting.section);
  return names;
}

std::vector<std::string> suggestion(std::string_view word, const std::vector<std::string>& known,
                                    std::string_view kind) {
  const std::string near = find_near(word, known);
  if (!near.empty()) return {fmt::format("did you mean \"{}\"?", near)};
  return {fmt::format("'epic help config' lists all {}", kind)};
}

Result<void> read_section(const Where& where, std::string_view section, const toml::table& keys, Manifest& manifest) {
  for (const auto& [name, node] : keys) {
    const auto setting =
        std::ranges::find_if(table(), [&](const Setting& s) { return s.section == section && s.name == name.str(); });
    if (setting == table().end())
      return fail(at(where, name.source(), fmt::format("[{1}] has no key \"{0}\"", name.str(), section),
                     suggestion(name.str(), known_keys(section), "keys")));
    if (setting->set(node, manifest)) continue;
    const toml::node& refused = find_refused(node, *setting);
    Failure failure =
        at(where, refused.source(), fmt::format("[{}] {} must be {}", section, name.str(), setting->accepts));
    if (const auto text = refused.value_exact<std::string>(); text && setting->explain)
      failure.why = setting->explain(*text);
    return fail(std::move(failure));
  }
  return {};
}

/// What the environment has instead of the file. It is part of the text that other machines get.
Result<void> read_environment(toml::table& root, Manifest& manifest) {
  for (const Setting& setting : table()) {
    const char* const value = setting.environment ? std::getenv(setting.environment) : nullptr;
    if (value == nullptr || *value == '\0') continue;
    if (setting.set(toml::value<std::string>(value), manifest)) {
      toml::table& section = *root.insert(setting.section, toml::table()).first->second.as_table();
      section.insert_or_assign(setting.name, value);
      std::ostringstream text;
      text << root << '\n';
      manifest.text = text.str();
      continue;
    }
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} must be {}", setting.environment, setting.accepts),
                 .why = setting.explain ? setting.explain(value) : "",
                 .help = {fmt::format("correct it, or unset it: then [{}] {} in epic.toml counts", setting.section,
                                      setting.name)}});
  }
  return {};
}

/// The margin has to suit the lease; without one it does.
Result<void> read_lease(const Where& where, const toml::table& root, Manifest& manifest) {
  const auto margin = root["fabric"]["lease_margin"];
  if (!margin) {
    manifest.lease_margin = manifest.lease / 5;
    return {};
  }
  const cluster::LeaseSettings settings{.timeout = manifest.lease, .margin = manifest.lease_margin};
  const auto checked = cluster::check_lease(settings);
  if (checked) return {};
  Failure failure =
      at(where, margin.node()->source(), "[fabric] lease_margin does not suit the lease",
         {fmt::format("leave lease_margin out, and it is {}", in_quotes(duration_text(manifest.lease / 5)))});
  failure.why = checked.error();
  return fail(std::move(failure));
}

/// Tables nest with each '.' of a key, without limit in toml++, which would exhaust the stack. Numbers and text have
/// dots as well, so the limit is far above what a file of settings can need.
bool nests_too_deeply(std::string_view text) {
  constexpr std::ptrdiff_t kDotsMax = 1000;
  return std::ranges::count(text, '.') > kDotsMax;
}

}  // namespace

std::string default_store() { return std::string(storage::store_kinds().front()); }

std::vector<SettingText> list_settings() {
  std::vector<SettingText> settings;
  for (const Setting& setting : table())
    settings.push_back({std::string(setting.section), std::string(setting.name), std::string(setting.summary),
                        setting.accepts, setting.show(Manifest()), setting.environment ? setting.environment : ""});
  return settings;
}

std::string why_no_project_name(std::string_view name) {
  // CMake reads some of these as "no", and has targets or folders of the other names.
  constexpr std::string_view kReserved =
      " off on no yes true false ignore notfound n y all all_build clean install test run_tests help check package "
      "edit_cache depend rebuild_cache package_source list_install_components preinstall zero_check ";
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (kReserved.contains(fmt::format(" {} ", lower)) || lower.ends_with("-notfound"))
    return "the name means something else to CMake";
  if (name.empty()) return "it is empty";
  if (name.size() > 64) return "it is longer than 64 characters";
  if (!std::isalpha(static_cast<unsigned char>(name.front()))) return "it does not start with a letter";
  for (const char c : name)
    if (!(std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'))
      return c == '/' ? "it contains '/': give a name only, and run the command in the directory that should hold the "
                        "project"
                      : fmt::format("it contains '{}'", c);
  return {};
}

Result<Manifest> parse_manifest(std::string_view text, const std::filesystem::path& file) {
  const Where where{text, file};
  if (nests_too_deeply(text))
    return fail({.code = ExitCode::usage, .what = fmt::format("{} nests too deeply to be read", file.string())});
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(at(where, error.source(), fmt::format("epic.toml is not valid TOML: {}", error.description())));
  }
  Manifest manifest;
  manifest.text = text;
  for (const auto& [name, node] : root) {
    const auto known = known_sections();
    if (std::ranges::find(known, name.str()) == known.end())
      return fail(at(where, name.source(), fmt::format("epic.toml has no section [{}]", name.str()),
                     suggestion(name.str(), known, "sections")));
    const auto* keys = node.as_table();
    if (keys == nullptr)
      return fail(at(where, name.source(), fmt::format("\"{}\" is a section: write [{}]", name.str(), name.str())));
    EPIC_TRY(read_section(where, name.str(), *keys, manifest));
  }
  EPIC_TRY(read_lease(where, root, manifest));
  if (manifest.name.empty())
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} does not name the project", file.string()),
                 .help = {"add these two lines to it:\n[project]\nname = \"arena\""}});
  if (manifest.module.empty()) manifest.module = manifest.name;
  EPIC_TRY(read_environment(root, manifest));
  return manifest;
}

Result<Manifest> read_manifest(const std::filesystem::path& file) {
  constexpr std::uintmax_t kBytesMax = 256 * 1024;
  const auto refuse = [&](std::string why) {
    return fail({.code = ExitCode::usage, .what = fmt::format("cannot read {}", file.string()), .why = std::move(why)});
  };
  std::error_code error;
  if (std::filesystem::exists(file, error) && !std::filesystem::is_regular_file(file, error))
    return refuse("it is not a regular file");
  if (const auto bytes = std::filesystem::file_size(file, error); !error && bytes > kBytesMax)
    return refuse(fmt::format("it has {}; the limit is {}", human_bytes(static_cast<std::int64_t>(bytes)),
                              human_bytes(static_cast<std::int64_t>(kBytesMax))));
  std::ifstream stream(file);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  if (!stream && !text.str().empty()) return refuse(std::generic_category().message(errno));
  if (!stream.is_open()) return refuse(std::generic_category().message(errno));
  return parse_manifest(text.str(), file);
}

}  // namespace epic::cli
