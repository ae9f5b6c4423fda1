// One epic::Client used by several threads, each with a number of calls under way, against the same calls by one
// thread, and against threads that have a Client each.

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <semaphore>
#include <thread>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "epic/client.hpp"

using namespace epic::bench;
using bench_module::Echo;
using epic::Client;

namespace {

constexpr std::uint64_t kCalls = 400'000;  // per round
constexpr int kThreads = 4;
constexpr std::ptrdiff_t kUnderWay = 256;  // calls of a thread
constexpr std::int64_t kKeys = 256;        // … to as many entities

/// One thread's calls: the next one is made as soon as there is room.
void call_pipelined(const Client& client, std::int64_t thread, std::uint64_t count) {
  const auto room = std::make_shared<std::counting_semaphore<>>(kUnderWay);  // until the last release() has returned
  for (std::uint64_t i = 0; i < count; ++i) {
    room->acquire();
    const auto number = static_cast<std::int64_t>(i);
    client.async_call(client.get<Echo>(thread * kKeys + number % kKeys)->repeat(number),
                      [room](epic::CallResult<std::int64_t> result) {
                        keep(result.get());
                        room->release();
                      });
  }
  for (std::ptrdiff_t i = 0; i < kUnderWay; ++i) room->acquire();
}

/// `count` calls in all, by threads that use these clients in turn.
void call_from_threads(const std::vector<Client>& clients, std::uint64_t count) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&client = clients[i % clients.size()], i, count] {
      call_pipelined(client, static_cast<std::int64_t>(i), count / kThreads);
    });
}

/// Each call waits for its result before the thread makes the next.
void call_one_by_one(const Client& client, std::uint64_t count) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&client, i, count] {
      const auto echo = client.get<Echo>(i);
      for (std::uint64_t n = 0; n < count / kThreads; ++n) keep(client.call(echo->repeat(1)));
    });
}

std::string per_second(const Timing& timing) { return fmt::format("{:.0f}", 1e9 / timing.median_ns); }

}  // namespace

int main() {
  print_warnings();
  const BenchFabric fabric(2);
  const std::vector<Client> one{fabric.connect()};
  std::vector<Client> own;
  for (int i = 0; i < kThreads; ++i) own.push_back(fabric.connect());
  const std::string shared = fmt::format("{} threads share a Client, {} calls of each under way", kThreads, kUnderWay);
  const Outcome against_one =
      compare({.title = "pipelined calls by epic::Client, 2 nodes",
               .subject = {shared, [&](std::uint64_t count) { call_from_threads(one, count); }},
               .yardstick = {"one thread", [&](std::uint64_t count) { call_pipelined(one.front(), 0, count); }},
               .count = kCalls,
               .rounds = 5});
  const Outcome against_own = compare({.title = "the same against a Client for each thread",
                                       .subject = {shared, [&](std::uint64_t count) { call_from_threads(one, count); }},
                                       .yardstick = {fmt::format("{} threads, a Client each", kThreads),
                                                     [&](std::uint64_t count) { call_from_threads(own, count); }},
                                       .count = kCalls,
                                       .rounds = 5});
  const Timing waiting = measure({"one by one", [&](std::uint64_t count) { call_one_by_one(one.front(), count); }},
                                 kCalls / 20, /*rounds=*/5);
  print_table({{"calls per second", ""},
               {shared, per_second(against_one.subject)},
               {"one thread", per_second(against_one.yardstick)},
               {fmt::format("{} threads, a Client each", kThreads), per_second(against_own.yardstick)},
               {fmt::format("{} threads share a Client, each waits for its call", kThreads), per_second(waiting)}});
}
