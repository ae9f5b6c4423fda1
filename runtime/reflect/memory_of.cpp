#include "reflect/memory_of.hpp"

#include <string>

#include "reflect/limits.hpp"
#include "reflect/text_of.hpp"

namespace epic::reflect {

namespace {

constexpr std::size_t kShortTextBytes = 15;  // stored inside a std::string itself
constexpr std::size_t kNodeBytes = 40;       // overhead per element of a tree or hash table
constexpr std::size_t kNameBytes = 64;       // of a Ref's name, which several Refs may share

/// Plain numbers own nothing on the heap, so their elements need no visit.
bool is_flat(Kind kind) { return kind <= Kind::enumeration || kind == Kind::duration || kind == Kind::time_point; }

std::size_t of_any(const TypeInfo& type, const void* object, int depth);

std::size_t of_sequence(const TypeInfo& type, const void* object, int depth) {
  const TypeInfo& element = type.sequence.element();
  std::size_t bytes = type.sequence.fixed_count > 0 ? 0 : type.sequence.size(object) * element.size_bytes;
  if (is_flat(element.kind)) return bytes;
  type.sequence.for_each(object, [&](const void* one) { bytes += of_any(element, one, depth + 1); });
  return bytes;
}

std::size_t of_map(const TypeInfo& type, const void* object, int depth) {
  const TypeInfo& key = type.map.key();
  const TypeInfo& value = type.map.value();
  std::size_t bytes = type.map.size(object) * (key.size_bytes + value.size_bytes + kNodeBytes);
  if (is_flat(key.kind) && is_flat(value.kind)) return bytes;
  type.map.for_each(object, [&](const void* one_key, const void* one_value) {
    bytes += of_any(key, one_key, depth + 1) + of_any(value, one_value, depth + 1);
  });
  return bytes;
}

std::size_t of_text(const TypeInfo& type, const void* object) {
  const std::size_t held =
      type.text.get == nullptr ? static_cast<const std::string*>(object)->capacity() : text_of(type, object).size();
  return held > kShortTextBytes ? held + 1 : 0;
}

std::size_t of_optional(const TypeInfo& type, const void* object, int depth) {
  const void* const held = type.optional.get(object);
  if (held == nullptr) return 0;
  const TypeInfo& element = type.optional.element();
  return (type.optional.is_boxed ? element.size_bytes : 0) + of_any(element, held, depth + 1);
}

std::size_t of_any(const TypeInfo& type, const void* object, int depth) {
  if (depth == kValueDepthMax) return 0;  // only a transient value is deeper: what is below is not counted
  switch (type.kind) {
    case Kind::text:
      return of_text(type, object);
    case Kind::bytes:
      return static_cast<const Bytes*>(object)->capacity();
    case Kind::ref:
      return type.ref.get(object).empty() ? 0 : kNameBytes + type.ref.get(object).size();
    case Kind::optional:
      return of_optional(type, object, depth);
    case Kind::variant: {
      const std::size_t index = type.variant.index(object);
      if (index >= type.variant.alternatives.size()) return 0;  // valueless by exception
      return of_any(type.variant.alternatives[index](), type.variant.get(object), depth + 1);
    }
    case Kind::sequence:
      return of_sequence(type, object, depth);
    case Kind::map:
      return of_map(type, object, depth);
    case Kind::tuple:
    case Kind::record: {
      std::size_t bytes = 0;
      for (const FieldInfo& field : type.fields) bytes += of_any(field.type(), field.get_const(object), depth + 1);
      return bytes;
    }
    default:
      return 0;
  }
}

}  // namespace

std::size_t memory_of(const TypeInfo& type, const void* object) { return of_any(type, object, /*depth=*/0); }

}  // namespace epic::reflect
