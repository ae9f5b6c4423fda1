#pragma once
// Changes to epic.toml that a command makes: one value, and everything else stays as the user wrote it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/project/project.hpp"

namespace epic::cli {

/// `text` of an epic.toml, with this number of shards. Empty if the file is written in a way that needs a person.
[[nodiscard]] std::optional<std::string> with_shards(std::string_view text, std::int64_t shards);

/// In the project's epic.toml, at once. The failure says what to write there.
Result<void> write_shards(const ProjectPaths& paths, std::int64_t shards);

}  // namespace epic::cli
