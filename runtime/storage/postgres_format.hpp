#pragma once
// The format of a PostgreSQL store: the tables in the schema `epic` of a database, one fabric's.
//
// The same rows as in SQLite (sqlite_format.hpp), with the same checksums, and an own format number: a step of one of
// them need not concern the other. Names and texts are `bytea`, because a key may have any bytes, and listings go by
// them. What batches change is apart from what grants change: a batch locks its shards' rows, and leaves them as they
// are.
//
// Opening for writing makes the tables or migrates them, in one transaction, under a lock that every other such opening
// waits for. `format` and `needs_epic` of `epic.store` stay as they are in every format.

#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "storage/postgres_connection.hpp"

namespace epic::storage {

/// Raised when the tables change; a step joins the migrations.
inline constexpr std::uint32_t kPgFormatVersion = 1;

struct PgFormatOptions {
  std::optional<std::uint32_t> shard_count = {};  // that is expected, or to be made
  kernel::PlacementGroups groups = {};            // of one that is to be made
  bool may_create = false;
  bool may_migrate = false;  // with may_create, too
  std::chrono::system_clock::time_point now = {};
};

struct PgIdentity {
  StoreIdentity identity;
  std::optional<std::string> mark;  // what has happened to the store, if something acknowledged may be missing
  std::int64_t history = 0;         // another one after a person has accepted that
};

/// Makes the tables where there are none and that is allowed, and migrates an older format likewise. `not_found`: there
/// are none. `incompatible`: a newer format, another hash, or another number of shards.
[[nodiscard]] std::expected<PgIdentity, StoreError> open_format(PgConnection& connection, const std::string& url,
                                                                const PgFormatOptions& options);

}  // namespace epic::storage
