#pragma once
// LiveNames: names for completions: from the running fabric, or else from the store and the last build.
//
// A fabric that does not answer within kPingTimeout counts as down; the command limits the total time.

#include <chrono>
#include <filesystem>
#include <optional>

#include "cli/completion/completion.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/connection.hpp"
#include "cli/project/install_paths.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

class LiveNames final : public NameSource {
 public:
  static constexpr std::chrono::milliseconds kPingTimeout{60};
  static constexpr std::int64_t kNamesMax = 200;

  /// Looks at nothing before it is asked. `place`: of a fabric elsewhere.
  LiveNames(const InstallPaths& install, std::filesystem::path start, std::optional<cluster::RemotePlace> place)
      : install_(install), start_(std::move(start)), place_(std::move(place)) {}

  std::vector<std::string> types() override;
  std::vector<std::string> entities(std::string_view prefix) override;
  std::vector<std::string> methods(std::string_view type) override;
  std::vector<std::string> nodes() override;
  std::vector<std::string> templates() override;
  std::vector<std::string> tests() override;
  std::vector<std::string> scenarios() override;
  std::vector<std::string> settings() override;
  std::vector<std::string> connections() override;

 private:
  /// Looks for the project and its fabric, once.
  void look();
  const Catalog& catalog();

  const InstallPaths& install_;
  std::filesystem::path start_;
  std::optional<cluster::RemotePlace> place_;
  bool has_looked_ = false;
  std::optional<Project> project_;
  std::optional<LiveFabric> fabric_;
  std::optional<Catalog> catalog_;
};

}  // namespace epic::cli
