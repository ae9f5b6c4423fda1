#include "cli/project/user_settings.hpp"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <expected>
#include <iterator>
#include <sstream>
#include <utility>

#include "cli/output/suggest.hpp"
#include "cli/output/text.hpp"
#include "cli/project/machine_address.hpp"
#include "cli/project/project.hpp"
#include "files/private_files.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kConnection = "connection";

/// A setting of the user's, or of each connection: then `suffix` is what follows its name in the key. `accept` turns a
/// value into what is kept, or says what is wrong with it.
struct UserSetting {
  std::string_view suffix;   // ".secret_file"; of the user's: its key
  std::string_view in_file;  // "secret_file"
  std::string_view summary;
  std::string_view accepts;
  std::string SavedConnection::* of_connection;  // null: the user's
  std::string UserSettings::* of_user;
  std::expected<std::string, std::string> (*accept)(const std::string& value, const UserSettings& settings);
};

using Accepted = std::expected<std::string, std::string>;

Accepted accept_address(const std::string& value, const UserSettings&) {
  if (const auto address = parse_machine_address(value); !address) return std::unexpected(address.error());
  return value;
}

Accepted accept_target(const std::string& value, const UserSettings& settings) {
  if (settings.connections.contains(value)) return value;
  if (value.contains(':') || value.contains('.')) return accept_address(value, settings);
  std::vector<std::string> names;
  for (const auto& [name, connection] : settings.connections) names.push_back(name);
  return std::unexpected(fmt::format("there is no connection \"{}\"{}", value,
                                     names.empty() ? "" : fmt::format("; there is {}", listing(names))));
}

Accepted accept_existing(const std::string& value, bool (*is_it)(const fs::path&), std::string_view what) {
  const fs::path path = fs::absolute(value).lexically_normal();
  if (value.empty() || !is_it(path)) return std::unexpected(fmt::format("{} is not {}", path.string(), what));
  return path.string();
}

Accepted accept_file(const std::string& value, const UserSettings&) {
  return accept_existing(
      value,
      [](const fs::path& path) {
        std::error_code error;
        return fs::is_regular_file(path, error);
      },
      "a file");
}

Accepted accept_directory(const std::string& value, const UserSettings&) {
  return accept_existing(
      value,
      [](const fs::path& path) {
        std::error_code error;
        return fs::is_directory(path, error);
      },
      "a directory");
}

constexpr UserSetting kTable[] = {
    {"connect", "connect", "The fabric that commands outside of projects look at",
     "the NAME of a connection, or HOST:PORT", nullptr, &UserSettings::connect, accept_target},
    {"", "address", "A fabric elsewhere, for --connect NAME: where one of its supervisors listens", "HOST or HOST:PORT",
     &SavedConnection::address, nullptr, accept_address},
    {".secret_file", "secret_file", "Its secret", "the path of a file", &SavedConnection::secret_file, nullptr,
     accept_file},
    {".certificates", "certificates", "Instead of a secret: authority.pem, certificate.pem and key.pem",
     "the path of a directory", &SavedConnection::certificates, nullptr, accept_directory},
};

std::string key_of(const UserSetting& setting, std::string_view connection) {
  return setting.of_connection == nullptr ? std::string(setting.suffix)
                                          : fmt::format("{}.{}{}", kConnection, connection, setting.suffix);
}

constexpr std::size_t kNameMax = 64;

bool is_connection_name(std::string_view name) {
  const auto is_good = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_'; };
  return !name.empty() && name.size() <= kNameMax && name.front() != '-' && std::ranges::all_of(name, is_good);
}

struct FoundSetting {
  const UserSetting* setting;
  std::string connection;  // its name
};

Result<FoundSetting> find_setting(const UserSettings& settings, std::string_view key) {
  for (const UserSetting& setting : kTable) {
    if (setting.of_connection == nullptr) {
      if (key == setting.suffix) return FoundSetting{&setting, {}};
      continue;
    }
    std::string_view rest = key;
    if (!rest.starts_with(kConnection) || rest.size() <= kConnection.size() || rest[kConnection.size()] != '.')
      continue;
    rest.remove_prefix(kConnection.size() + 1);
    const std::size_t dot = rest.find('.');
    const std::string_view suffix = dot == std::string_view::npos ? std::string_view() : rest.substr(dot);
    if (suffix != setting.suffix) continue;
    std::string name(rest.substr(0, dot));
    if (!is_connection_name(name))
      return fail({.code = ExitCode::usage,
                   .what = fmt::format("\"{}\" cannot be the name of a connection", printable(name)),
                   .why = fmt::format("it takes letters, digits, '-' and '_', at most {}, and does not begin with '-'",
                                      kNameMax)});
    return FoundSetting{&setting, std::move(name)};
  }
  Failure failure{.code = ExitCode::usage, .what = fmt::format("there is no setting \"{}\"", printable(key))};
  const std::string near = find_near(key, known_user_keys(settings));
  failure.help.push_back(near.empty() ? "'epic help config set' lists all settings"
                                      : fmt::format("did you mean {}?", near));
  return fail(std::move(failure));
}

