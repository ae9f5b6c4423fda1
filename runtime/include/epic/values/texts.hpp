#pragma once
// Text, paths, bytes, and Refs, which are the names of entities.

#include <concepts>
#include <string>
#include <string_view>
#include <type_traits>

#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <class T>
concept RefLike = requires { typename T::EpicRefTag; };

/// std::filesystem::path, known by its members: modules without paths need not include <filesystem>.
template <class T>
concept PathLike = std::is_class_v<T> && requires(const T& path) {
  { path.native() } -> std::same_as<const std::string&>;
  { path.lexically_normal() } -> std::same_as<T>;
} && std::constructible_from<T, std::string>;

template <>
struct ValueMaker<std::string> {
  static TypeInfo make() { return basic<std::string>(Kind::text, "text"); }
};

template <>
struct ValueMaker<Bytes> {
  static TypeInfo make() { return basic<Bytes>(Kind::bytes, "bytes"); }
};

/// The bytes that the file system has as its name, whatever their encoding.
template <PathLike T>
struct ValueMaker<T> {
  static TypeInfo make() {
    TypeInfo info = basic<T>(Kind::text, "text");
    info.text = {.get = [](const void* o) { return std::string_view(as<T>(o).native()); },
                 .set = [](void* o, std::string_view text) { as<T>(o) = T(std::string(text)); }};
    return info;
  }
};

template <RefLike T>
struct ValueMaker<T> {
  static TypeInfo make() {
    TypeInfo info = basic<T>(Kind::ref, "ref");
    info.ref = {.get = [](const void* o) { return as<T>(o).name(); },
                .set = [](void* o, std::string_view name) { return as<T>(o).try_assign_name(name); },
                .target = []() -> const EntityInfo* { return entity_info_of<typename T::EpicRefTag>; }};
    return info;
  }
};

}  // namespace epic::reflect::detail
