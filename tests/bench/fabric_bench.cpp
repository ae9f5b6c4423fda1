// A fabric of real processes against the simplest programs that do the same: a call to another node, durable
// increments.

#include <fmt/format.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>

#include "bench/bare_socket.hpp"
#include "bench/bare_sqlite.hpp"
#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/increments.hpp"
#include "bench/many_calls.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "kernel/placement.hpp"

using namespace epic::bench;
using bench_module::Account;
using bench_module::Caller;
using bench_module::Echo;
using epic::Client;
using epic::test::TempDir;

namespace {

namespace kernel = epic::kernel;

constexpr int kRounds = 5;
constexpr int kCallers = 64;
constexpr int kFilledAtOnce = 64;
constexpr int kAccounts = 1'000;

/// An Echo on another node than `caller`.
epic::Ref<Echo> find_remote_echo(const BenchFabric& fabric, const Client& client, const epic::Ref<Caller>& caller) {
  for (int key = 0; key < 16; ++key) client.call(caller->call_many(client.get<Echo>(key), 1));
  const std::string home = fabric.list_nodes("Caller").at("Caller/c");
  for (const auto& [name, node] : fabric.list_nodes("Echo"))
    if (node != home) return client.get<Echo>(name.substr(name.find('/') + 1));
  throw std::runtime_error("all entities are on one node");
}

void compare_remote_calls() {
  BareSocketEcho bare;
  const BenchFabric fabric(2);
  const Client client = fabric.connect();
  const auto caller = client.get<Caller>("c");
  const auto echo = find_remote_echo(fabric, client, caller);
  const auto patient = caller.with(std::chrono::hours(1));
  compare({.title = "awaited call to another node, one at a time",
           .subject = {"call",
                       [&](std::uint64_t count) {
                         keep(client.call(patient->call_many(echo, static_cast<std::int64_t>(count))));
                       }},
           .yardstick = {"64-byte round trip over a UNIX socket",
                         [&bare](std::uint64_t count) {
                           for (std::uint64_t i = 0; i < count; ++i) bare.round_trip();
                         }},
           .count = 2'000});
}

void compare_durable_increments() {
  const BenchFabric fabric(4);
  compare_increments(fabric, {}, "bare SQLite writers", [](const WriterLoad& load) {
    const TempDir directory;
    return run_writers(load, make_bare_sqlite_writers(directory.file(), load)).rows_per_second;
  });
}

/// Calls to every account, a few at a time; returns microseconds per call.
double look_at_all(const Client& client, int accounts) {
  std::mutex mutex;
  std::condition_variable ended;
  int next = 0;
  int open = kCallers;
  const std::function<void()> look = [&] {
    int account = 0;
    {
      const std::lock_guard lock(mutex);
      if (next == accounts) {
        if (--open == 0) ended.notify_one();
        return;
      }
      account = next++;
    }
    client.async_call(client.get<Account>(account)->get(), [&look](epic::CallResult<std::int64_t> result) {
      keep(result.get());
      look();
    });
  };
  const auto start = std::chrono::steady_clock::now();
  for (int caller = 0; caller < kCallers; ++caller) look();
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return open == 0; });
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() / accounts;
}

/// Waits until its only node answers again.
Client connect_again(const BenchFabric& fabric) {
  while (true) try {
      Client client = fabric.connect();
      client.call(client.get<Echo>(0)->repeat(0));
      return client;
    } catch (const epic::Error&) {
      ::poll(nullptr, 0, 20);
    }
}

void compare_cold_activations() {
  constexpr int kEntities = 10'000;
  const BenchFabric fabric(1);
  std::vector<double> cold;
  std::vector<double> warm;
  std::vector<double> bare;
  {
    const Client client = fabric.connect();
    for (int key = 0; key < kEntities; ++key) client.call(client.get<Account>(key)->add(1));
  }
  const TempDir directory;
  BareSqliteReader reader(directory.file(), {.rows_per_batch = 1, .entities = kEntities});
  for (int round = 0; round < kRounds; ++round) {
    fabric.kill_node("node-1");
    const Client client = connect_again(fabric);
    cold.push_back(look_at_all(client, kEntities));
    warm.push_back(look_at_all(client, kEntities));
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t row = 0; row < kEntities; ++row) keep(reader.read(row));
    bare.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count() /
                   kEntities);
  }
  const double activation = percentile(cold, 0.5) - percentile(warm, 0.5);
  print_table({{fmt::format("{} entities with stored state, {} calls at once", kEntities, kCallers), "each"},
               {"first call after the node's start", format_duration(percentile(cold, 0.5))},
               {"second call", format_duration(percentile(warm, 0.5))},
               {"activation, the difference", format_duration(activation)},
               {"bare SQLite read", format_duration(percentile(bare, 0.5))},
               {"ratio", fmt::format("{:.2f}", activation / percentile(bare, 0.5))}});
}

