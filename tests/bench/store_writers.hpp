#pragma once
// Batches of snapshots through a Store, without nodes: what a node's storage threads do, and nothing else.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/writers.hpp"
#include "storage/store.hpp"
#include "storage/store_address.hpp"

namespace epic::bench {

/// The snapshot of entity `row`, with `bytes`.
storage::PutSnapshot put_of(std::size_t row, kernel::ShardId shard, std::uint64_t version, std::uint64_t replaces,
                            std::string_view bytes);

/// Grants and takes these, as a fabric does for the node `process` + 1.
std::vector<storage::ShardEpoch> grant_and_take(storage::Store& store, const std::vector<kernel::ShardId>& shards,
                                                int process);

/// A writer in this process. Throws std::runtime_error, as all its functions do.
class StoreWriter {
 public:
  /// Makes the store unless another one has.
  StoreWriter(const storage::StoreAddress& address, const WriterLoad& load, int process);
  void commit(int number);

 private:
  WriterLoad load_;
  int process_;
  std::unique_ptr<storage::Store> store_;
  std::vector<storage::ShardEpoch> epochs_;
  std::unordered_map<std::size_t, std::uint64_t> versions_;  // by row
};

/// Writers for run_writers(). The store must be a new one.
MakeWriter make_store_writers(const storage::StoreAddress& address, const WriterLoad& load);

}  // namespace epic::bench
