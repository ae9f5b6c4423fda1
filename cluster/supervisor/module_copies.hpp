#pragma once
// ModuleCopies: the copies of the module, as files.

#include <expected>
#include <filesystem>
#include <utility>

#include "cluster/supervisor/modules.hpp"

namespace epic::cluster {

class ModuleCopies final : public Modules {
 public:
  /// Copies `module` into `directory`.
  ModuleCopies(std::filesystem::path module, std::filesystem::path directory)
      : module_(std::move(module)), directory_(std::move(directory)) {}

  /// Copies the current file under the next number: arena-2.so. Shares blocks where the file system can.
  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take() override;
  void remove_all_but(Generation generation) override;

 private:
  [[nodiscard]] std::filesystem::path path_of(Generation generation) const;

  std::filesystem::path module_;
  std::filesystem::path directory_;
  Generation newest_{0};
};

}  // namespace epic::cluster
