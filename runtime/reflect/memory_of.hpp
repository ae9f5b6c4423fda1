#pragma once
// memory_of: how much memory a value takes beyond its own object, from its table.
//
// An estimate for libstdc++ on 64 bits: the heap used by strings, containers and boxes, without the allocator's
// rounding. Memory budgets use it, so it must be cheap and grow with the real size; it need not be exact.

#include <cstddef>

#include "epic/type_info.hpp"

namespace epic::reflect {

/// Heap bytes owned by `object`, a value of `type`. Visits the whole value.
[[nodiscard]] std::size_t memory_of(const TypeInfo& type, const void* object);

}  // namespace epic::reflect