/// Calls to the accounts of a killed node, each repeated until it succeeds.
class Failover {
 public:
  explicit Failover(const Client& client) : client_(client) {}

  /// Nanoseconds from the kill to the first answer of each account.
  std::vector<double> run(const std::vector<std::string>& keys, const std::function<void()>& kill) {
    kill();
    killed_ = Clock::now();
    for (const std::string& key : keys) call(key);
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [&] { return times_ns_.size() == keys.size(); });
    return times_ns_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void call(const std::string& key) {
    client_.async_call(client_.get<Account>(key)->add(1), [this, key](epic::CallResult<std::int64_t> result) {
      try {
        keep(result.get());
      } catch (const epic::Error&) {
        return call(key);
      }
      const std::lock_guard lock(mutex_);
      times_ns_.push_back(std::chrono::duration<double, std::nano>(Clock::now() - killed_).count());
      ended_.notify_one();
    });
  }

  const Client& client_;
  Clock::time_point killed_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<double> times_ns_;
};

void measure_failover() {
  const BenchFabric fabric(4);
  const Client client = fabric.connect();
  for (int key = 0; key < kAccounts; ++key) client.call(client.get<Account>(key)->add(1));
  std::vector<double> times;
  for (int round = 0; round < kRounds; ++round) {
    const std::string victim = fmt::format("node-{}", round % 4 + 1);
    std::vector<std::string> keys;
    const std::vector<std::string> owners = fabric.list_owners();
    std::set<std::uint32_t> shards;  // one account per shard
    for (int key = 0; key < kAccounts; ++key) {
      const kernel::ShardId shard =
          kernel::ungrouped(static_cast<std::uint32_t>(owners.size())).shard_of("Account", std::to_string(key));
      if (owners[shard.value] == victim && shards.insert(shard.value).second) keys.push_back(std::to_string(key));
    }
    const auto answers = Failover(client).run(keys, [&] { fabric.kill_node(victim); });
    times.insert(times.end(), answers.begin(), answers.end());
    fabric.wait_until_level();
  }
  print_table({{"from kill -9 of a node to the first answer of a shard", "p50", "p99", "slowest"},
               {fmt::format("{} shards of {} nodes", times.size(), kRounds), format_duration(percentile(times, 0.5)),
                format_duration(percentile(times, 0.99)), format_duration(percentile(times, 1.0))}});
}

/// Increments that run until stopped, a few at a time.
class Load {
 public:
  Load(const Client& client, std::vector<std::string> keys) : client_(client), keys_(std::move(keys)) {}

  void start(int at_once) {
    open_ = at_once;
    for (int i = 0; i < at_once; ++i) make_next();
  }
  /// Nanoseconds from each call to its answer.
  std::vector<double> stop() {
    is_stopping_ = true;
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return open_ == 0; });
    return latencies_ns_;
  }

 private:
  using Clock = std::chrono::steady_clock;

  void make_next() {
    std::unique_lock lock(mutex_);
    if (is_stopping_) {
      if (--open_ == 0) ended_.notify_one();
      return;
    }
    const auto account = client_.get<Account>(keys_[random_() % keys_.size()]);
    lock.unlock();
    client_.async_call(account->add(1), [this, from = Clock::now()](epic::CallResult<std::int64_t> result) {
      keep(result.get());
      {
        const std::lock_guard locked(mutex_);
        latencies_ns_.push_back(std::chrono::duration<double, std::nano>(Clock::now() - from).count());
      }
      make_next();
    });
  }

  const Client& client_;
  std::vector<std::string> keys_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::mt19937_64 random_{1};
  std::atomic<bool> is_stopping_ = false;
  int open_ = 0;
  std::vector<double> latencies_ns_;
};

