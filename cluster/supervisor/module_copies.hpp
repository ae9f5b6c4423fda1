#pragma once
// ModuleCopies: the copies of the module, as files.

#include <expected>
#include <filesystem>
#include <utility>
#include <vector>

#include "cluster/supervisor/modules.hpp"

namespace epic::cluster {

class ModuleCopies final : public MachineModules {
 public:
  /// Copies `module` into `directory`.
  ModuleCopies(std::filesystem::path module, std::filesystem::path directory)
      : module_(std::move(module)), directory_(std::move(directory)) {}

  /// Copies the current file under the next number: arena-2.so. Shares blocks where the file system can.
  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take() override;
  void remove_all_but(Generation generation) override;

  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take_from(
      const std::filesystem::path& path, Generation generation,
      std::chrono::system_clock::time_point built_at) override;
  [[nodiscard]] const ModuleCopy* find(Generation generation) const override;
  [[nodiscard]] const ModuleCopy* newest() const override { return copies_.empty() ? nullptr : &copies_.back(); }
  void go_on_before(Generation next) override { newest_ = Generation{next.value - 1}; }

 private:
  [[nodiscard]] std::filesystem::path path_of(Generation generation) const;

  std::filesystem::path module_;
  std::filesystem::path directory_;
  Generation newest_{0};
  std::vector<ModuleCopy> copies_;
};

}  // namespace epic::cluster
