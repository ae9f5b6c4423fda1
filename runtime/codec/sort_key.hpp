#pragma once
// Sort keys: a value as bytes with a fixed order, for containers that have no order of their own.
//
// The order of an unordered container depends on its history. Codecs write its elements sorted by these keys, so that
// equal values give equal bytes. Numbers sort numerically, text by its bytes. Values nested deeper than kValueDepthMax
// have none: std::length_error, as from the writer.

#include <string>
#include <vector>

#include "epic/type_info.hpp"

namespace epic::codec {

/// Appends the key of `object`. Different values of one type have different keys (except NaNs with the same bits).
void append_sort_key(const reflect::TypeInfo& type, const void* object, std::string& key);

/// The elements of an unordered sequence, sorted. The addresses are valid until the container changes.
[[nodiscard]] std::vector<const void*> sorted_elements(const reflect::SequenceOps& ops, const void* object);

struct MapEntry {
  const void* key;
  const void* value;
};
/// The entries of an unordered map, sorted by key; those of a multimap by key and value.
[[nodiscard]] std::vector<MapEntry> sorted_entries(const reflect::MapOps& ops, const void* object);

}  // namespace epic::codec
