#pragma once
// The yardstick of durable increments: as many bare processes as there are nodes, on one SQLite database.
//
// Each takes a flock, upserts a batch of (key, bytes) in one transaction with synchronous=NORMAL, lets the lock go and
// syncs the write-ahead log: durable, in the quickest way known to this project. No epochs, checksums, schemas or
// clocks. SQLite checkpoints by itself, as it does by default.

#include <filesystem>

#include "bench/writers.hpp"

namespace epic::bench {

/// Writers for run_writers(). The database is made at `file`, which must not exist yet.
MakeWriter make_bare_sqlite_writers(const std::filesystem::path& file, const WriterLoad& load);

/// A database at `file` with rows 0 … entities - 1, and reads of one row each.
class BareSqliteReader {
 public:
  BareSqliteReader(const std::filesystem::path& file, const WriterLoad& load);
  BareSqliteReader(const BareSqliteReader&) = delete;
  BareSqliteReader& operator=(const BareSqliteReader&) = delete;
  ~BareSqliteReader();

  /// Copies the row's bytes and returns how many they are.
  std::size_t read(std::size_t row);

 private:
  struct Connection;
  Connection* connection_;
};

}  // namespace epic::bench
