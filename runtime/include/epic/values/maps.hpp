#pragma once
// Maps, with one value for a key or several.

#include <map>
#include <unordered_map>
#include <utility>

#include "epic/values/optionals.hpp"
#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <class T>
concept MultiMap = is_instance<T, std::multimap> || is_instance<T, std::unordered_multimap>;
template <class T>
concept Map = is_instance<T, std::map> || is_instance<T, std::unordered_map> || MultiMap<T>;

template <class T>
bool assign_map(void* o, std::size_t count, FunctionRef<bool(void*, void*)> read) {
  auto& out = as<T>(o);
  out.clear();
  for (std::size_t i = 0; i < count; ++i) {
    typename T::key_type key{};
    typename T::mapped_type value{};
    if (!read(&key, &value)) return false;
    if constexpr (MultiMap<T>)
      out.emplace_hint(out.end(), std::move(key), std::move(value));  // equal keys keep their order
    else
      out.insert_or_assign(std::move(key), std::move(value));
  }
  return true;
}

template <Map T>
struct ValueMaker<T> {
  static TypeInfo make() {
    static_assert(!OrderedByAddress<T>,
                  "epic: the order of std::unique_ptr is that of addresses, which differ on every run; give the set or "
                  "map a comparison of what they point to, or use the values themselves");
    TypeInfo info = basic<T>(Kind::map, "map");
    info.map = {.key = &type_of<typename T::key_type>,
                .value = &type_of<typename T::mapped_type>,
                .size = [](const void* o) { return as<T>(o).size(); },
                .for_each =
                    [](const void* o, FunctionRef<void(const void*, const void*)> visit) {
                      for (const auto& [key, value] : as<T>(o)) visit(&key, &value);
                    },
                .assign = &assign_map<T>,
                .is_unordered = is_instance<T, std::unordered_map> || is_instance<T, std::unordered_multimap>,
                .is_multi = MultiMap<T>};
    return info;
  }
};

}  // namespace epic::reflect::detail
