#pragma once
// Sort keys: a value as bytes whose order is the same everywhere, for containers that have no order of their own.
//
// The elements of an unordered_set come in an order that depends on its history; codecs write them sorted by these
// keys, so that equal values give equal bytes. Numbers sort as numbers, text by its bytes.

#include <string>
#include <vector>

#include "epic/type_info.hpp"

namespace epic::codec {

/// Appends the key of `object`. Keys of different values of one type differ (but for NaNs of the same bits).
void append_sort_key(const reflect::TypeInfo& type, const void* object, std::string& key);

/// The elements of an unordered sequence, sorted. Addresses are good until the container changes.
[[nodiscard]] std::vector<const void*> sorted_elements(const reflect::SequenceOps& ops, const void* object);

struct MapEntry {
  const void* key;
  const void* value;
};
/// The entries of an unordered map, sorted by key.
[[nodiscard]] std::vector<MapEntry> sorted_entries(const reflect::MapOps& ops, const void* object);

}  // namespace epic::codec
