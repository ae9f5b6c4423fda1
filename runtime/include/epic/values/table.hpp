#pragma once
// What the files of this folder share: how a table is begun, and the helpers that look at a C++ type.
//
// Each file specializes ValueMaker for one kind of C++ type. Tables refer to the tables of their parts by type_of,
// which values.hpp defines, so that these files need not include each other.

#include <string_view>

#include "epic/type_info.hpp"

namespace epic::reflect {

template <class T>
const TypeInfo& type_of();

}  // namespace epic::reflect

namespace epic::reflect::detail {

/// ValueMaker<T>::make() returns the table of T. No two specializations may match one type. There is none for described
/// structs, which any other may precede, and none for types that cannot be values.
template <class T>
struct ValueMaker;

template <class T, template <class...> class Template>
inline constexpr bool is_instance = false;
template <class... Args, template <class...> class Template>
inline constexpr bool is_instance<Template<Args...>, Template> = true;

/// The qualified name of T, taken from the compiler's own text for this function.
template <class T>
constexpr std::string_view name_of() {
  constexpr std::string_view text = __PRETTY_FUNCTION__;
  constexpr std::size_t begin = text.find("T = ") + 4;
  return text.substr(begin, text.rfind(']') - begin);
}

template <class T>
constexpr TypeInfo basic(Kind kind, std::string_view name) {
  return TypeInfo{.kind = kind, .name = name, .size_bytes = sizeof(T)};
}

template <class T>
const T& as(const void* object) {
  return *static_cast<const T*>(object);
}
template <class T>
T& as(void* object) {
  return *static_cast<T*>(object);
}

}  // namespace epic::reflect::detail
