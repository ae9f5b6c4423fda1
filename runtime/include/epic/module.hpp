#pragma once
// Module: what a shared library of entity classes offers to the node that loads it.
//
// EPIC_MODULE(setup, Player, Barrel) appears once per module. `setup` is a `Task<void> setup(epic::Pool)`. It runs once
// per `epic run`, on one node, and again on another node if that one dies before it returns, so it must be idempotent.
// A module without a setup passes epic::no_setup.

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

/// A setup that does nothing.
inline Task<void> no_setup(Pool) { co_return; }

struct ModuleInfo {
  const char* abi_tag;
  std::span<const EntityInfoFn> entities;
  SetupFn setup;
};

}  // namespace epic

/// The node checks `epic_module_abi` before it calls anything, then gets the tables from `epic_module`.
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
