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
