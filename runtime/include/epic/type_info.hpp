#pragma once
// TypeInfo: what the system knows about a user's type, as plain tables.
//
// Every value that leaves an entity (an argument, a result, state) has a TypeInfo: its kind, its fields or elements,
// and the few erased operations that reading and writing need. Codecs, the inspector, the snapshot tools and schema
// evolution walk these tables in library code; nothing else in the system knows a user's type. Modules build the tables
// from values.hpp.
//
// Invariant: a table is immutable and lives as long as the module that made it; modules are never unloaded.
// Not here:  how a C++ type becomes a table (values.hpp), bytes on the wire (the codecs).

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace epic {

/// Raw bytes as a value: encoded as one blob, not element by element.
using Bytes = std::vector<std::byte>;

namespace reflect {

/// Borrows a callable for the duration of one call. Never stored.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  FunctionRef(F&& callable)  // NOLINT(google-explicit-constructor): implicit so that lambdas can be passed directly
      : context_(const_cast<void*>(static_cast<const void*>(&callable))), call_([](void* context, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(context))(static_cast<Args&&>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(context_, static_cast<Args&&>(args)...); }

 private:
  void* context_;
  R (*call_)(void*, Args...);
};

/// The layout of the object at the address, and which of the operations below its TypeInfo has.
enum class Kind : std::uint8_t {
  boolean,  // bool
  int8,
  int16,
  int32,
  int64,
  uint8,
  uint16,
  uint32,
  uint64,
  float32,
  float64,
  enumeration,  // `enumeration`: names and numbers
  text,         // `text`: normally UTF-8, but may hold any bytes
  bytes,        // the object is an epic::Bytes
  duration,     // `time`: a count of its unit
  time_point,   // `time`: the same, since the UNIX epoch (system_clock)
  ref,          // `ref`: the name of an entity, "Type/Key"
  optional,     // `optional`: optional, unique_ptr
  variant,      // `variant`: variant, expected
  sequence,     // `sequence`: vector, deque, list, array, bitset, and all sets
  map,          // `map`: all maps
  tuple,        // `fields`, without names: pair, tuple, the arguments of a method
  record,       // `fields`, with names: a described struct, the state of an entity
};

struct TypeInfo;
/// Tables refer to each other through functions, so that a type can contain itself (a tree node with a vector of
/// nodes).
using TypeFn = const TypeInfo& (*)();

/// A part of a record or a tuple.
struct FieldInfo {
  std::string_view name;  // empty in a tuple
  TypeFn type;
  void* (*get)(void* object);                           // address of the part inside the object
  std::span<const std::string_view> former_names = {};  // its names in older snapshots; renamed(old, new)
  const void* get_const(const void* object) const { return get(const_cast<void*>(object)); }
};

struct EnumeratorInfo {
  std::string_view name;
  std::int64_t value;
};

struct EnumerationOps {
  std::span<const EnumeratorInfo> enumerators;
  std::int64_t (*get)(const void* object);
  bool (*set)(void* object, std::int64_t value);  // false: the C++ type cannot hold it
};

/// How to get at a text that is not a std::string; null for a std::string.
struct TextOps {
  std::string_view (*get)(const void* object) = nullptr;
  void (*set)(void* object, std::string_view text) = nullptr;
};

/// What a duration or time counts: units of num/den seconds. Its count travels unchanged, so every time that the C++
/// type can hold keeps its value.
struct TimeUnit {
  std::int64_t num = 1;
  std::int64_t den = 1'000'000'000;
  Kind count = Kind::int64;  // or uint64, float64
  bool is_date = false;      // a year_month_day: the count is that of values/dates.hpp, and the unit is days
  bool operator==(const TimeUnit&) const = default;
};

/// Counts are passed as 64 raw bits of the unit's `count`.
struct TimeOps {
  TimeUnit unit;
  std::uint64_t min = 0;  // the type's own limits
  std::uint64_t max = 0;
  std::uint64_t (*get)(const void* object) = nullptr;
  void (*set)(void* object, std::uint64_t count) = nullptr;  // min <= count <= max
};

struct EntityInfo;
/// The tables of the entity class T once they are made, which a module does when it is loaded. Not a function of T: a
/// Ref<T> needs no complete T. Its address stands for the class.
template <class T>
inline std::atomic<const EntityInfo*> entity_info_of{nullptr};

struct RefOps {
  std::string_view (*get)(const void* object);       // "Type/Key"; empty for a Ref that names no entity
  bool (*set)(void* object, std::string_view name);  // false: not the name of an entity of this class
  const EntityInfo* (*target)();                     // the class; null if no module has it
};

struct OptionalOps {
  TypeFn element;
  const void* (*get)(const void* object);  // null when empty
  void* (*emplace)(void* object);          // makes a default value, to be filled in place
  void (*reset)(void* object);
  bool is_boxed = false;  // unique_ptr: the content is not part of the object, but memory of its own
};

struct VariantOps {
  std::span<const TypeFn> alternatives;
  std::size_t (*index)(const void* object);
  const void* (*get)(const void* object);
  void* (*emplace)(void* object, std::size_t index);  // index < alternatives.size()
  bool is_expected = false;                           // expected: the first is the value, the second the error
};

struct SequenceOps {
  TypeFn element;
  std::size_t fixed_count;  // array, bitset: its size (elements that are not read keep their values); otherwise 0
  std::size_t (*size)(const void* object);
  void (*for_each)(const void* object, FunctionRef<void(const void* element)> visit);
  /// Replaces the content by `count` elements, each filled by `read`; stops and returns false when `read` does.
  /// A fixed sequence ignores elements beyond its size; a set ignores duplicates.
  bool (*assign)(void* object, std::size_t count, FunctionRef<bool(void* element)> read);
  bool is_set = false;
  bool is_unordered = false;  // unordered sets: codecs sort the elements, so that equal values give equal bytes
};

struct MapOps {
  TypeFn key;
  TypeFn value;
  std::size_t (*size)(const void* object);
  void (*for_each)(const void* object, FunctionRef<void(const void* key, const void* value)> visit);
  bool (*assign)(void* object, std::size_t count, FunctionRef<bool(void* key, void* value)> read);
  bool is_unordered = false;  // unordered maps
  bool is_multi = false;      // multimaps: a key may have several values
};

struct TypeInfo {
  Kind kind;
  std::string_view name;   // records and enumerations: the qualified C++ name; others: the kind's name
  std::size_t size_bytes;  // sizeof
  std::span<const FieldInfo> fields = {};
  EnumerationOps enumeration = {};
  TextOps text = {};
  TimeOps time = {};
  RefOps ref = {};
  OptionalOps optional = {};
  VariantOps variant = {};
  SequenceOps sequence = {};
  MapOps map = {};
};

}  // namespace reflect
}  // namespace epic
