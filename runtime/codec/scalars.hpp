#pragma once
// Numbers, bools, enumerations and times as 64 raw bits, as stored in a Cap'n Proto data section.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "codec/wire_layout.hpp"
#include "epic/type_info.hpp"

namespace epic::codec {

/// False for a double that would become infinite or zero as a float, and is neither. Others are rounded.
[[nodiscard]] inline bool fits_float(double number) {
  constexpr double kBeyondFloat = 3.4028235677973366e38;  // half a step above the largest float
  if (number == 0 || !std::isfinite(number)) return true;
  return std::abs(number) < kBeyondFloat && static_cast<float>(number) != 0;
}

template <class T>
[[nodiscard]] T load_as(const void* object) {
  T value;
  std::memcpy(&value, object, sizeof(T));
  return value;
}

template <class T>
void store_as(void* object, T value) {
  std::memcpy(object, &value, sizeof(T));
}

/// The size of a number that looks the same in a slot and in memory; 0 for a kind that must be converted.
[[nodiscard]] inline std::uint8_t plain_bytes(const reflect::TypeInfo& type) {
  const bool is_plain = type.kind >= reflect::Kind::int8 && type.kind <= reflect::Kind::float64;
  return is_plain ? bytes_of(slot_size(type.kind)) : std::uint8_t{0};
}

/// Calls `visit` with a zero of the C++ type of an integer or float; float64 for any other kind.
template <class Visit>
auto with_number(reflect::Kind kind, Visit visit) {
  using reflect::Kind;
  switch (kind) {
    case Kind::int8:
      return visit(std::int8_t{});
    case Kind::int16:
      return visit(std::int16_t{});
    case Kind::int32:
      return visit(std::int32_t{});
    case Kind::int64:
      return visit(std::int64_t{});
    case Kind::uint8:
      return visit(std::uint8_t{});
    case Kind::uint16:
      return visit(std::uint16_t{});
    case Kind::uint32:
      return visit(std::uint32_t{});
    case Kind::uint64:
      return visit(std::uint64_t{});
    case Kind::float32:
      return visit(float{});
    default:
      return visit(double{});
  }
}

/// The bits of a number of this kind as 64 bits, with the sign of a signed integer.
[[nodiscard]] inline std::uint64_t sign_extended(reflect::Kind kind, std::uint64_t bits) {
  if (kind < reflect::Kind::int8 || kind > reflect::Kind::int64) return bits;
  const int unused = 64 - 8 * bytes_of(slot_size(kind));
  return static_cast<std::uint64_t>(static_cast<std::int64_t>(bits << unused) >> unused);
}

/// Copies a number of 1, 2, 4 or 8 bytes.
inline void copy_plain(void* to, const void* from, std::uint8_t size_bytes) {
  switch (size_bytes) {
    case 1:
      std::memcpy(to, from, 1);
      break;
    case 2:
      std::memcpy(to, from, 2);
      break;
    case 4:
      std::memcpy(to, from, 4);
      break;
    default:
      std::memcpy(to, from, 8);
  }
}

/// The bits of a value that occupies a data slot; the upper bits are 0.
[[nodiscard]] inline std::uint64_t load_bits(const reflect::TypeInfo& type, const void* object) {
  using reflect::Kind;
  switch (type.kind) {
    case Kind::boolean:
      return load_as<bool>(object) ? 1 : 0;
    case Kind::enumeration:
      return static_cast<std::uint64_t>(type.enumeration.get(object));
    case Kind::duration:
    case Kind::time_point:
      return type.time.get(object);
    default:
      break;
  }
  std::uint64_t bits = 0;
  copy_plain(&bits, object, static_cast<std::uint8_t>(type.size_bytes));
  return bits;
}

/// The bits in the slot number `offset` of this size.
[[nodiscard]] inline std::uint64_t read_slot(const std::byte* data, SlotSize size, std::size_t offset) {
  if (size == SlotSize::bit) return (static_cast<unsigned>(data[offset / 8]) >> (offset % 8)) & 1U;
  std::uint64_t bits = 0;
  copy_plain(&bits, data + offset * bytes_of(size), bytes_of(size));
  return bits;
}

/// Writes to a slot that is still zero; takes as many of `bits` as fit.
inline void write_slot(std::byte* data, SlotSize size, std::size_t offset, std::uint64_t bits) {
  if (size == SlotSize::bit)
    data[offset / 8] |= static_cast<std::byte>(bits << (offset % 8));
  else
    copy_plain(data + offset * bytes_of(size), &bits, bytes_of(size));
}
inline void write_slot(std::byte* data, Slot slot, std::uint64_t bits) {
  write_slot(data, slot.size, slot.offset, bits);
}

}  // namespace epic::codec
