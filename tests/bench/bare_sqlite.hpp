#pragma once
// The yardstick for durable increments: as many bare processes as there are nodes, on one SQLite database.
//
// Each takes a flock, upserts a batch of (key, bytes) in one transaction with synchronous=NORMAL, releases the lock and
// syncs the write-ahead log: the fastest durable commit that this project knows. No epochs, checksums, schemas or
// clocks. SQLite checkpoints automatically, its default.

#include <filesystem>

#include "bench/writers.hpp"

namespace epic::bench {

/// Writers for run_writers(). Creates the database `file`, which must not exist.
MakeWriter make_bare_sqlite_writers(const std::filesystem::path& file, const WriterLoad& load);

/// A database at `file` with rows 0 … entities - 1, and single-row reads of it.
class BareSqliteReader {
 public:
  BareSqliteReader(const std::filesystem::path& file, const WriterLoad& load);
  BareSqliteReader(const BareSqliteReader&) = delete;
  BareSqliteReader& operator=(const BareSqliteReader&) = delete;
  ~BareSqliteReader();

  /// Copies the row's bytes and returns their number.
  std::size_t read(std::size_t row);

 private:
  struct Connection;
  Connection* connection_;
};

}  // namespace epic::bench
