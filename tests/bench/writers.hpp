#pragma once
// Writers: several processes that commit batches of rows concurrently, each as fast as it can.
//
// The harness forks them, starts them together and adds up their counts. What a commit does is passed in as a function,
// so that the bare writers of bare_sqlite.hpp and those of epic run under the same load.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace epic::bench {

struct WriterLoad {
  int processes = 4;
  int batches = 400;  // per process
  std::size_t rows_per_batch = 64;
  std::size_t entities = 1'000;  // distinct, over all processes; each process has its own share
  std::size_t row_bytes = 100;
};

/// The entities of batch `batch` in process `process`: numbers below `entities`, each once, as nodes merge what they
/// save.
std::vector<std::size_t> rows_of(const WriterLoad& load, int process, int batch);

/// What each row of a batch becomes: bytes that do not compress.
std::string content_of(const WriterLoad& load, int batch);

/// Commits one batch and returns when it is durable.
using CommitBatch = std::function<void(int batch)>;
/// Called in the new process before the start.
using MakeWriter = std::function<CommitBatch(int process)>;

struct WriterResult {
  double rows_per_second = 0;
  double batch_p50_ns = 0;
  double batch_p99_ns = 0;
};

/// Throws if a writer fails, with its reason.
WriterResult run_writers(const WriterLoad& load, const MakeWriter& make_writer);

}  // namespace epic::bench
