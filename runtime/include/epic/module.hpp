#pragma once
// Module: what a shared library of entity classes offers to the node that loads it.
//
// EPIC_MODULE(setup, Player, Barrel) appears once per module. `setup` is a `Task<void> setup(epic::Pool)`. It runs once
// per `epic run`, on one node, and again on another node if that one dies before it returns, so it must be idempotent.
// A module without a setup passes epic::no_setup.

#include <concepts>
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

namespace detail {

/// Whether EPIC_MODULE's first argument is a setup, or an overloaded function that can be one.
template <SetupFn Setup>
consteval bool is_setup() {
  return true;
}
template <auto Other>
  requires(!std::convertible_to<decltype(Other), SetupFn>)
consteval bool is_setup() {
  return false;
}
template <class Class>
consteval bool is_setup() {
  return false;
}

/// The class has an EPIC_ENTITY of its own, not only its base's.
template <class T>
concept HasOwnEpicInfo = HasEpicInfo<T> && requires { requires std::same_as<typename T::EpicSelf, T>; };

}  // namespace detail

struct ModuleInfo {
  const char* abi_tag;
  std::span<const EntityInfoFn> entities;
  SetupFn setup;
};

}  // namespace epic

/// The node checks `epic_module_abi` before it calls anything, then gets the tables from `epic_module`.
#define EPIC_MODULE(setup_function, ...)                                                                              \
  static_assert(                                                                                                      \
      ::epic::detail::is_setup<setup_function>(),                                                                     \
      "epic: the first argument of EPIC_MODULE must be a function epic::Task<void>(epic::Pool), not " #setup_function \
      "; without a setup it is epic::no_setup");                                                                      \
  EPIC_EACH(EPIC_MODULE_CHECK, __VA_ARGS__)                                                                           \
  extern "C" {                                                                                                        \
  extern const char epic_module_abi[];                                                                                \
  __attribute__((visibility("default"), used)) const char epic_module_abi[] = EPIC_ABI_TAG;                           \
  __attribute__((visibility("default"), used)) const ::epic::ModuleInfo* epic_module() {                              \
    static const ::epic::EntityInfoFn entities[] = {EPIC_EACH(EPIC_MODULE_ENTITY, __VA_ARGS__) nullptr};              \
    static const ::epic::ModuleInfo info{EPIC_ABI_TAG, {entities, std::size(entities) - 1}, &setup_function};         \
    return &info;                                                                                                     \
  }                                                                                                                   \
  }
#define EPIC_MODULE_CHECK(Type)                                                      \
  static_assert(::epic::detail::HasOwnEpicInfo<Type>,                                \
                "epic: EPIC_MODULE lists " #Type ", which has no EPIC_ENTITY(" #Type \
                ", ...) at the end of its class");
#define EPIC_MODULE_ENTITY(Type) &Type::epic_info,
