#include "storage/open_store.hpp"

#include <sqlite3.h>

#include <fmt/format.h>

#include "kernel/assert.hpp"
#include "storage/memory_store.hpp"

namespace epic::storage {

void stop_counting_memory() { sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

std::expected<std::unique_ptr<Store>, StoreError> open_store(const StoreConfig& config) {
  if (config.kind == "sqlite") {
    return SqliteStore::open(config.path, {.mode = config.mode, .shard_count = config.shard_count});
  }
  if (config.kind == "memory") {
    if (config.mode != OpenMode::create) {
      return std::unexpected(StoreError{StoreErrorCode::not_found,
                                        "the project keeps its state in memory (`store = \"memory\"` in epic.toml), so "
                                        "nothing of it exists outside of a running fabric. Start it with `epic run`."});
    }
    EPIC_ASSERT(config.shard_count.value_or(0) > 0, "a new store needs a shard count");
    return std::make_unique<MemoryStore>(*config.shard_count, &std::chrono::system_clock::now);
  }
  return std::unexpected(StoreError{
      StoreErrorCode::incompatible,
      fmt::format(
          "there is no store of the kind '{}'. Set `store` under [fabric] in epic.toml to \"sqlite\" or \"memory\".",
          config.kind)});
}

}  // namespace epic::storage
