// What functions that block on other threads (epic::blocking) do to everybody else on their node: calls of an unrelated
// entity, one after the other, while ten functions of 100 ms each are under way at any time, against the same calls
// while nothing else goes on. Beside that the same waits in turns, which stop the node.

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "epic/client.hpp"

using namespace epic::bench;
using bench_module::Echo;
using bench_module::Waiter;
using epic::Client;
using std::chrono::steady_clock;

namespace {

constexpr int kAtOnce = 10;
constexpr std::chrono::milliseconds kWait{100};
constexpr std::chrono::seconds kRound{2};
constexpr int kRounds = 5;

enum class Beside { nothing, blocking, in_turns };

struct Seen {
  std::vector<double> latencies_ns;
  std::uint64_t waits = 0;  // that have ended meanwhile
};

/// One round of calls to an entity that has nothing to do with the waits.
void run_round(const Client& client, Beside beside, Seen& seen) {
  std::atomic<bool> is_over = false;
  std::atomic<std::uint64_t> waits = 0;
  std::vector<std::jthread> waiting;
  if (beside != Beside::nothing)
    for (int i = 0; i < kAtOnce; ++i)
      waiting.emplace_back([&, i] {
        const auto waiter = client.get<Waiter>(i);
        for (; !is_over; ++waits)
          client.call(beside == Beside::blocking ? waiter->wait_beside(kWait) : waiter->wait_in_turn(kWait));
      });
  const auto echo = client.get<Echo>("unrelated");
  client.call(echo->repeat(0));
  const auto end = steady_clock::now() + kRound;
  for (auto begin = steady_clock::now(); begin < end;) {
    client.call(echo->repeat(1));
    const auto now = steady_clock::now();
    seen.latencies_ns.push_back(std::chrono::duration<double, std::nano>(now - begin).count());
    begin = now;
  }
  is_over = true;
  waiting.clear();
  seen.waits += waits;
}

std::vector<std::string> row_of(const std::string& title, const Seen& seen) {
  return {
      title,
      fmt::format("{}", seen.latencies_ns.size()),
      format_duration(percentile(seen.latencies_ns, 0.5)),
      format_duration(percentile(seen.latencies_ns, 0.99)),
      format_duration(percentile(seen.latencies_ns, 0.999)),
      fmt::format("{:.1f}", static_cast<double>(seen.waits) / std::chrono::duration<double>(kRound * kRounds).count())};
}

}  // namespace

int main() {
  print_warnings();
  const BenchFabric fabric(1);
  const Client client = fabric.connect();
  Seen alone;
  Seen blocking;
  Seen in_turns;
  for (int round = 0; round < kRounds; ++round) {
    run_round(client, Beside::nothing, alone);
    run_round(client, Beside::blocking, blocking);
    run_round(client, Beside::in_turns, in_turns);
  }
  print_table({{"calls to an unrelated entity of one node", "calls", "median", "p99", "p99.9", "waits per second"},
               row_of("nothing else goes on", alone),
               row_of(fmt::format("{} functions of {} ms in epic::blocking", kAtOnce, kWait.count()), blocking),
               row_of(fmt::format("{} waits of {} ms in turns", kAtOnce, kWait.count()), in_turns)});
}
