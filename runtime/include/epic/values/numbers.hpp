#pragma once
// Bool, numbers, std::byte, and enumerations.

#include <array>
#include <boost/describe/enum.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/mp11/algorithm.hpp>
#include <boost/mp11/list.hpp>
#include <concepts>
#include <cstddef>
#include <utility>

#include "epic/values/table.hpp"

namespace epic::reflect::detail {

/// A number with a type of its own, which is all that it holds: codecs read and write the number.
template <class T>
concept NumberLike = requires { typename T::EpicNumber; } && sizeof(T) == sizeof(typename T::EpicNumber);

template <class T>
concept Numeric = std::is_arithmetic_v<T> || std::same_as<T, std::byte> || NumberLike<T>;
template <class T>
concept Enumeration = std::is_enum_v<T> && !Numeric<T>;

template <class T>
constexpr Kind number_kind() {
  if constexpr (std::same_as<T, bool>)
    return Kind::boolean;
  else if constexpr (std::is_floating_point_v<T>)
    return sizeof(T) == 4 ? Kind::float32 : Kind::float64;
  else if constexpr (std::is_signed_v<T>)
    return sizeof(T) == 1 ? Kind::int8 : sizeof(T) == 2 ? Kind::int16 : sizeof(T) == 4 ? Kind::int32 : Kind::int64;
  else
    return sizeof(T) == 1 ? Kind::uint8 : sizeof(T) == 2 ? Kind::uint16 : sizeof(T) == 4 ? Kind::uint32 : Kind::uint64;
}

template <Numeric T>
struct ValueMaker<T> {
  static TypeInfo make() {
    if constexpr (std::same_as<T, bool>) {
      return basic<T>(Kind::boolean, "bool");
    } else if constexpr (std::same_as<T, std::byte>) {
      return basic<T>(Kind::uint8, "uint8");
    } else if constexpr (NumberLike<T>) {
      return basic<T>(number_kind<typename T::EpicNumber>(), name_of<typename T::EpicNumber>());
    } else {
      static_assert(sizeof(T) <= 8, "epic: long double cannot be saved portably; use double");
      return basic<T>(number_kind<T>(), name_of<T>());
    }
  }
};

/// An enum without a fixed underlying type holds only as many bits as its largest enumerator.
template <class T>
bool set_enumeration(void* o, std::int64_t value) {
  using Number = std::underlying_type_t<T>;
  if constexpr (requires { T{Number{}}; }) {
    if (sizeof(Number) < sizeof(value) && !std::in_range<Number>(value)) return false;
  } else {
    std::int64_t lowest = 0;
    std::uint64_t bits = 1;
    boost::mp11::mp_for_each<boost::describe::describe_enumerators<T>>([&](auto d) {
      const auto number = static_cast<std::int64_t>(d.value);
      if (number < lowest) lowest = number;
      bits |= static_cast<std::uint64_t>(number < 0 ? ~number : number);
    });
    for (int shift = 1; shift < 64; shift *= 2) bits |= bits >> shift;
    const auto magnitude = static_cast<std::uint64_t>(value < 0 ? ~value : value);
    if (magnitude > bits || (value < 0 && lowest >= 0)) return false;
  }
  as<T>(o) = static_cast<T>(value);
  return true;
}

template <Enumeration T>
struct ValueMaker<T> {
  static TypeInfo make() {
    static_assert(boost::describe::has_describe_enumerators<T>::value,
                  "epic: describe this enum with BOOST_DESCRIBE_ENUM(Type, values...), so that it is saved by name");
    TypeInfo info = basic<T>(Kind::enumeration, name_of<T>());
    if constexpr (boost::describe::has_describe_enumerators<T>::value) {
      using Described = boost::describe::describe_enumerators<T>;
      static const auto enumerators = []<class... D>(boost::mp11::mp_list<D...>) {
        return std::array<EnumeratorInfo, sizeof...(D)>{
            EnumeratorInfo{D::name, static_cast<std::int64_t>(D::value)}...};
      }(boost::mp11::mp_rename<Described, boost::mp11::mp_list>{});
      info.enumeration = {.enumerators = enumerators,
                          .get = [](const void* o) { return static_cast<std::int64_t>(as<T>(o)); },
                          .set = &set_enumeration<T>};
    }
    return info;
  }
};

}  // namespace epic::reflect::detail
