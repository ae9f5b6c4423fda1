#pragma once
// SettingsText: the settings of epic.toml, as `epic help config` and the manual list them.

#include "cli/parser/help.hpp"

namespace epic::cli {

inline constexpr std::string_view kSettingsExample = "[fabric]\nnodes = 8\nidle_age = \"5m\"";
inline constexpr std::string_view kSettingsOrder =
    "A flag or an environment variable of a command comes before epic.toml, which comes before the default.";

/// "[fabric]", and its settings with what each is for, takes, and is by default.
Sections settings_sections();

}  // namespace epic::cli
