#pragma once
// What a module reports about itself, read from the file before any of its code runs.
//
// Loading runs a module's constructors and binds its symbols, so a module compiled for another version of epic must be
// recognised before that: its `epic_module_abi` is read from the ELF file as bytes.

#include <expected>
#include <filesystem>
#include <optional>
#include <string>

#include "node/elf_file.hpp"

namespace epic::node {

/// The text of `epic_module_abi`. The error is a sentence with the path. Safe for any file.
[[nodiscard]] std::expected<std::string, std::string> read_module_abi(const std::filesystem::path& path);

/// The same from a file that has been read; empty if it has none.
[[nodiscard]] std::optional<std::string> find_module_abi(const ElfFile& module);

}  // namespace epic::node