std::string value_of(const UserSetting& setting, const SavedConnection& connection) {
  return connection.*setting.of_connection;
}

/// The text of `node`, if it is one.
Result<std::string> text_at(const toml::node& node, const fs::path& file, std::string_view key) {
  if (auto text = node.value_exact<std::string>()) return *std::move(text);
  return fail({.code = ExitCode::usage,
               .what = fmt::format("{}:{}: {} must be a text", file.string(), node.source().begin.line, key)});
}

Failure unknown_in_file(const fs::path& file, const toml::key& name, std::string_view where,
                        const std::vector<std::string>& known) {
  Failure failure{.code = ExitCode::usage,
                  .what = fmt::format("{}:{}: {} has no \"{}\"", file.string(), name.source().begin.line, where,
                                      printable(name.str()))};
  if (const std::string near = find_near(name.str(), known); !near.empty())
    failure.help.push_back(fmt::format("did you mean \"{}\"?", near));
  return failure;
}

Result<SavedConnection> parse_connection(const toml::table& keys, const fs::path& file, std::string_view name) {
  SavedConnection connection;
  std::vector<std::string> known;
  for (const UserSetting& setting : kTable)
    if (setting.of_connection != nullptr) known.emplace_back(setting.in_file);
  for (const auto& [key, node] : keys) {
    const auto setting = std::ranges::find(kTable, key.str(), &UserSetting::in_file);
    if (setting == std::end(kTable) || setting->of_connection == nullptr)
      return fail(unknown_in_file(file, key, fmt::format("[{}.{}]", kConnection, name), known));
    connection.*setting->of_connection = EPIC_TRY(text_at(node, file, key.str()));
  }
  return connection;
}

}  // namespace

std::vector<UserSettingText> list_user_settings() {
  std::vector<UserSettingText> all;
  for (const UserSetting& setting : kTable)
    all.push_back({key_of(setting, "NAME"), std::string(setting.summary), std::string(setting.accepts)});
  return all;
}

std::vector<SetSetting> list_set(const UserSettings& settings) {
  std::vector<SetSetting> all;
  for (const UserSetting& setting : kTable)
    if (setting.of_user != nullptr && !(settings.*setting.of_user).empty())
      all.push_back({key_of(setting, {}), settings.*setting.of_user});
  for (const auto& [name, connection] : settings.connections)
    for (const UserSetting& setting : kTable)
      if (setting.of_connection != nullptr && !value_of(setting, connection).empty())
        all.push_back({key_of(setting, name), value_of(setting, connection)});
  return all;
}

std::vector<std::string> known_user_keys(const UserSettings& settings) {
  std::vector<std::string> keys;
  for (const UserSetting& setting : kTable) {
    if (setting.of_connection == nullptr) keys.push_back(key_of(setting, {}));
    for (const auto& [name, connection] : settings.connections)
      if (setting.of_connection != nullptr) keys.push_back(key_of(setting, name));
  }
  return keys;
}

Result<std::string> get_setting(const UserSettings& settings, std::string_view key) {
  const auto found = EPIC_TRY(find_setting(settings, key));
  if (found.setting->of_user != nullptr) return settings.*found.setting->of_user;
  const auto connection = settings.connections.find(found.connection);
  return connection == settings.connections.end() ? std::string() : value_of(*found.setting, connection->second);
}

Result<void> set_setting(UserSettings& settings, std::string_view key, const std::string& value) {
  const auto found = EPIC_TRY(find_setting(settings, key));
  auto accepted = found.setting->accept(value, settings);
  if (!accepted)
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{} takes {}, not \"{}\"", key, found.setting->accepts, printable(value)),
                 .why = accepted.error()});
  if (found.setting->of_user != nullptr) {
    settings.*found.setting->of_user = *std::move(accepted);
    return {};
  }
  const bool is_there = settings.connections.contains(found.connection);
  if (!is_there && found.setting->of_connection != &SavedConnection::address)
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("there is no connection \"{}\"", found.connection),
                 .help = {fmt::format("set its address first: epic config set {}.{} HOST:PORT", kConnection,
                                      found.connection)}});
  settings.connections[found.connection].*found.setting->of_connection = *std::move(accepted);
  return {};
}

