// What idle entities and calls in flight cost: a million transient activations, and a tree of 1,111,111 calls, on one
// node in this process.

#include <fmt/format.h>
#include <time.h>
#include <unistd.h>
#include <epic/epic.hpp>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>

#include "bench/bench_support.hpp"
#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;

namespace {

class Cell : public Entity {
  std::int64_t touched_ = 0;

 public:
  Task<std::int64_t> touch() { co_return ++touched_; }
  EPIC_ENTITY(Cell, state(touched_), methods(touch), transient)
};

/// Each call makes ten more, `depth` times: one entity, or one for each call.
class Branch : public Entity {
 public:
  Task<std::int64_t> count(int depth) {
    if (depth == 0) co_return 1;
    std::vector<Call<std::int64_t>> calls;
    for (int i = 0; i < 10; ++i) calls.push_back(self_of(*this)->count(depth - 1));
    co_return sum_of(co_await gather(std::move(calls)));
  }
  Task<std::int64_t> grow(int depth, std::int64_t number) {
    if (depth == 0) co_return 1;
    std::vector<Call<std::int64_t>> calls;
    for (int i = 0; i < 10; ++i) {
      const std::int64_t child = number * 10 + i;
      calls.push_back(Ref<Branch>(fmt::format("{}.{}", depth, child))->grow(depth - 1, child));
    }
    co_return sum_of(co_await gather(std::move(calls)));
  }
  EPIC_ENTITY(Branch, methods(count, grow), transient)

 private:
  static std::int64_t sum_of(const std::vector<std::int64_t>& counts) {
    std::int64_t sum = 1;
    for (const std::int64_t count : counts) sum += count;
    return sum;
  }
};

class Driver : public Entity {
 public:
  Task<std::int64_t> create(std::int64_t count) {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await Ref<Cell>(i)->touch();
    co_return sum;
  }
  EPIC_ENTITY(Driver, methods(create), transient)
};

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  statm >> size_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

double cpu_seconds() {
  timespec spent{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) + static_cast<double>(spent.tv_nsec) * 1e-9;
}

/// Runs `work`, which must return `expected`, and prints its time and what is resident after it, for each of `count`.
template <class Work>
void measure_once(const char* title, std::int64_t count, std::int64_t expected, Work work) {
  const std::uint64_t before = resident_bytes();
  const double cpu_begin_s = cpu_seconds();
  const auto begin = std::chrono::steady_clock::now();
  const std::int64_t result = work();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const double cpu_s = cpu_seconds() - cpu_begin_s;
  if (result != expected) {
    fmt::print("{}: {} instead of {}\n", title, result, expected);
    std::exit(1);
  }
  fmt::print("{:<40} {:>8.3f} s  CPU {:>6.3f} s  {:>6.0f} ns each  {:>6.0f} bytes resident each\n", title, took.count(),
             cpu_s, cpu_s * 1e9 / static_cast<double>(count),
             (static_cast<double>(resident_bytes()) - static_cast<double>(before)) / static_cast<double>(count));
}

}  // namespace

int main(int, char** arguments) {
  // The allocator reads it when a process starts; a supervisor starts its nodes so.
  if (::setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0) == 0 && std::getenv("EPIC_BENCH_STARTED") == nullptr) {
    ::setenv("EPIC_BENCH_STARTED", "1", 1);
    ::execv("/proc/self/exe", arguments);
  }
  bench::print_warnings();
  static const EntityInfoFn entities[] = {&Cell::epic_info, &Branch::epic_info, &Driver::epic_info};
  const ModuleInfo module{EPIC_ABI_TAG, entities, &no_setup};
  const codec::CapnpCodec codec;
  test::SimFabric fabric({.nodes = 1}, module, codec);
  fabric.call(1, Ref<Driver>("d")->create(0));
  constexpr std::int64_t kCells = 1'000'000;
  constexpr std::int64_t kTree = 1'111'111;
  measure_once("1,000,000 activations by one call each", kCells, kCells,
               [&] { return fabric.call(1, Ref<Driver>("d").with(std::chrono::hours(1))->create(kCells)); });
  measure_once("the same once more, now active", kCells, kCells + kCells,
               [&] { return fabric.call(1, Ref<Driver>("d").with(std::chrono::hours(1))->create(kCells)); });
  measure_once("tree of 1,111,111 calls of one entity", kTree, kTree,
               [&] { return fabric.call(1, Ref<Branch>("root").with(std::chrono::hours(1))->count(6)); });
  measure_once("tree of 1,111,111 entities", kTree, kTree,
               [&] { return fabric.call(1, Ref<Branch>("0").with(std::chrono::hours(1))->grow(6, 0)); });
  return 0;
}
