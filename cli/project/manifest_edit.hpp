#pragma once
// Changes to epic.toml that a command makes: one value, and everything else stays as the user wrote it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/project/project.hpp"

namespace epic::cli {

/// `text` of an epic.toml, with this number of shards; nullopt if it cannot be edited automatically.
[[nodiscard]] std::optional<std::string> with_shards(std::string_view text, std::int64_t shards);

/// Edits the project's epic.toml; a crash leaves the old text or the new one. The failure says what to write there.
Result<void> write_shards(const ProjectPaths& paths, std::int64_t shards);

}  // namespace epic::cli
