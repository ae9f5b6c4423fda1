#pragma once
// How a TypeInfo becomes a Schema, once.

#include <memory>
#include <unordered_map>

#include "epic/type_info.hpp"
#include "reflect/schema.hpp"

namespace epic::reflect {

/// Describes `type` and all that it contains. Two different types of one name become "Name" and "Name#2".
[[nodiscard]] Schema schema_of(const TypeInfo& type);

/// Remembers the schemas of tables, by address: tables are immutable and live as long as the process. One thread.
class SchemaCache {
 public:
  /// The reference stays valid as long as the cache.
  [[nodiscard]] const Schema& get(const TypeInfo& type);

 private:
  std::unordered_map<const TypeInfo*, std::unique_ptr<const Schema>> schemas_;
};

}  // namespace epic::reflect
