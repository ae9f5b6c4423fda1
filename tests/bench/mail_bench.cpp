// Transfers in a fabric of four nodes on SQLite, against plain durable increments.

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/transfers.hpp"

int main() {
  epic::bench::print_warnings();
  epic::bench::compare_transfers(epic::bench::BenchFabric(4), {});
}
