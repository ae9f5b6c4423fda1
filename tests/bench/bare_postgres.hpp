#pragma once
// The yardstick for durable increments and transfers in a PostgreSQL database: as many bare libpq processes as there
// are nodes, on the same server.
//
// Each upserts a batch of (key, bytes) in one transaction and one round trip, in pipeline mode and with prepared
// statements. The first statement is a fence: it locks the batch's shards and fails unless they have the right epoch.
// No marks, versions, checksums, schemas or clocks.

#include <string>

#include "bench/writers.hpp"

namespace epic::bench {

/// Writers for run_writers(). `url`: of a role that owns the schema `epic`, in which they make tables of their own that
/// must not be there.
MakeWriter make_bare_postgres_writers(const std::string& url, const WriterLoad& load);

/// The same for transfers: a batch of `rows_per_batch` rows, an even number, is half as many transfers. It upserts both
/// rows of each, adds a message for each, and removes those of the batch before.
MakeWriter make_bare_postgres_transfers(const std::string& url, const WriterLoad& load);

}  // namespace epic::bench
