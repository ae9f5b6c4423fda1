#pragma once
// Durable increments of accounts in a fabric, against bare writers whose batches are as large as the nodes' own.
//
// Each caller waits until its increment is durable before it makes the next one. The two sides take turns, round by
// round, on the same disk or server.

#include <functional>
#include <string>

#include "bench/bench_fabric.hpp"
#include "bench/writers.hpp"
#include "epic/client.hpp"

namespace epic::bench {

struct IncrementLoad {
  int callers = 64;
  int accounts = 1'000;
  int increments = 40'000;  // each round
  int rounds = 11;          // after one that is not counted
};

/// Increments by callers inside the fabric; returns rows per second.
double run_inside(const Client& client, const IncrementLoad& load);

/// Runs bare writers under a load, and returns their rows per second.
using RunBare = std::function<double(const WriterLoad&)>;

/// Runs both, with callers outside the fabric and inside, and prints the tables. `bare`: what the other side is.
void compare_increments(const BenchFabric& fabric, const IncrementLoad& load, const std::string& bare,
                        const RunBare& run_bare);

}  // namespace epic::bench
