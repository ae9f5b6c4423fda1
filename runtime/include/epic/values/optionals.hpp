#pragma once
// std::optional, and std::unique_ptr as an optional that owns its content elsewhere, so that a type can contain itself.
//
// A unique_ptr is a value here: what it points to is saved and sent with it. Two of them never share, and none can lead
// back to itself, so every such value is a tree.

#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <class T>
inline constexpr bool is_box = false;
/// Without a deleter of its own.
template <class T>
inline constexpr bool is_box<std::unique_ptr<T>> = !std::is_array_v<T> && !std::is_void_v<T>;

/// A unique_ptr, or a container, pair … of some.
template <class T>
inline constexpr bool holds_box = false;
template <template <class...> class Template, class... Args>
inline constexpr bool holds_box<Template<Args...>> = is_box<Template<Args...>> || (holds_box<Args> || ...);

/// A set or map whose order is that of addresses, and so differs on every run.
template <class T>
concept OrderedByAddress = requires { typename T::key_compare; } && is_instance<typename T::key_compare, std::less> &&
                           holds_box<typename T::key_type>;

template <class Value>
struct ValueMaker<std::optional<Value>> {
  using T = std::optional<Value>;
  static TypeInfo make() {
    TypeInfo info = basic<T>(Kind::optional, "optional");
    info.optional = {.element = &type_of<typename T::value_type>,
                     .get = [](const void* o) -> const void* { return as<T>(o) ? &*as<T>(o) : nullptr; },
                     .emplace = [](void* o) -> void* { return &as<T>(o).emplace(); },
                     .reset = [](void* o) { as<T>(o).reset(); }};
    return info;
  }
};

template <class T>
  requires is_box<T>
struct ValueMaker<T> {
  static TypeInfo make() {
    using Element = std::remove_const_t<typename T::element_type>;
    static_assert(
        !std::is_polymorphic_v<Element>,
        "epic: a std::unique_ptr to a class with virtual functions would be saved without what derived classes "
        "add; use a std::variant of the derived classes");
    TypeInfo info = basic<T>(Kind::optional, "optional");
    info.optional = {.element = &type_of<Element>,
                     .get = [](const void* o) -> const void* { return as<T>(o).get(); },
                     .emplace = [](void* o) -> void* {
                       auto made = std::make_unique<Element>();
                       void* const address = made.get();
                       as<T>(o) = std::move(made);
                       return address;
                     },
                     .reset = [](void* o) { as<T>(o).reset(); },
                     .is_boxed = true};
    return info;
  }
};

}  // namespace epic::reflect::detail
