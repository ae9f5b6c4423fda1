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
#include <optional>
#include <string>

#include "cluster/control/supervisor_error.hpp"
#include "kernel/ids.hpp"
#include "protocol/machines.hpp"

namespace epic::cluster {

/// How often this run of the fabric has copied its module, from 1; 0: never, or a copy that has no number yet.
using Generation = kernel::StrongId<struct GenerationTag, std::uint32_t>;

struct ModuleCopy {
  Generation generation;
  std::filesystem::path path;
  std::chrono::system_clock::time_point built_at;  // when the copied file was last written
  std::string digest = {};                         // of its bytes; the same code has the same

  [[nodiscard]] protocol::ModuleOrigin origin() const {
    return {.generation = generation.value, .built_at = built_at, .digest = digest};
  }
};

class Modules {
 public:
  virtual ~Modules() = default;
  /// Copies the module as it is now, under the next generation.
  [[nodiscard]] virtual std::expected<ModuleCopy, SupervisorError> take() = 0;
  /// The same copy under the next generation.
  [[nodiscard]] virtual ModuleCopy number(ModuleCopy copy) = 0;
  /// Removes every copy except this one, when no node needs them any longer.
  virtual void remove_all_but(Generation generation) = 0;
};

/// Those of one machine of several: each has copies of its own, its project's or other machines'. A generation that a
/// leader has begun may have died with it, and the next one uses its number for other code: so a copy is what its
/// digest says.
class MachineModules : public Modules {
 public:
  /// The copy with that digest, under that generation; empty: it is not here. One of generation 0 is to be numbered.
  [[nodiscard]] virtual std::optional<ModuleCopy> find(const protocol::ModuleOrigin& origin) = 0;
  /// Copies a module from another place on this host. Returns its digest, by which it can be found.
  [[nodiscard]] virtual std::expected<std::string, SupervisorError> take_in(const std::filesystem::path& path) = 0;
  /// For another machine. Without bytes if it is not here.
  [[nodiscard]] virtual protocol::ModulePart read(const protocol::ModuleWanted& wanted) = 0;
  /// From another machine, from the first byte on. True when it was the last and find() has the module; an error if
  /// the bytes are not those that the digest says.
  [[nodiscard]] virtual std::expected<bool, SupervisorError> receive(const protocol::ModulePart& part) = 0;
  /// Null: there is none yet.
  [[nodiscard]] virtual const ModuleCopy* newest() const = 0;
  /// The next copy is of that generation.
  virtual void go_on_before(Generation next) = 0;
};

}  // namespace epic::cluster
