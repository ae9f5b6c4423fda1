#pragma once
// Numbers, bools, enumerations and times as 64 raw bits, as stored in a Cap'n Proto data section.

#include <cstdint>
#include <cstring>

#include "epic/type_info.hpp"

namespace epic::codec {

/// A double that rounds to a float beyond the largest is out of range; the bound is half a step above the largest
/// float.
inline constexpr double kBeyondFloat = 3.4028235677973366e38;

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
  using reflect::Kind;
  switch (type.kind) {
    case Kind::int8:
    case Kind::uint8:
      return 1;
    case Kind::int16:
    case Kind::uint16:
      return 2;
    case Kind::int32:
    case Kind::uint32:
    case Kind::float32:
      return 4;
    case Kind::int64:
    case Kind::uint64:
    case Kind::float64:
      return 8;
    default:
      return 0;
  }
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
      return static_cast<std::uint64_t>(type.time.get_ns(object));
    default:
      break;
  }
  switch (type.size_bytes) {
    case 1:
      return load_as<std::uint8_t>(object);
    case 2:
      return load_as<std::uint16_t>(object);
    case 4:
      return load_as<std::uint32_t>(object);
    default:
      return load_as<std::uint64_t>(object);
  }
}

}  // namespace epic::codec
