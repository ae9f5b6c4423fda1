#include "reflect/key_bytes.hpp"

#include <algorithm>
#include <vector>

#include "reflect/text_of.hpp"

namespace epic::reflect {

namespace {

constexpr int kKeyDepthMax = 128;

}  // namespace

void KeyBytes::add_long(const void* bytes, std::size_t count) {
  if (count == 0) return;
  if (long_.empty()) long_.assign(inline_.data(), size_);
  size_ = inline_.size() + 1;
  const std::size_t room = size_max_ - std::min(size_max_, long_.size());
  is_whole_ = is_whole_ && count <= room;
  long_.append(static_cast<const char*>(bytes), std::min(count, room));
}

/// Of an unordered one, the elements in the order of their bytes.
void KeyBytes::add_sequence(const TypeInfo& type, const void* object, int depth) {
  const TypeInfo& element = type.sequence.element();
  add_number(type.sequence.size(object));
  if (!type.sequence.is_unordered) {
    type.sequence.for_each(object, [&](const void* one) {
      if (is_whole_) add_any(element, one, depth + 1);
    });
    return;
  }
  std::vector<std::string> elements;
  type.sequence.for_each(object, [&](const void* one) {
    KeyBytes bytes(size_max_);
    bytes.add_any(element, one, depth + 1);
    is_whole_ = is_whole_ && bytes.is_whole_;
    elements.emplace_back(bytes.view());
  });
  std::ranges::sort(elements);
  for (const std::string& one : elements) add_text(one);
}

void KeyBytes::add_map(const TypeInfo& type, const void* object, int depth) {
  std::vector<std::string> entries;
  type.map.for_each(object, [&](const void* key, const void* value) {
    KeyBytes bytes(size_max_);
    bytes.add_any(type.map.key(), key, depth + 1);
    bytes.add_any(type.map.value(), value, depth + 1);
    is_whole_ = is_whole_ && bytes.is_whole_;
    entries.emplace_back(bytes.view());
  });
  if (type.map.is_unordered) std::ranges::sort(entries);
  add_number(entries.size());
  for (const std::string& one : entries) add_text(one);
}

void KeyBytes::add_any(const TypeInfo& type, const void* object, int depth) {
  if (depth == kKeyDepthMax) is_whole_ = false;
  if (!is_whole_) return;
  switch (type.kind) {
    case Kind::boolean:
    case Kind::int8:
    case Kind::int16:
    case Kind::int32:
    case Kind::int64:
    case Kind::uint8:
    case Kind::uint16:
    case Kind::uint32:
    case Kind::uint64:
    case Kind::float32:
    case Kind::float64:
      return add_raw(object, type.size_bytes);
    case Kind::enumeration:
      return add_number(static_cast<std::uint64_t>(type.enumeration.get(object)));
    case Kind::text:
      return add_text(text_of(type, object));
    case Kind::bytes: {
      const Bytes& bytes = *static_cast<const Bytes*>(object);
      return add_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    case Kind::duration:
    case Kind::time_point:
      return add_number(type.time.get(object));
    case Kind::ref:
      return add_text(type.ref.get(object));
    case Kind::optional: {
      const void* const held = type.optional.get(object);
      add_raw(held == nullptr ? "-" : "+", 1);
      return held == nullptr ? void() : add_any(type.optional.element(), held, depth + 1);
    }
    case Kind::variant: {
      const std::size_t index = type.variant.index(object);
      add_number(index);
      if (index >= type.variant.alternatives.size()) return;  // valueless by exception
      return add_any(type.variant.alternatives[index](), type.variant.get(object), depth + 1);
    }
    case Kind::sequence:
      return add_sequence(type, object, depth);
    case Kind::map:
      return add_map(type, object, depth);
    case Kind::tuple:
    case Kind::record:
      for (const FieldInfo& field : type.fields) add_any(field.type(), field.get_const(object), depth + 1);
      return;
  }
}

}  // namespace epic::reflect
