#pragma once
// Loads a module of entity classes into the process. It is never unloaded: tables and code stay until the process ends.

#include <expected>
#include <filesystem>
#include <string>

#include "epic/module.hpp"

namespace epic::node {

/// Why a module cannot be used; `hint` says how to fix it.
struct ModuleError {
  std::string message;
  std::string hint;
};

/// A module of this version of epic. Its tables have not been read yet.
[[nodiscard]] std::expected<const ModuleInfo*, ModuleError> load_module(const std::filesystem::path& path);

}  // namespace epic::node
