#pragma once
// UserSettings: a user's own settings, in $XDG_CONFIG_HOME/epic/config.toml, or ~/.config/epic/config.toml: fabrics
// elsewhere by names of the user's, and which of them commands outside of projects look at.
//
//     connect = "prod"
//     [connection.prod]
//     address = "10.0.0.1:7420"
//     secret_file = "/home/ann/arena.secret"
//
// One table (user_settings.cpp) has every setting: it reads, checks, lists and documents them. `epic config` names them
// as connect, connection.prod (the address) and connection.prod.secret_file. The file is the user's alone, and is
// replaced as a whole.
//
// Not here: epic.toml (manifest.hpp).

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

struct SavedConnection {
  std::string address;       // what parse_machine_address() takes
  std::string secret_file;   // absolute, as the next one
  std::string certificates;  // a directory, instead of a secret
};

struct UserSettings {
  std::string connect;  // the name of a connection, or an address
  std::map<std::string, SavedConnection, std::less<>> connections;
};

/// A kind of setting, for help.
struct UserSettingText {
  std::string key;  // "connection.NAME.secret_file"
  std::string summary;
  std::string accepts;
};
[[nodiscard]] std::vector<UserSettingText> list_user_settings();

/// A setting that has a value.
struct SetSetting {
  std::string key;
  std::string value;
};
[[nodiscard]] std::vector<SetSetting> list_set(const UserSettings& settings);
/// The keys that may be set now: those of each connection, too.
[[nodiscard]] std::vector<std::string> known_user_keys(const UserSettings& settings);

/// Empty if it has no value; fails for a key that does not exist.
[[nodiscard]] Result<std::string> get_setting(const UserSettings& settings, std::string_view key);
/// Checks it; paths become absolute.
[[nodiscard]] Result<void> set_setting(UserSettings& settings, std::string_view key, const std::string& value);
/// "connection.prod" takes its secret along. Fails if it has no value.
[[nodiscard]] Result<void> unset_setting(UserSettings& settings, std::string_view key);

[[nodiscard]] Result<std::filesystem::path> user_settings_file();
/// Those of the file; without one there are none.
[[nodiscard]] Result<UserSettings> read_user_settings();
[[nodiscard]] Result<void> write_user_settings(const UserSettings& settings);
/// Like read_user_settings(), but from text; `file` is only for messages.
[[nodiscard]] Result<UserSettings> parse_user_settings(std::string_view text, const std::filesystem::path& file);
[[nodiscard]] std::string print_user_settings(const UserSettings& settings);

}  // namespace epic::cli