void measure_handover() {
  constexpr int kEntities = 10'000;
  constexpr int kAtOnce = 8;
  constexpr auto kWindow = std::chrono::seconds(1);  // the same for every build, however long it takes to drain
  std::vector<std::string> keys;
  for (int i = 0; i < kEntities; ++i) keys.push_back(fmt::format("{{shard}}-{}", i));  // all in one shard
  std::vector<double> slowest;
  std::vector<double> all;
  std::vector<double> drains;
  for (int round = 0; round < kRounds; ++round) {
    const BenchFabric fabric(2);
    const Client client = fabric.connect();
    call_all<std::int64_t>(client, kEntities, kFilledAtOnce, [&](std::int64_t i) {
      return client.get<Account>(keys[static_cast<std::size_t>(i)])->add(1);
    });
    const std::string home = fabric.list_nodes("Account").begin()->second;
    Load load(client, keys);
    const auto begin = std::chrono::steady_clock::now();
    load.start(kAtOnce);
    fabric.drain_node(home);
    drains.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
    while (std::chrono::steady_clock::now() < begin + kWindow) client.call(client.get<Account>(keys.front())->add(1));
    const std::vector<double> latencies = load.stop();
    slowest.push_back(percentile(latencies, 1.0));
    all.insert(all.end(), latencies.begin(), latencies.end());
  }
  print_table(
      {{fmt::format("a drained node, one shard with {} active entities", kEntities), "p50", "p99", "slowest"},
       {fmt::format("calls to that shard within a second, {} rounds", kRounds), format_duration(percentile(all, 0.5)),
        format_duration(percentile(all, 0.99)), format_duration(percentile(slowest, 1.0))},
       {"the drain as a whole", format_duration(percentile(drains, 0.5)), "",
        format_duration(percentile(drains, 1.0))}});
}

/// A node with half of the 64 shards hands them over, under a load on all of them.
void measure_drain() {
  constexpr int kEntities = 6'400;
  constexpr int kAtOnce = 8;
  std::vector<std::string> keys;
  for (int i = 0; i < kEntities; ++i) keys.push_back(fmt::format("{}", i));
  std::vector<double> drains;
  std::vector<double> slowest;
  std::vector<double> all;
  for (int round = 0; round < kRounds; ++round) {
    const BenchFabric fabric(2);
    const Client client = fabric.connect();
    call_all<std::int64_t>(client, kEntities, kFilledAtOnce, [&](std::int64_t i) {
      return client.get<Account>(keys[static_cast<std::size_t>(i)])->add(1);
    });
    Load load(client, keys);
    load.start(kAtOnce);
    const auto begin = std::chrono::steady_clock::now();
    fabric.drain_node("node-1");
    drains.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count());
    const std::vector<double> latencies = load.stop();
    slowest.push_back(percentile(latencies, 1.0));
    all.insert(all.end(), latencies.begin(), latencies.end());
  }
  print_table({{fmt::format("a drained node with 32 shards of {} active entities each", kEntities / 64), "p50", "p99",
                "slowest"},
               {fmt::format("calls to all shards meanwhile, {} rounds", kRounds), format_duration(percentile(all, 0.5)),
                format_duration(percentile(all, 0.99)), format_duration(percentile(slowest, 1.0))},
               {"the drain as a whole", format_duration(percentile(drains, 0.5)), "",
                format_duration(percentile(drains, 1.0))}});
}

}  // namespace

/// Runs all of them, or the one named by the argument.
int main(int argc, char** argv) {
  const std::string_view only = argc > 1 ? argv[1] : "";
  constexpr std::pair<std::string_view, void (*)()> kParts[] = {
      {"remote", &compare_remote_calls},   {"increments", &compare_durable_increments},
      {"cold", &compare_cold_activations}, {"failover", &measure_failover},
      {"handover", &measure_handover},     {"drain", &measure_drain}};
  print_warnings();
  for (const auto& [name, run] : kParts)
    if (only.empty() || only == name) run();
}
