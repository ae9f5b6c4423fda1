#include "bench/increments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <random>
#include <vector>

#include "bench/bench_support.hpp"
#include "bench/modules/fabric_entities.hpp"

namespace epic::bench {

namespace {

using bench_module::Account;
using bench_module::Adder;
using Clock = std::chrono::steady_clock;

/// Callers outside the fabric.
class Increments {
 public:
  Increments(const Client& client, const IncrementLoad& load) : client_(client), load_(load) {}

  struct Result {
    double rows_per_second;
    std::vector<double> latencies_ns;
  };

  Result run() {
    const auto start = Clock::now();
    for (int caller = 0; caller < load_.callers; ++caller) make_next();
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return std::ssize(latencies_ns_) == load_.increments; });
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    return {load_.increments / seconds, latencies_ns_};
  }

 private:
  void make_next() {
    epic::Ref<Account> account(0);
    {
      const std::lock_guard lock(mutex_);
      if (started_ == load_.increments) return;
      ++started_;
      account = client_.get<Account>(static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(load_.accounts)));
    }
    client_.async_call(account->add(1), [this, from = Clock::now()](epic::CallResult<std::int64_t> result) {
      keep(result.get());
      {
        const std::lock_guard lock(mutex_);
        latencies_ns_.push_back(std::chrono::duration<double, std::nano>(Clock::now() - from).count());
        if (std::ssize(latencies_ns_) == load_.increments) ended_.notify_one();
      }
      make_next();
    });
  }

  const Client& client_;
  const IncrementLoad& load_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::mt19937_64 random_{1};
  int started_ = 0;
  std::vector<double> latencies_ns_;
};

struct IncrementRates {
  std::vector<double> epic;
  std::vector<double> bare;
  std::vector<double> batch_rows;
};

/// Bare writers whose batches are as large as those that the nodes made between two counts.
void add_bare(const BenchFabric::Saved& before, const BenchFabric::Saved& after, const IncrementLoad& load,
              const RunBare& run_bare, IncrementRates& rates) {
  const double rows =
      static_cast<double>(after.rows - before.rows) / static_cast<double>(after.commits - before.commits);
  const auto rows_per_batch = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(rows)));
  rates.batch_rows.push_back(rows);
  rates.bare.push_back(run_bare({.batches = load.increments / 4 / static_cast<int>(rows_per_batch),
                                 .rows_per_batch = rows_per_batch,
                                 .entities = static_cast<std::size_t>(load.accounts)}));
}

void print_increments(const IncrementLoad& load, const std::string& callers, const std::string& bare,
                      const IncrementRates& rates) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < rates.epic.size(); ++round)
    ratios.push_back(rates.epic[round] / rates.bare[round]);
  print_table({{fmt::format("durable increments, {} entities, 4 nodes", load.accounts), "rows/s"},
               {fmt::format("{}, {:.1f} rows a commit", callers, percentile(rates.batch_rows, 0.5)),
                fmt::format("{:.0f}", percentile(rates.epic, 0.5))},
               {fmt::format("4 {}, as many rows a batch", bare), fmt::format("{:.0f}", percentile(rates.bare, 0.5))},
               {"ratio of rows/s, round by round", fmt::format("{:.2f}", percentile(ratios, 0.5))},
               {"lowest and highest", fmt::format("{:.2f} … {:.2f}", percentile(ratios, 0), percentile(ratios, 1))}});
}

}  // namespace

double run_inside(const Client& client, const IncrementLoad& load) {
  std::latch ended(load.callers);
  const auto start = Clock::now();
  for (int caller = 0; caller < load.callers; ++caller)
    client.async_call(
        client.get<Adder>(caller).with(std::chrono::hours(1))->add_many(load.accounts, load.increments / load.callers),
        [&ended](epic::CallResult<void> result) {
          result.get();
          ended.count_down();
        });
  ended.wait();
  return load.increments / std::chrono::duration<double>(Clock::now() - start).count();
}

void compare_increments(const BenchFabric& fabric, const IncrementLoad& load, const std::string& bare,
                        const RunBare& run_bare) {
  IncrementRates outside;
  IncrementRates inside;
  std::vector<double> latencies;
  for (int round = 0; round <= load.rounds; ++round) {
    const BenchFabric::Saved first = fabric.count_saved();
    Increments::Result result;
    {
      const Client client = fabric.connect();
      result = Increments(client, load).run();
    }
    const BenchFabric::Saved second = fabric.count_saved();
    if (round == 0) continue;  // warm-up: activates the entities
    outside.epic.push_back(result.rows_per_second);
    latencies.insert(latencies.end(), result.latencies_ns.begin(), result.latencies_ns.end());
    add_bare(first, second, load, run_bare, outside);

    const BenchFabric::Saved third = fabric.count_saved();
    {
      const Client client = fabric.connect();
      inside.epic.push_back(run_inside(client, load));
    }
    add_bare(third, fabric.count_saved(), load, run_bare, inside);
  }
  print_increments(load, fmt::format("epic::Client, {} callers at once", load.callers), bare, outside);
  print_table(
      {{"until a client has its answer", "p50", "p99"},
       {"increment", format_duration(percentile(latencies, 0.5)), format_duration(percentile(latencies, 0.99))}});
  print_increments(load, fmt::format("{} entities, each one call after the other", load.callers), bare, inside);
}

}  // namespace epic::bench
