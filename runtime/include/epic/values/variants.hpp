#pragma once
// std::variant, and std::monostate: a value that says nothing but which alternative it is.

#include <array>
#include <cstddef>
#include <utility>
#include <variant>

#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <class... A>
struct ValueMaker<std::variant<A...>> {
  using T = std::variant<A...>;
  static constexpr TypeFn kAlternatives[] = {&type_of<A>...};
  template <std::size_t I>
  static void* emplace_as(void* o) {
    return &as<T>(o).template emplace<I>();
  }
  static void* emplace(void* o, std::size_t index) {
    static constexpr auto makers = []<std::size_t... I>(std::index_sequence<I...>) {
      return std::array<void* (*)(void*), sizeof...(I)>{&emplace_as<I>...};
    }(std::index_sequence_for<A...>{});
    return makers[index](o);
  }
  static TypeInfo make() {
    TypeInfo info = basic<T>(Kind::variant, "variant");
    info.variant = {.alternatives = kAlternatives,
                    .index = [](const void* o) { return as<T>(o).index(); },
                    .get = [](const void* o) -> const void* {
                      return std::visit([](const auto& value) -> const void* { return &value; }, as<T>(o));
                    },
                    .emplace = &emplace};
    return info;
  }
};

/// A record without fields.
template <>
struct ValueMaker<std::monostate> {
  static TypeInfo make() { return basic<std::monostate>(Kind::record, "std::monostate"); }
};

}  // namespace epic::reflect::detail
