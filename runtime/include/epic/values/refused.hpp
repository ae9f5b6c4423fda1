#pragma once
// Types that cannot be values and that people try nevertheless: each is refused with a sentence of its own, which says
// what to use instead.

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "epic/values/table.hpp"

namespace epic {
class File;
}

namespace epic::reflect::detail {

template <class T>
concept Pointer = std::is_pointer_v<T> || std::is_null_pointer_v<T>;
/// A function, however it is kept: a pointer to it, a lambda, a std::function.
template <class T>
concept Function = std::is_function_v<std::remove_pointer_t<T>> || std::is_member_pointer_v<T> ||
                   (std::is_class_v<T> && requires { &T::operator(); });
template <class T>
concept View = is_instance<T, std::basic_string_view>;
template <class T>
inline constexpr bool is_span = false;
template <class T, std::size_t N>
inline constexpr bool is_span<std::span<T, N>> = true;
template <class T>
concept SharedPointer = is_instance<T, std::shared_ptr> || is_instance<T, std::weak_ptr>;
template <class T>
concept OtherString = is_instance<T, std::basic_string> && !std::same_as<T, std::string>;

template <class T>
concept Refused = std::is_reference_v<T> || Pointer<T> || Function<T> || View<T> || is_span<T> || SharedPointer<T> ||
                  std::same_as<T, File> || is_instance<T, std::unique_ptr> || std::is_array_v<T> ||
                  is_instance<T, std::chrono::time_point> || OtherString<T>;

/// Instantiated for a Refused type only.
template <class T>
constexpr void refuse() {
  static_assert(!std::is_reference_v<T>,
                "epic: a reference cannot be an argument, a result or state, because what it refers to stays in its "
                "process; use a copy, or epic::Ref for an entity");
  static_assert(!Function<T>,
                "epic: a function cannot be an argument, a result or state, because another process does not have it; "
                "use data, and a method of an entity that acts on it");
  static_assert(!Pointer<T> || Function<T>,
                "epic: a pointer cannot be an argument, a result or state, because what it points to stays in its "
                "process; use std::unique_ptr or std::optional for a value that may be missing, epic::Ref for an "
                "entity, std::string for text");
  static_assert(!View<T>,
                "epic: a std::string_view cannot be an argument, a result or state, because its text belongs to "
                "something else; use std::string");
  static_assert(!is_span<T>,
                "epic: a std::span cannot be an argument, a result or state, because its elements belong to something "
                "else; use std::vector");
  static_assert(!SharedPointer<T>,
                "epic: a std::shared_ptr cannot be an argument, a result or state, because its copies in other "
                "processes would not share; use std::unique_ptr, or an entity that all have an epic::Ref to");
  static_assert(!std::same_as<T, File>,
                "epic: an epic::File cannot be an argument, a result or state, because only this process has it open; "
                "keep its path, open it in on_activate, and do not list the File in state(...)");
  static_assert(!is_instance<T, std::unique_ptr>,
                "epic: a std::unique_ptr to an array, or with its own deleter, cannot be an argument, a result or "
                "state; use std::vector, or std::unique_ptr<T>");
  static_assert(!std::is_array_v<T>, "epic: an array of C cannot be an argument, a result or state; use std::array");
  static_assert(!is_instance<T, std::chrono::time_point>,
                "epic: a time of this clock cannot be an argument, a result or state, because it means something else "
                "on another machine or after a restart; use std::chrono::system_clock::time_point, or a duration");
  static_assert(!OtherString<T>, "epic: this string cannot be an argument, a result or state; use std::string");
}

}  // namespace epic::reflect::detail
