#include "cli/completion/live_names.hpp"

#include <algorithm>
#include <boost/json/object.hpp>

#include "cli/fabric/stored_fabric.hpp"
#include "cli/project/project_template.hpp"
#include "cli/project/test_run.hpp"
#include "cli/project/user_settings.hpp"

namespace epic::cli {

void LiveNames::look() {
  if (std::exchange(has_looked_, true)) return;
  if (auto project = place_ ? connect_project(*place_) : load_project(start_)) project_.emplace(std::move(*project));
  if (!project_) return;
  auto fabric = LiveFabric::find(project_->paths, kPingTimeout);
  if (fabric && *fabric) fabric_ = std::move(*fabric);
}

const Catalog& LiveNames::catalog() {
  if (catalog_) return *catalog_;
  look();
  if (fabric_) catalog_ = fabric_->catalog(kPingTimeout);
  if (project_ && (!catalog_ || catalog_->types.empty()))
    catalog_ = catalog_of_build(project_->paths.module_types(project_->manifest.module));
  if (!catalog_) catalog_.emplace();
  return *catalog_;
}

std::vector<std::string> LiveNames::types() {
  if (auto names = catalog().type_names(); !names.empty() || !project_) return names;
  auto store = StoredFabric::open(project_->paths);
  if (!store) return {};
  return store->types().value_or(std::vector<std::string>());
}

std::vector<std::string> LiveNames::entities(std::string_view prefix) {
  look();
  const std::size_t slash = prefix.find('/');
  if (!project_ || slash == std::string_view::npos) return {};
  const std::string type(prefix.substr(0, slash));
  const std::string key(prefix.substr(slash + 1));
  std::vector<std::string> names;
  const auto take = [&](std::string entity) {
    if (std::ranges::find(names, entity) == names.end())  // a local class has several instances
      names.push_back(std::move(entity));
    return names.size() < static_cast<std::size_t>(kNamesMax);
  };
  if (fabric_) {
    static_cast<void>(fabric_->stream<control::Ls>({.type = type, .prefix = key, .limit = kNamesMax, .source = "all"},
                                                   [&](const control::Ls::Answer& row) { return take(row.entity); }));
    return names;
  }
  if (auto store = StoredFabric::open(project_->paths))
    static_cast<void>(store->list(
        {.type = type, .key_prefix = key, .limit = kNamesMax}, Detail::summary,
        [&](const boost::json::object& row) { return take(std::string(row.at("entity").as_string())); },
        [](const Damage&) {}));
  return names;
}

std::vector<std::string> LiveNames::methods(std::string_view type) { return catalog().method_names(type); }

std::vector<std::string> LiveNames::nodes() {
  look();
  std::vector<std::string> names;
  if (!fabric_) return names;
  if (const auto ps = fabric_->ask<control::Ps>({}, kPingTimeout))
    for (const control::Ps::Node& node : ps->nodes) names.push_back(node.node);
  return names;
}

std::vector<std::string> LiveNames::templates() {
  const auto directory = install_.templates();
  return directory ? template_names(*directory) : std::vector<std::string>();
}

std::vector<std::string> LiveNames::tests() {
  const auto paths = find_project(start_);
  return paths ? known_tests(*paths) : std::vector<std::string>();
}

std::vector<std::string> LiveNames::scenarios() {
  const auto paths = find_project(start_);
  return paths ? known_scenarios(*paths) : std::vector<std::string>();
}

std::vector<std::string> LiveNames::settings() {
  return known_user_keys(read_user_settings().value_or(UserSettings()));
}

std::vector<std::string> LiveNames::connections() {
  std::vector<std::string> names;
  for (const auto& [name, connection] : read_user_settings().value_or(UserSettings()).connections)
    names.push_back(name);
  return names;
}

}  // namespace epic::cli
