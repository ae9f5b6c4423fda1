#pragma once
// Vectors, deques, lists, arrays, and sets with or without duplicates.

#include <array>
#include <concepts>
#include <deque>
#include <list>
#include <set>
#include <unordered_set>
#include <utility>
#include <vector>

#include "epic/values/optionals.hpp"
#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <class T>
inline constexpr bool is_array = false;
template <class T, std::size_t N>
inline constexpr bool is_array<std::array<T, N>> = true;

template <class T>
concept Set = is_instance<T, std::set> || is_instance<T, std::unordered_set>;
template <class T>
concept MultiSet = is_instance<T, std::multiset> || is_instance<T, std::unordered_multiset>;
/// One that is filled from its begin to its end.
template <class T>
concept Appendable =
    (is_instance<T, std::vector> || is_instance<T, std::deque> || is_instance<T, std::list>) && !std::same_as<T, Bytes>;
template <class T>
concept Sequence = Set<T> || MultiSet<T> || Appendable<T> || is_array<T>;

template <class T>
bool assign_sequence(void* o, std::size_t count, FunctionRef<bool(void*)> read) {
  auto& out = as<T>(o);
  if constexpr (is_array<T>) {
    for (std::size_t i = 0; i < count && i < out.size(); ++i)
      if (!read(&out[i])) return false;
  } else {
    out.clear();
    if constexpr (requires { out.reserve(count); }) out.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if constexpr (Set<T> || MultiSet<T> || std::same_as<T, std::vector<bool>>) {
        typename T::value_type element{};
        if (!read(&element)) return false;
        out.insert(out.end(), std::move(element));  // equal ones keep their order
      } else {
        if (!read(&out.emplace_back())) return false;
      }
    }
  }
  return true;
}

template <Sequence T>
struct ValueMaker<T> {
  static TypeInfo make() {
    static_assert(!OrderedByAddress<T>,
                  "epic: the order of std::unique_ptr is that of addresses, which differ on every run; give the set or "
                  "map a comparison of what they point to, or use the values themselves");
    TypeInfo info = basic<T>(Kind::sequence, "sequence");
    std::size_t fixed_count = 0;
    if constexpr (is_array<T>) {
      fixed_count = std::tuple_size_v<T>;
      static_assert(std::tuple_size_v<T> > 0, "epic: an array without elements cannot be a value; leave it out");
    }
    info.sequence = {.element = &type_of<typename T::value_type>,
                     .fixed_count = fixed_count,
                     .size = [](const void* o) { return as<T>(o).size(); },
                     .for_each =
                         [](const void* o, FunctionRef<void(const void*)> visit) {
                           for (const typename T::value_type& element : as<T>(o)) visit(&element);
                         },
                     .assign = &assign_sequence<T>,
                     .is_set = Set<T>,
                     .is_unordered = is_instance<T, std::unordered_set> || is_instance<T, std::unordered_multiset>};
    return info;
  }
};

}  // namespace epic::reflect::detail
