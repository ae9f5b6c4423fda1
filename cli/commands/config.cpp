// epic config list, get, set, unset: the user's own settings.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"
#include "cli/project/user_settings.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kConfigKey{
    .name = "KEY", .summary = "A setting, such as connection.prod", .completes = Completes::setting};
constexpr PositionalSpec kConfigKeyOnly[] = {kConfigKey};
constexpr PositionalSpec kConfigKeyAndValue[] = {
    kConfigKey, {.name = "VALUE", .summary = "Its value from now on", .completes = Completes::file}};

constexpr ExitNote kConfigExitCodes[] = {
    {ExitCode::failed, "the setting has no value, or the file cannot be written"},
    {ExitCode::usage, "there is no such setting, or it does not take that value; or the file is not valid"},
};

constexpr Column kConfigColumns[] = {{"KEY", "key"}, {"VALUE", "value"}, {"ORIGIN", "origin"}};

Outcome run_config_list(Context& context, const Arguments&) {
  const auto settings = EPIC_TRY(read_user_settings());
  const std::string file = EPIC_TRY(user_settings_file()).string();
  Table table(context.console(), kConfigColumns);
  for (const SetSetting& one : list_set(settings))
    table.add(boost::json::object{{"key", one.key}, {"value", one.value}, {"origin", file}});
  table.finish();
  return ExitCode::ok;
}

Outcome run_config_get(Context& context, const Arguments& arguments) {
  const auto settings = EPIC_TRY(read_user_settings());
  const std::string key = *arguments.word(0);
  const std::string value = EPIC_TRY(get_setting(settings, key));
  if (value.empty())
    return fail({.what = fmt::format("{} is not set", key), .help = {"'epic config list' lists what is"}});
  Console& console = context.console();
  console.is_json() ? console.print_json(boost::json::object{{"key", key}, {"value", value}}) : console.print(value);
  return ExitCode::ok;
}

Outcome run_config_set(Context&, const Arguments& arguments) {
  auto settings = EPIC_TRY(read_user_settings());
  EPIC_TRY(set_setting(settings, *arguments.word(0), *arguments.word(1)));
  EPIC_TRY(write_user_settings(settings));
  return ExitCode::ok;
}

Outcome run_config_unset(Context&, const Arguments& arguments) {
  auto settings = EPIC_TRY(read_user_settings());
  EPIC_TRY(unset_setting(settings, *arguments.word(0)));
  EPIC_TRY(write_user_settings(settings));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kConfigListCommand{
    .path = "config list",
    .group = Group::tool,
    .summary = "List your own settings",
    .description =
        "Those that have a value, and where it comes from: $XDG_CONFIG_HOME/epic/config.toml, or\n"
        "~/.config/epic/config.toml. They are your connections to fabrics elsewhere; the settings of a project are in\n"
        "its epic.toml ('epic help config').\n\n"
        "Which fabric a command looks at, the first that there is: --connect; EPIC_CONNECT; the project in which it\n"
        "runs, or that -C names; outside of projects the setting connect.",
    .example = "epic config list\nepic config list -o json",
    .exit_codes = kConfigExitCodes,
    .run = run_config_list,
};

constexpr Command kConfigGetCommand{
    .path = "config get",
    .group = Group::tool,
    .summary = "Print one of your own settings",
    .description = "See 'epic help config set' for what there is.",
    .example = "epic config get connection.prod",
    .positionals = kConfigKeyOnly,
    .exit_codes = kConfigExitCodes,
    .run = run_config_get,
};

constexpr Command kConfigSetCommand{
    .path = "config set",
    .group = Group::tool,
    .summary = "Change one of your own settings",
    .description =
        "connection.prod is a fabric elsewhere, for --connect prod: the address of one of its supervisors. With\n"
        "connection.prod.secret_file or connection.prod.certificates goes what proves that you may use it. The "
        "setting\n"
        "connect is the fabric that commands outside of projects look at. 'epic help config' lists all settings.\n\n"
        "Only you can read the file, ~/.config/epic/config.toml; secrets are not in it, only their paths.",
    .example =
        "epic config set connection.prod 10.0.0.1:7420\nepic config set connection.prod.secret_file ~/arena.secret\n"
        "epic ps --connect prod\nepic config set connect prod",
    .positionals = kConfigKeyAndValue,
    .exit_codes = kConfigExitCodes,
    .run = run_config_set,
};

constexpr Command kConfigUnsetCommand{
    .path = "config unset",
    .group = Group::tool,
    .summary = "Remove one of your own settings",
    .description = "A connection goes with its secret's path, and as the default of commands outside of projects.",
    .example = "epic config unset connection.prod",
    .positionals = kConfigKeyOnly,
    .exit_codes = kConfigExitCodes,
    .run = run_config_unset,
};

}  // namespace epic::cli
