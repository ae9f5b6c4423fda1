#include "reflect/memory_of.hpp"

#include <string>

namespace epic::reflect {

namespace {

constexpr std::size_t kShortTextBytes = 15;  // stored inside a std::string itself
constexpr std::size_t kNodeBytes = 40;       // overhead per element of a tree or hash table
constexpr std::size_t kNameBytes = 64;       // of a Ref's name, which several Refs may share

/// Plain numbers own nothing on the heap, so their elements need no visit.
bool is_flat(Kind kind) { return kind <= Kind::enumeration || kind == Kind::duration || kind == Kind::time_point; }

std::size_t of_sequence(const TypeInfo& type, const void* object) {
  const TypeInfo& element = type.sequence.element();
  std::size_t bytes = type.sequence.fixed_count > 0 ? 0 : type.sequence.size(object) * element.size_bytes;
  if (is_flat(element.kind)) return bytes;
  type.sequence.for_each(object, [&](const void* one) { bytes += memory_of(element, one); });
  return bytes;
}

std::size_t of_map(const TypeInfo& type, const void* object) {
  const TypeInfo& key = type.map.key();
  const TypeInfo& value = type.map.value();
  std::size_t bytes = type.map.size(object) * (key.size_bytes + value.size_bytes + kNodeBytes);
  if (is_flat(key.kind) && is_flat(value.kind)) return bytes;
  type.map.for_each(object, [&](const void* one_key, const void* one_value) {
    bytes += memory_of(key, one_key) + memory_of(value, one_value);
  });
  return bytes;
}

}  // namespace

std::size_t memory_of(const TypeInfo& type, const void* object) {
  switch (type.kind) {
    case Kind::text: {
      const std::size_t held = static_cast<const std::string*>(object)->capacity();
      return held > kShortTextBytes ? held + 1 : 0;
    }
    case Kind::bytes:
      return static_cast<const Bytes*>(object)->capacity();
    case Kind::ref:
      return type.ref.get(object).empty() ? 0 : kNameBytes + type.ref.get(object).size();
    case Kind::optional: {
      const void* held = type.optional.get(object);
      return held == nullptr ? 0 : memory_of(type.optional.element(), held);
    }
    case Kind::variant:
      return memory_of(type.variant.alternatives[type.variant.index(object)](), type.variant.get(object));
    case Kind::sequence:
      return of_sequence(type, object);
    case Kind::map:
      return of_map(type, object);
    case Kind::tuple:
    case Kind::record: {
      std::size_t bytes = 0;
      for (const FieldInfo& field : type.fields) bytes += memory_of(field.type(), field.get_const(object));
      return bytes;
    }
    default:
      return 0;
  }
}

}  // namespace epic::reflect
