#pragma once
// LiveNames: names for completions, from whatever knows them soonest, within kPatience altogether.

#include <chrono>
#include <filesystem>
#include <optional>

#include "cli/completion/names.hpp"
#include "cli/fabric/catalog.hpp"
#include "cli/project/install_paths.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

class LiveNames final : public NameSource {
 public:
  /// Nothing is looked at before it is asked for.
  LiveNames(const InstallPaths& install, std::filesystem::path start) : install_(install), start_(std::move(start)) {}

  std::vector<std::string> types() override;
  std::vector<std::string> entities(std::string_view prefix) override;
  std::vector<std::string> methods(std::string_view type) override;
  std::vector<std::string> nodes() override;
  std::vector<std::string> templates() override;

 private:
  const Catalog& catalog();

  const InstallPaths& install_;
  std::filesystem::path start_;
  std::optional<Catalog> catalog_;
};

}  // namespace epic::cli
