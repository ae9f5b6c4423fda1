#pragma once
// Transfers by epic::deliver, until the last one has arrived, against plain durable increments by as many callers: with
// sender and receiver on one node, and on different ones. The accounts have been active before.
//
// Row operations are counted as nodes hand them to the store. Batches that wait there are merged, and if both the
// insert and the removal of a message are in one then, neither is carried out: so a few less may reach the database.

#include <cstdint>
#include <functional>
#include <string>

#include "bench/bench_fabric.hpp"

namespace epic::bench {

struct TransferLoad {
  int rounds = 7;           // after one that is not counted
  std::int64_t each = 400;  // operations of each sender in a round
};

/// What does the same without epic, beside each round of transfers.
struct BareTransfers {
  std::string name = {};
  /// Returns transfers per second, in transactions of `commit_rows` row operations.
  std::function<double(double commit_rows)> run = {};
};

/// Prints the tables. Throws if a transfer was lost, or made twice.
void compare_transfers(const BenchFabric& fabric, const TransferLoad& load, const BareTransfers& bare = {});

}  // namespace epic::bench