Result<void> unset_setting(UserSettings& settings, std::string_view key) {
  const auto found = EPIC_TRY(find_setting(settings, key));
  if (EPIC_TRY(get_setting(settings, key)).empty())
    return fail({.what = fmt::format("{} is not set", key), .help = {"'epic config list' lists what is"}});
  if (found.setting->of_user != nullptr)
    (settings.*found.setting->of_user).clear();
  else if (found.setting->of_connection == &SavedConnection::address)
    settings.connections.erase(found.connection);
  else
    settings.connections[found.connection].*found.setting->of_connection = {};
  if (!settings.connect.empty() && !accept_target(settings.connect, settings)) settings.connect.clear();
  return {};
}

namespace {

/// Users may keep their settings elsewhere, with a link to them here; what is replaced is the file, not the link.
fs::path behind_links(const fs::path& file) {
  std::error_code error;
  const fs::path real = fs::canonical(file, error);
  return error ? file : real;
}

}  // namespace

Result<fs::path> user_settings_file() {
  const char* const home = std::getenv("HOME");
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && fs::path(config).is_absolute()) return fs::path(config) / "epic" / "config.toml";
  if (home != nullptr && fs::path(home).is_absolute()) return fs::path(home) / ".config" / "epic" / "config.toml";
  return fail({.what = "there is no place for a user's settings",
               .why = "neither XDG_CONFIG_HOME nor HOME is set to an absolute path"});
}

Result<UserSettings> parse_user_settings(std::string_view text, const fs::path& file) {
  toml::table root;
  try {
    root = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail({.code = ExitCode::usage,
                 .what = fmt::format("{}:{}: this is not valid TOML: {}", file.string(), error.source().begin.line,
                                     error.description())});
  }
  UserSettings settings;
  for (const auto& [key, node] : root) {
    if (key.str() == kConnection) {
      if (!node.is_table())
        return fail({.code = ExitCode::usage,
                     .what = fmt::format("{}:{}: {} must be a table: write [{}.NAME] and address = \"HOST:PORT\" below",
                                         file.string(), key.source().begin.line, kConnection, kConnection)});
      for (const auto& [name, keys] : *node.as_table()) {
        if (!keys.is_table())
          return fail({.code = ExitCode::usage,
                       .what = fmt::format("{}:{}: \"{}\" is a section: write [{}.{}]", file.string(),
                                           name.source().begin.line, name.str(), kConnection, name.str())});
        auto connection = EPIC_TRY(parse_connection(*keys.as_table(), file, name.str()));
        settings.connections.emplace(std::string(name.str()), std::move(connection));
      }
      continue;
    }
    const auto setting = std::ranges::find(kTable, key.str(), &UserSetting::in_file);
    if (setting == std::end(kTable) || setting->of_user == nullptr)
      return fail(unknown_in_file(file, key, "the file", {"connect", std::string(kConnection)}));
    settings.*setting->of_user = EPIC_TRY(text_at(node, file, key.str()));
  }
  return settings;
}

std::string print_user_settings(const UserSettings& settings) {
  toml::table root;
  for (const UserSetting& setting : kTable)
    if (setting.of_user != nullptr && !(settings.*setting.of_user).empty())
      root.insert(setting.in_file, settings.*setting.of_user);
  toml::table connections;
  for (const auto& [name, connection] : settings.connections) {
    toml::table keys;
    for (const UserSetting& setting : kTable)
      if (setting.of_connection != nullptr && !value_of(setting, connection).empty())
        keys.insert(setting.in_file, value_of(setting, connection));
    connections.insert(name, std::move(keys));
  }
  if (!connections.empty()) root.insert(kConnection, std::move(connections));
  std::ostringstream text;
  text << root << '\n';
  return text.str();
}

Result<UserSettings> read_user_settings() {
  const auto place = user_settings_file();
  if (!place) return UserSettings();
  const fs::path& file = *place;
  std::error_code error;
  if (!fs::exists(fs::symlink_status(file, error))) return UserSettings();
  const auto text = files::read_file(behind_links(file));
  if (!text) return fail(failure_of(text.error()));
  return parse_user_settings(*text, file);
}

Result<void> write_user_settings(const UserSettings& settings) {
  const fs::path file = EPIC_TRY(user_settings_file());
  const fs::path directory = file.parent_path();
  std::error_code error;
  std::vector<fs::path> missing = {directory};  // accepted, and made the user's alone, if it is there
  for (fs::path one = directory.parent_path(); !fs::exists(one, error) && one.has_relative_path();
       one = one.parent_path())
    missing.insert(missing.begin(), one);
  for (const fs::path& one : missing)
    if (const auto made = files::make_directory(one); !made) return fail(failure_of(made.error()));
  if (const auto written = files::replace_file(behind_links(file), print_user_settings(settings)); !written)
    return fail(failure_of(written.error()));
  return {};
}

}  // namespace epic::cli
