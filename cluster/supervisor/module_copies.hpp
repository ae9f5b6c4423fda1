#pragma once
// ModuleCopies: the module as it was when the fabric started, and at each restart since.
//
// `epic build` replaces the module's file whenever it likes, and a node that crashes must still come back with the code
// that its neighbours run. So the supervisor copies the file, numbers the copy, and nodes load copies only. The number
// is a generation: code of a larger one is newer.
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
  std::chrono::system_clock::time_point built_at;  // when the file that was copied was last written
};

class ModuleCopies {
 public:
  /// Copies `module` into `directory`.
  ModuleCopies(std::filesystem::path module, std::filesystem::path directory)
      : module_(std::move(module)), directory_(std::move(directory)) {}

  /// The file as it is now, under the next number: arena-2.so. Shares its blocks where the file system can do that.
  [[nodiscard]] std::expected<ModuleCopy, SupervisorError> take();
  /// Removes every copy but this one; for when no node needs them any more.
  void remove_all_but(Generation generation);

 private:
  [[nodiscard]] std::filesystem::path path_of(Generation generation) const;

  std::filesystem::path module_;
  std::filesystem::path directory_;
  Generation newest_{0};
};

}  // namespace epic::cluster
