#pragma once
// Values: how a C++ type becomes a TypeInfo.
//
// The set is deliberately closed: what values/README.md lists, and structs described with Boost.Describe. Any other
// type is refused at compile time, in the user's terms. type_of<T>() is the only entry point.
//
// Not here: what a table means (type_info.hpp), how the table of a kind is made (ValueMaker, in values/).

#include <concepts>
#include <type_traits>

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
concept HasMaker = requires { ValueMaker<T>::make(); };

template <class T>
constexpr void refuse_any() {
  static_assert(!std::is_class_v<T>,
                "epic: this class cannot be an argument, a result or state. If it is your own struct, describe it with "
                "BOOST_DESCRIBE_STRUCT(Type, (), (members...)) right after its definition; otherwise copy what it "
                "contains into such a struct, a std::vector or a std::string");
  static_assert(std::is_class_v<T>,
                "epic: this type cannot be an argument, a result or state. Use numbers, bool, enums, std::string, "
                "epic::Bytes, optional, variant, vector, array, map, set, pair, tuple, chrono types, epic::Ref, or "
                "described structs");
}

template <class T>
TypeInfo make() {
  if constexpr (HasMaker<T> || DescribedStruct<T>)
    static_assert(std::default_initializable<T>,
                  "epic: a value needs a default constructor, so that it can be decoded in place");
  if constexpr (HasMaker<T>) {
    return ValueMaker<T>::make();
  } else if constexpr (DescribedStruct<T>) {
    return make_record<T>();
  } else {
    if constexpr (Refused<T>)
      refuse<T>();
    else
      refuse_any<T>();
    return TypeInfo{};
  }
}

}  // namespace detail

/// The table of T: made on first use, and the same object from then on.
template <class T>
const TypeInfo& type_of() {
  static const TypeInfo info = detail::make<T>();
  return info;
}

}  // namespace epic::reflect
