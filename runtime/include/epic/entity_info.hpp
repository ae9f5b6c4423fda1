#pragma once
// EntityInfo and MethodInfo: what the runtime knows of an entity class, as tables.
//
// EPIC_ENTITY makes one EntityInfo a class. The kernel starts methods through it, codecs walk `state` and the methods'
// argument tuples, the inspector prints it.
//
// Not here: TypeInfo (type_info.hpp), how the macro fills the tables (entity_macro.hpp).

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "epic/type_info.hpp"

namespace epic {
class Entity;
namespace detail {
class CallRecord;
}

namespace reflect {

/// How an exclusive method takes the entity's lock.
enum class Locking : std::uint8_t { none, exclusive };
enum class Access : std::uint8_t { read_write, read_only };

struct MethodInfo {
  std::string_view name;
  TypeFn arguments;  // a tuple; a record when params(…) names them
  TypeFn result;     // null: void
  Access access;     // read_only: a const method, which never dirties the state
  Locking locking;
  detail::CallRecord* (*make_record)();  // default arguments, to be read into; one count, the caller's
};

/// When a class's state is saved, and what waits for it.
enum class Durability : std::uint8_t {
  gated,      // what leaves the node waits for the states that it has seen
  interval,   // saved at least so often; a crash may lose that much
  transient,  // never saved
};

struct EntityInfo {
  std::string_view type_name;                                     // as in "Type/Key"
  std::vector<std::string_view> former_names;                     // named("Player", formerly("Hero")), newest first
  TypeInfo state;                                                 // a record; object is the void* that `object` gives
  std::vector<FieldInfo> state_fields;                            // what state.fields spans
  std::vector<std::vector<std::string_view>> former_field_names;  // by field, from renamed(old, new)
  std::vector<const MethodInfo*> methods;
  std::vector<std::string_view> unlisted_params;  // params(…) of methods that are not listed: refused when loaded
  bool class_exclusive = false;
  Durability durability = Durability::gated;
  std::chrono::nanoseconds save_interval{0};
  bool has_on_activate = false;
  bool has_on_deactivate = false;

  Entity* (*create)() = nullptr;
  void (*destroy)(Entity*) noexcept = nullptr;
  void* (*object)(Entity*) = nullptr;

  /// The oldest name, which places and stores the class's entities: nodes of two versions agree on it.
  [[nodiscard]] std::string_view stored_name() const { return former_names.empty() ? type_name : former_names.back(); }

  /// Null when there is none.
  [[nodiscard]] const MethodInfo* find_method(std::string_view name) const {
    for (const MethodInfo* method : methods)
      if (method->name == name) return method;
    return nullptr;
  }
};

}  // namespace reflect
}  // namespace epic
