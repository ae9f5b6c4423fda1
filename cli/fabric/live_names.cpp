#include "cli/fabric/live_names.hpp"

#include "cli/project/scaffold.hpp"

namespace epic::cli {

const Catalog& LiveNames::catalog() {
  if (catalog_) return *catalog_;
  catalog_.emplace();
  if (const auto project = load_project(start_))
    if (auto built = catalog_of_build(project->paths.module_types(project->manifest.module)))
      catalog_ = std::move(built);
  return *catalog_;
}

std::vector<std::string> LiveNames::types() { return catalog().type_names(); }

std::vector<std::string> LiveNames::entities(std::string_view) { return {}; }

std::vector<std::string> LiveNames::methods(std::string_view type) { return catalog().method_names(type); }

std::vector<std::string> LiveNames::nodes() { return {}; }

std::vector<std::string> LiveNames::templates() {
  const auto directory = install_.templates();
  return directory ? template_names(*directory) : std::vector<std::string>();
}

}  // namespace epic::cli
