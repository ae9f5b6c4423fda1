#pragma once
// Modules: the module as it was when the fabric started, and at each restart since.
//
// `epic build` replaces the module's file at any time, but a crashed node must restart with the code that its
// neighbours run. So the supervisor copies the file, numbers the copy, and nodes load copies only. The number is a
// generation: a larger one has newer code.
//
// Not here: which node loads which copy (fleet.hpp), what a generation may own (shard_table.hpp), the files
// (module_copies.hpp).

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

class Modules {
 public:
  virtual ~Modules() = default;
  /// Copies the module as it is now, under the next generation.
  [[nodiscard]] virtual std::expected<ModuleCopy, SupervisorError> take() = 0;
  /// Removes every copy except this one, when no node needs them any longer.
  virtual void remove_all_but(Generation generation) = 0;
};

/// Those of one machine of several: each has copies of its own.
class MachineModules : public Modules {
 public:
  /// The copy of a generation that another supervisor has made at `path`, as one of this machine.
  [[nodiscard]] virtual std::expected<ModuleCopy, SupervisorError> take_from(
      const std::filesystem::path& path, Generation generation, std::chrono::system_clock::time_point built_at) = 0;
  /// Of that generation; null: there is none here.
  [[nodiscard]] virtual const ModuleCopy* find(Generation generation) const = 0;
  /// Null: there is none yet.
  [[nodiscard]] virtual const ModuleCopy* newest() const = 0;
  /// The next copy is of that generation.
  virtual void go_on_before(Generation next) = 0;
};

}  // namespace epic::cluster
