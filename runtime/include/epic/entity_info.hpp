#pragma once
// EntityInfo and MethodInfo: what the runtime knows about an entity class, as tables.
//
// EPIC_ENTITY makes one EntityInfo per class. The kernel starts methods through it, the codecs walk `state` and the
// methods' argument tuples, and the inspector prints it.
//
// Not here: TypeInfo (type_info.hpp), how the macro fills the tables (entity_macro.hpp).

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <typeinfo>
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
  TypeFn arguments;  // a tuple; a record if params(…) names them
  TypeFn result;     // null: void
  Access access;     // read_only: a const method, which never dirties the state
  Locking locking;
  ::epic::detail::CallRecord* (*make_record)();  // default arguments, to decode into; the caller owns it
  bool (*is_method)(const std::type_info& type, const void* pointer);  // whether it is the method that `pointer` (of
                                                                       // that type) points to
  const void* owner;  // stands for the C++ class that declares it: &entity_info_of<Class>
};

/// A name that a method had before: renamed(old, new).
struct FormerMethod {
  std::string_view name;
  const MethodInfo* now;
};

/// When a class's state is saved, and what waits for it.
enum class Durability : std::uint8_t {
  gated,      // output waits until the states it has observed are durable
  interval,   // saved at least this often; a crash may lose that much
  transient,  // never saved
};

inline constexpr int kLocalInstancesMax = 256;

struct EntityInfo {
  std::string_view type_name;                                     // as in "Type/Key"
  const void* self = nullptr;                                     // stands for the C++ class: &entity_info_of<T>
  std::vector<const EntityInfo*> bases;                           // base(…), direct and indirect
  std::vector<std::string_view> former_names;                     // named("Player", formerly("Hero")), newest first
  std::string_view group;                                         // together(Room); empty: none
  TypeInfo state;                                                 // a record; its object is what `object` returns
  std::vector<FieldInfo> state_fields;                            // storage of state.fields
  std::vector<std::vector<std::string_view>> former_field_names;  // per field, from renamed(old, new)
  std::vector<const MethodInfo*> methods;
  std::vector<FormerMethod> former_methods;
  std::vector<std::string_view> unlisted_params;   // methods with params(…) that are not listed: refused at load
  std::vector<std::string_view> unlisted_renames;  // new names in renamed(…) that are not listed: likewise
  bool class_exclusive = false;
  Durability durability = Durability::gated;
  std::uint32_t local_max = 0;  // local(n): a call runs on its caller's node, on one of so many instances of its key;
                                // 0: the class is placed
  std::chrono::nanoseconds save_interval{0};
  bool has_on_activate = false;
  bool has_on_deactivate = false;

  Entity* (*create)() = nullptr;
  void (*destroy)(Entity*) noexcept = nullptr;
  void* (*object)(Entity*) = nullptr;

  /// The oldest name. It places and stores the class's entities, so that nodes of two versions agree.
  [[nodiscard]] std::string_view stored_name() const { return former_names.empty() ? type_name : former_names.back(); }

  /// Whether this class is `other`, or derived from it by base(…).
  [[nodiscard]] bool is_a(const EntityInfo& other) const {
    if (stored_name() == other.stored_name()) return true;
    return std::ranges::any_of(bases, [&](const EntityInfo* base) { return base->is_a(other); });
  }

  /// Whether `method` can run on an object of this class.
  [[nodiscard]] bool has(const MethodInfo& method) const {
    return method.owner == self || std::ranges::find(methods, &method) != methods.end();
  }

  /// By its name, or a former one. Null if there is none.
  [[nodiscard]] const MethodInfo* find_method(std::string_view name) const {
    for (const MethodInfo* method : methods)
      if (method->name == name) return method;
    for (const FormerMethod& former : former_methods)
      if (former.name == name) return former.now;
    return nullptr;
  }
};

}  // namespace reflect
}  // namespace epic
