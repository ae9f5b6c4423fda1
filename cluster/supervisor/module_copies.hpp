#pragma once
// ModuleCopies: the module as it was when the fabric started, and at each restart since.
//
// `epic build` replaces the module's file at any time, but a crashed node must restart with the code that its
// neighbours run. So the supervisor copies the file, numbers the copy, and nodes load copies only. The number is a
// generation: a larger one has newer code.
//
// Not here: which node loads which copy (fleet.hpp), what a generation may own (shard_table.hpp).

#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>

#include "cluster/control/supervisor_error.hpp"
#include "kernel/ids.hpp"

namespace epic::cluster {

/// How often this run of the fabric has copied its module, from 1; 0: never.
using Generation = kernel::StrongId<struct GenerationTag, std::uint32_t>;

struct ModuleCopy {
  Generation generation;
  std::filesystem::path path;
  std::chrono::system_clock::time_point built_at;  // when the copied file was last written
};

class ModuleCopies {
 public:
  /// Copies `module` into `directory`.
  ModuleCopies(std::filesystem::path module, std::filesystem::path directory)
      : module_(std::move(module)), directory_(std::move(directory)) {}

  /// Copies the current file under the next number: arena-2.so. Shares blocks where the file system can.
  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take();
  /// Removes every copy except this one, when no node needs them any longer.
  void remove_all_but(Generation generation);

 private:
  [[nodiscard]] std::filesystem::path path_of(Generation generation) const;

  std::filesystem::path module_;
  std::filesystem::path directory_;
  Generation newest_{0};
};

}  // namespace epic::cluster
