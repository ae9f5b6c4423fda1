#pragma once
// SHA-256 of files: what a copy of a module is known by, whatever its name and wherever it came from.

#include <expected>
#include <filesystem>
#include <string>

#include "files/private_files.hpp"

namespace epic::files {

/// 64 hexadecimal digits.
[[nodiscard]] std::expected<std::string, Refusal> digest_of(const std::filesystem::path& path);

}  // namespace epic::files
