#pragma once
// memory_of: how much memory a value holds beyond its own object, by its table.
//
// An estimate, from the sizes that libstdc++ on 64 bits has: the heap of strings, containers and boxes, without the
// allocator's own rounding. It is what a memory budget goes by, so it must be cheap and grow with the truth; it need
// not be exact.

#include <cstddef>

#include "epic/type_info.hpp"

namespace epic::reflect {

/// Bytes on the heap that `object`, a value of `type`, owns. Walks the whole value.
[[nodiscard]] std::size_t memory_of(const TypeInfo& type, const void* object);

}  // namespace epic::reflect
