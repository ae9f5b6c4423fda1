#pragma once
// Loads a module of entity classes into the process, once and for good: tables and code stay where they are until the
// process ends.

#include <expected>
#include <filesystem>
#include <string>

#include "epic/module.hpp"

namespace epic::node {

/// Something that keeps a module from being used; `hint` is the way to mend it.
struct ModuleError {
  std::string message;
  std::string hint;
};

/// A module of this version of epic. Its tables are not looked at yet.
[[nodiscard]] std::expected<const ModuleInfo*, ModuleError> load_module(const std::filesystem::path& path);

}  // namespace epic::node
