#pragma once
// open_store: from `[fabric] store = "…"` in epic.toml to a Store. The one list of the kinds that exist.

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "storage/sqlite_store.hpp"
#include "storage/store.hpp"

namespace epic::storage {

struct StoreConfig {
  std::string kind = "sqlite";                    // "sqlite" or "memory"
  std::filesystem::path path = {};                // sqlite: the database file, `.epic/state.sqlite`
  std::optional<std::uint16_t> shard_count = {};  // needed to make a store; a reader may leave it open
  OpenMode mode = OpenMode::existing;
};

/// For a process whose one business is a store: SQLite no longer counts the bytes that it has allocated, which takes a
/// mutex each time (so its heap limits and sqlite3_status() are without effect). Before SQLite's first use, and before
/// there are threads; does nothing later.
void stop_counting_memory();

/// `incompatible` for an unknown kind. A memory store is new each time and belongs to this process, so it cannot be
/// opened for reading: that is `not_found`.
[[nodiscard]] std::expected<std::unique_ptr<Store>, StoreError> open_store(const StoreConfig& config);

}  // namespace epic::storage
