#pragma once
// Module: what a shared library of entity classes offers to the node that loads it.
//
// EPIC_MODULE(setup, Player, Barrel) goes once into a module. `setup` is `Task<void> setup(epic::Pool)`; it runs once
// per `epic run`, on one node, and again on another if that node dies before it returned: so it must be idempotent.
// A module without one says epic::no_setup.

#include <cstddef>
#include <iterator>
#include <span>

#include "epic/entity_macro.hpp"
#include "epic/pool.hpp"
#include "epic/task.hpp"
#include "epic/version.hpp"

namespace epic {

using EntityInfoFn = const reflect::EntityInfo& (*)();
using SetupFn = Task<void> (*)(Pool);

/// A setup that has nothing to do.
inline Task<void> no_setup(Pool) { co_return; }

struct ModuleInfo {
  const char* abi_tag;
  std::span<const EntityInfoFn> entities;
  SetupFn setup;
};

}  // namespace epic

/// The node reads `epic_module_abi` before it calls anything, and then asks `epic_module` for the tables.
#define EPIC_MODULE(setup_function, ...)                                                                      \
  extern "C" {                                                                                                \
  extern const char epic_module_abi[];                                                                        \
  __attribute__((visibility("default"), used)) const char epic_module_abi[] = EPIC_ABI_TAG;                   \
  __attribute__((visibility("default"), used)) const ::epic::ModuleInfo* epic_module() {                      \
    static const ::epic::EntityInfoFn entities[] = {EPIC_EACH(EPIC_MODULE_ENTITY, __VA_ARGS__) nullptr};      \
    static const ::epic::ModuleInfo info{EPIC_ABI_TAG, {entities, std::size(entities) - 1}, &setup_function}; \
    return &info;                                                                                             \
  }                                                                                                           \
  }
#define EPIC_MODULE_ENTITY(Type) &Type::epic_info,
