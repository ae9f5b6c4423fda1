#pragma once
// How large the JSON of a value is at least, at a small part of the cost of writing it.
//
// A node that answers with a user's value decides by it whether to write the JSON at once, elsewhere or not at all.

#include <cstddef>

#include "epic/type_info.hpp"

namespace epic::codec {

/// The number of bytes that the JSON of `object` has at least. Above `enough` it no longer counts everything: lists of
/// numbers take no visit, and the rest of a large value none either.
[[nodiscard]] std::size_t json_bytes_min(const reflect::TypeInfo& type, const void* object, std::size_t enough);

}  // namespace epic::codec
