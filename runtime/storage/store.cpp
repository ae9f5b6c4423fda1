#include "storage/store.hpp"
#include "reflect/try.hpp"

#include <map>

namespace epic::storage {

/// For stores that have no faster way.
std::expected<std::vector<SchemaCount>, StoreError> Store::count_by_schema() {
  std::map<std::pair<std::string, std::uint64_t>, std::uint64_t> counts;
  EPIC_TRY(list(
      {},
      [&](const Snapshot& snapshot) {
        ++counts[{snapshot.type, snapshot.schema.value}];
        return Visit::go_on;
      },
      [](const StoreError&) {}));
  std::vector<SchemaCount> rows;
  for (const auto& [name, entities] : counts)
    rows.push_back({.type = name.first, .schema = kernel::SchemaId{name.second}, .entities = entities});
  return rows;
}

}  // namespace epic::storage
