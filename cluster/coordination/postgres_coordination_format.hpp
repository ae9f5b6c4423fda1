#pragma once
// The tables of coordination in a database, beside those of a store or alone, with a format number of their own.
//
// They are made or migrated like a store's (storage/postgres_format.hpp), under the same lock.

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>

#include "storage/postgres_connection.hpp"

namespace epic::cluster {

/// A connection that is ready for a PgSession: tables, statements, and the hints of others' changes. `client` is any
/// number of this client alone; the session that it had before has ended when this returns. `silence` as
/// PgConnection::open() has it. Blocks, for several seconds if the server does not answer.
[[nodiscard]] std::expected<storage::PgConnection, storage::StoreError> open_coordination(
    const std::string& url, std::int64_t client, std::chrono::milliseconds silence);

}  // namespace epic::cluster
