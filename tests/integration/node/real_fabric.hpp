#pragma once
// A supervisor with real nodes: Supervised, with epic-node and one of the modules.

#include <functional>
#include <string>

#include "epic/version.hpp"
#include "integration/cluster/supervised.hpp"

namespace epic::test {

/// Options for Supervised: `node_count` real nodes with a module of integration/modules, and a store in the project.
[[nodiscard]] inline std::function<void(cluster::SupervisorOptions&)> real_nodes(
    const std::string& module, std::uint16_t node_count,
    const std::function<void(cluster::SupervisorOptions&)>& change = {}) {
  return [=](cluster::SupervisorOptions& options) {
    options.node_program = EPIC_NODE_PROGRAM;
    options.module_path = std::filesystem::path(EPIC_TEST_MODULES) / (module + ".so");
    options.version = EPIC_VERSION_TEXT;
    options.node_count = node_count;
    options.store.location = options.project_directory / ".epic" / "state.sqlite";
    if (change) change(options);
  };
}

}  // namespace epic::test
