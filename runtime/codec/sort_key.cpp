#include "codec/sort_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string_view>

#include "codec/limits.hpp"
#include "codec/scalars.hpp"
#include "codec/wire_layout.hpp"
#include "reflect/text_of.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using reflect::Kind;
using reflect::TypeInfo;

constexpr std::uint64_t kSignBit = std::uint64_t{1} << 63;

void append_number(std::uint64_t number, std::string& key) {
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(number >> shift);
}

/// Ends with two zeros; a zero inside is followed by 255, so that no key is a prefix of another.
void append_text(std::string_view text, std::string& key) {
  for (const char c : text) {
    key += c;
    if (c == '\0') key += '\xff';
  }
  key.append(2, '\0');
}

std::uint64_t ordered_float(double value) {
  const auto bits = load_as<std::uint64_t>(&value);
  return (bits & kSignBit) != 0 ? ~bits : bits | kSignBit;
}

std::uint64_t ordered_number(const TypeInfo& type, const void* object) {
  const std::uint64_t bits = load_bits(type, object);
  switch (type.kind) {
    case Kind::int8:
    case Kind::int16:
    case Kind::int32:
    case Kind::int64:
      return sign_extended(type.kind, bits) ^ kSignBit;
    case Kind::duration:
    case Kind::time_point:
      return type.time.unit.count == Kind::float64  ? ordered_float(load_as<double>(&bits))
             : type.time.unit.count == Kind::uint64 ? bits
                                                    : bits ^ kSignBit;
    case Kind::enumeration:
      return bits ^ kSignBit;
    case Kind::float32:
      return ordered_float(load_as<float>(object));
    case Kind::float64:
      return ordered_float(load_as<double>(object));
    default:
      return bits;
  }
}

/// Sorts `items` by the keys that `append_key` makes of them.
template <class Item, class AppendKey>
void sort_by_key(std::vector<Item>& items, AppendKey append_key) {
  std::vector<std::pair<std::string, Item>> keyed;
  keyed.reserve(items.size());
  for (const Item& item : items) {
    std::string key;
    append_key(item, key);
    keyed.emplace_back(std::move(key), item);
  }
  std::sort(keyed.begin(), keyed.end(), [](const auto& left, const auto& right) { return left.first < right.first; });
  std::transform(keyed.begin(), keyed.end(), items.begin(), [](const auto& pair) { return pair.second; });
}

/// Appends the keys of one value and of its parts.
class KeyWriter {
 public:
  /// `depth`: of the value that it begins with.
  KeyWriter(std::string& key, int depth) : key_(key), depth_(depth) {}

  void append(const TypeInfo& type, const void* object);

 private:
  void sequence(const TypeInfo& type, const void* object);
  void map(const TypeInfo& type, const void* object);

  std::string& key_;
  int depth_;
};

std::vector<const void*> elements_by_key(const reflect::SequenceOps& ops, const void* object, int depth) {
  std::vector<const void*> elements;
  elements.reserve(ops.size(object));
  ops.for_each(object, [&](const void* element) { elements.push_back(element); });
  const TypeInfo& type = ops.element();
  sort_by_key(elements, [&](const void* element, std::string& key) { KeyWriter(key, depth).append(type, element); });
  return elements;
}

std::vector<MapEntry> entries_by_key(const reflect::MapOps& ops, const void* object, int depth) {
  std::vector<MapEntry> entries;
  entries.reserve(ops.size(object));
  ops.for_each(object, [&](const void* key, const void* value) { entries.push_back({key, value}); });
  sort_by_key(entries, [&](const MapEntry& entry, std::string& key) {
    KeyWriter writer(key, depth);
    writer.append(ops.key(), entry.key);
    if (ops.is_multi) writer.append(ops.value(), entry.value);
  });
  return entries;
}

void KeyWriter::sequence(const TypeInfo& type, const void* object) {
  const TypeInfo& element = type.sequence.element();
  const auto append_element = [&](const void* part) {
    key_ += '\1';
    append(element, part);
  };
  if (type.sequence.is_unordered) {
    for (const void* part : elements_by_key(type.sequence, object, depth_)) append_element(part);
  } else {
    type.sequence.for_each(object, append_element);
  }
  key_ += '\0';
}

void KeyWriter::map(const TypeInfo& type, const void* object) {
  const auto append_entry = [&](const void* entry_key, const void* value) {
    key_ += '\1';
    append(type.map.key(), entry_key);
    append(type.map.value(), value);
  };
  if (type.map.is_unordered) {
    for (const MapEntry& entry : entries_by_key(type.map, object, depth_)) append_entry(entry.key, entry.value);
  } else {
    type.map.for_each(object, append_entry);
  }
  key_ += '\0';
}

void KeyWriter::append(const TypeInfo& type, const void* object) {
  // Keys are made before the value is written, and so before the writer can refuse it.
  if (depth_ > kValueDepthMax)
    throw std::length_error(fmt::format("values of {} are nested more than {} deep and cannot be saved or sent",
                                        reflect::type_text(type), kValueDepthMax));
  ++depth_;
  switch (type.kind) {
    case Kind::text:
      append_text(reflect::text_of(type, object), key_);
      break;
    case Kind::ref:
      append_text(type.ref.get(object), key_);
      break;
    case Kind::bytes: {
      const auto& bytes = *static_cast<const Bytes*>(object);
      append_text({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, key_);
      break;
    }
    case Kind::optional: {
      const void* const value = type.optional.get(object);
      key_ += value == nullptr ? '\0' : '\1';
      if (value != nullptr) append(type.optional.element(), value);
      break;
    }
    case Kind::variant: {
      const std::size_t index = type.variant.index(object);
      append_number(index, key_);
      if (index < type.variant.alternatives.size())
        append(type.variant.alternatives[index](), type.variant.get(object));
      break;
    }
    case Kind::sequence:
      sequence(type, object);
      break;
    case Kind::map:
      map(type, object);
      break;
    case Kind::tuple:
    case Kind::record:
      for (const auto& field : type.fields) append(field.type(), field.get_const(object));
      break;
    default:
      append_number(ordered_number(type, object), key_);
  }
  --depth_;
}

}  // namespace

void append_sort_key(const TypeInfo& type, const void* object, std::string& key) {
  KeyWriter(key, /*depth=*/0).append(type, object);
}

std::vector<const void*> sorted_elements(const reflect::SequenceOps& ops, const void* object) {
  return elements_by_key(ops, object, /*depth=*/0);
}

std::vector<MapEntry> sorted_entries(const reflect::MapOps& ops, const void* object) {
  return entries_by_key(ops, object, /*depth=*/0);
}

}  // namespace epic::codec
