#pragma once
// std::bitset: a list of bools, the bit 0 first.

#include <bitset>
#include <cstddef>

#include "epic/values/table.hpp"

namespace epic::reflect::detail {

template <std::size_t kCount>
struct ValueMaker<std::bitset<kCount>> {
  using T = std::bitset<kCount>;
  static TypeInfo make() {
    static_assert(kCount > 0, "epic: a bitset without bits cannot be a value; leave it out");
    TypeInfo info = basic<T>(Kind::sequence, "sequence");
    info.sequence = {.element = &type_of<bool>,
                     .fixed_count = kCount,
                     .size = [](const void*) { return kCount; },
                     .for_each =
                         [](const void* o, FunctionRef<void(const void*)> visit) {
                           for (std::size_t i = 0; i < kCount; ++i) {
                             const bool bit = as<T>(o)[i];
                             visit(&bit);
                           }
                         },
                     .assign =
                         [](void* o, std::size_t count, FunctionRef<bool(void*)> read) {
                           for (std::size_t i = 0; i < count && i < kCount; ++i) {
                             bool bit = false;
                             if (!read(&bit)) return false;
                             as<T>(o)[i] = bit;
                           }
                           return true;
                         }};
    return info;
  }
};

}  // namespace epic::reflect::detail
