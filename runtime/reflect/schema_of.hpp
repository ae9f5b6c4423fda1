#pragma once
// Turns a TypeInfo into a Schema, once per type.

#include <memory>
#include <unordered_map>

#include "epic/type_info.hpp"
#include "reflect/schema.hpp"

namespace epic::reflect {

/// Describes `type` and every type it contains. Two different types with one name become "Name" and "Name#2".
[[nodiscard]] Schema schema_of(const TypeInfo& type);

/// Caches schemas by the address of their table: tables are immutable and live as long as the process. Single-threaded.
class SchemaCache {
 public:
  /// The reference stays valid as long as the cache.
  [[nodiscard]] const Schema& get(const TypeInfo& type);

 private:
  std::unordered_map<const TypeInfo*, std::unique_ptr<const Schema>> schemas_;
};

}  // namespace epic::reflect
