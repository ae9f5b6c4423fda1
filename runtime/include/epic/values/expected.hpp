#pragma once
// std::expected: a value, or the reason why there is none, told apart by their place and not by their type.
//
// A method that returns an error in an expected has succeeded: its turn is saved, and the caller gets the error as a
// value. An exception reaches the caller as an exception.

#include <cstddef>
#include <expected>
#include <type_traits>
#include <variant>

#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <class Value, class Error>
struct ValueMaker<std::expected<Value, Error>> {
  using T = std::expected<Value, Error>;
  static constexpr bool kHasValue = !std::is_void_v<Value>;
  static constexpr TypeFn kAlternatives[] = {&type_of<std::conditional_t<kHasValue, Value, std::monostate>>,
                                             &type_of<Error>};
  static inline std::monostate nothing;  // what an expected<void, E> holds

  static const void* get(const void* o) {
    const T& expected = as<T>(o);
    if (!expected.has_value()) return &expected.error();
    if constexpr (kHasValue)
      return &*expected;
    else
      return &nothing;
  }
  static void* emplace(void* o, std::size_t index) {
    T& expected = as<T>(o);
    if (index == 1) {
      expected = std::unexpected<Error>(Error());
      return &expected.error();
    }
    if constexpr (kHasValue) {
      expected = Value();
      return &*expected;
    } else {
      expected.emplace();
      return &nothing;
    }
  }
  static TypeInfo make() {
    TypeInfo info = basic<T>(Kind::variant, "variant");
    info.variant = {.alternatives = kAlternatives,
                    .index = [](const void* o) -> std::size_t { return as<T>(o).has_value() ? 0 : 1; },
                    .get = &get,
                    .emplace = &emplace,
                    .is_expected = true};
    return info;
  }
};

}  // namespace epic::reflect::detail
