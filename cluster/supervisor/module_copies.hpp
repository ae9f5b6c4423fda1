#pragma once
// ModuleCopies: the copies of the module, as files. Those of this machine's project are numbered by their generation;
// those that came from other machines are named by their digest, and are kept from run to run.

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cluster/supervisor/modules.hpp"
#include "files/private_files.hpp"

namespace epic::cluster {

class ModuleCopies final : public MachineModules {
 public:
  static constexpr std::size_t kKeptMax = 4;  // from other machines

  /// Copies `module` into `directory`; if it is empty there is no project here, and take() takes the newest copy again.
  /// Keeps what comes from other machines in `kept`, which is made when it is needed.
  ModuleCopies(std::filesystem::path module, std::filesystem::path directory, std::filesystem::path kept)
      : module_(std::move(module)), directory_(std::move(directory)), kept_(std::move(kept)) {}

  /// Copies the current file under the next number: arena-2.so. Shares blocks where the file system can.
  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take() override;
  [[nodiscard]] ModuleCopy number(ModuleCopy copy) override;
  void remove_all_but(Generation generation) override;

  [[nodiscard]] std::optional<ModuleCopy> find(const protocol::ModuleOrigin& origin) override;
  [[nodiscard]] std::expected<std::string, SupervisorError> take_in(const std::filesystem::path& path) override;
  [[nodiscard]] protocol::ModulePart read(const protocol::ModuleWanted& wanted) override;
  [[nodiscard]] std::expected<bool, SupervisorError> receive(const protocol::ModulePart& part) override;
  [[nodiscard]] const ModuleCopy* newest() const override { return copies_.empty() ? nullptr : &copies_.back(); }
  void go_on_before(Generation next) override { newest_ = Generation{next.value - 1}; }

 private:
  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take_again();
  [[nodiscard]] std::filesystem::path path_of(Generation generation) const;
  [[nodiscard]] std::filesystem::path kept_path(const std::string& digest) const { return kept_ / (digest + ".so"); }
  [[nodiscard]] std::filesystem::path taken_path() const { return kept_ / "taken"; }
  [[nodiscard]] std::filesystem::path part_path() const { return kept_ / "arriving"; }
  [[nodiscard]] std::optional<std::filesystem::path> find_file(const std::string& digest);
  [[nodiscard]] std::expected<bool, SupervisorError> finish(const std::string& digest);
  [[nodiscard]] bool is_in_use(const std::filesystem::path& path) const;
  void remove_oldest();

  std::filesystem::path module_;
  std::filesystem::path directory_;
  std::filesystem::path kept_;
  Generation newest_{0};
  std::vector<ModuleCopy> copies_;
  std::string arriving_;  // the digest of what comes from another machine
  std::uint64_t arrived_bytes_ = 0;
};

}  // namespace epic::cluster
