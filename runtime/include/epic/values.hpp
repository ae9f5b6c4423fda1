#pragma once
// Values: how a C++ type becomes a TypeInfo.
//
// The set is deliberately closed: what values/README.md lists, and structs described with Boost.Describe. Any other
// type is refused at compile time, in the user's terms. type_of<T>() is the only entry point.
//
// Not here: what a table means (type_info.hpp), how the table of a kind is made (values/).

#include <concepts>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>

#include "epic/type_info.hpp"
#include "epic/values/bitset.hpp"
#include "epic/values/dates.hpp"
#include "epic/values/expected.hpp"
#include "epic/values/maps.hpp"
#include "epic/values/numbers.hpp"
#include "epic/values/optionals.hpp"
#include "epic/values/records.hpp"
#include "epic/values/refused.hpp"
#include "epic/values/sequences.hpp"
#include "epic/values/table.hpp"
#include "epic/values/texts.hpp"
#include "epic/values/times.hpp"
#include "epic/values/variants.hpp"

namespace epic::reflect {

namespace detail {

template <class T>
concept Supported =
    Numeric<T> || std::is_enum_v<T> || std::same_as<T, std::string> || PathLike<T> || std::same_as<T, Bytes> ||
    is_duration<T> || is_system_time<T> || Date<T> || RefLike<T> || is_instance<T, std::optional> || is_box<T> ||
    is_instance<T, std::variant> || std::same_as<T, std::monostate> || is_instance<T, std::expected> || Sequence<T> ||
    is_bitset<T> || Map<T> || Tuple<T> || DescribedStruct<T>;

template <class T>
constexpr void refuse_any() {
  static_assert(!std::is_class_v<T>,
                "epic: this class cannot be an argument, a result or state. If it is your own struct, describe it with "
                "BOOST_DESCRIBE_STRUCT(Type, (), (members...)) right after its definition");
  static_assert(std::is_class_v<T>,
                "epic: this type cannot be an argument, a result or state. Use numbers, bool, enums, std::string, "
                "epic::Bytes, optional, variant, vector, array, map, set, pair, tuple, chrono types, epic::Ref, or "
                "described structs");
}

template <class T>
TypeInfo make() {
  if constexpr (Supported<T>)
    static_assert(std::default_initializable<T>,
                  "epic: a value needs a default constructor, so that it can be decoded in place");
  if constexpr (!Supported<T>) {
    if constexpr (Refused<T>)
      refuse<T>();
    else
      refuse_any<T>();
    return TypeInfo{};
  } else if constexpr (Numeric<T>)
    return make_number<T>();
  else if constexpr (std::is_enum_v<T>)
    return make_enumeration<T>();
  else if constexpr (std::same_as<T, std::string>)
    return basic<T>(Kind::text, "text");
  else if constexpr (PathLike<T>)
    return make_path<T>();
  else if constexpr (std::same_as<T, Bytes>)
    return basic<T>(Kind::bytes, "bytes");
  else if constexpr (is_duration<T>)
    return make_time<T>(Kind::duration, "duration");
  else if constexpr (is_system_time<T>)
    return make_time<T>(Kind::time_point, "time");
  else if constexpr (Date<T>)
    return make_date();
  else if constexpr (RefLike<T>)
    return make_ref<T>();
  else if constexpr (is_instance<T, std::optional>)
    return make_optional<T>();
  else if constexpr (is_box<T>)
    return make_box<T>();
  else if constexpr (is_instance<T, std::variant>)
    return VariantMaker<T>::make();
  else if constexpr (std::same_as<T, std::monostate>)
    return make_monostate();
  else if constexpr (is_instance<T, std::expected>)
    return ExpectedMaker<T>::make();
  else if constexpr (is_bitset<T>)
    return make_bitset<T>();
  else if constexpr (Sequence<T>)
    return make_sequence<T>();
  else if constexpr (Map<T>)
    return make_map<T>();
  else if constexpr (Tuple<T>)
    return make_tuple<T>();
  else
    return make_record<T>();
}

}  // namespace detail

/// The table of T: made on first use, and the same object from then on.
template <class T>
const TypeInfo& type_of() {
  static const TypeInfo info = detail::make<T>();
  return info;
}

}  // namespace epic::reflect
