// The counter on a simulated fabric whose nodes crash, pause and lose each other. `epic test` runs a few seeds,
// `epic simulate` as many as you like.

#include <catch2/catch.hpp>
#include <chrono>
#include <epic/sim.hpp>

#include "counter.hpp"

namespace {

struct Tally {
  std::int64_t attempted = 0;
  std::int64_t acknowledged = 0;
};

epic::Task<> add_often(epic::sim::Fabric& fabric, std::uint16_t client, Tally& tally) {
  for (int i = 0; i < 20; ++i) {
    ++tally.attempted;
    try {
      co_await fabric.call(fabric.get<Counter>("visits")->add(1), client);
      ++tally.acknowledged;
    } catch (const epic::Error&) {  // it may still have been counted
    }
    co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(1000)));
  }
}

}  // namespace

EPIC_SCENARIO("counter: loses no acknowledged addition, whatever fails", {.nodes = 3, .clients = 2}) {
  Tally tally;
  std::vector<epic::Task<>> clients;
  for (std::uint16_t client = 0; client < 2; ++client) clients.push_back(add_often(fabric, client, tally));
  co_await fabric.all(std::move(clients));
  co_await fabric.settle();

  const auto counter = fabric.get<Counter>("visits");
  const auto value = co_await fabric.insist([&] { return counter->get(); });
  fabric.require(counter, value >= tally.acknowledged && value <= tally.attempted,
                 "the counter is at {}, after {} additions of which {} were acknowledged", value, tally.attempted,
                 tally.acknowledged);
}
