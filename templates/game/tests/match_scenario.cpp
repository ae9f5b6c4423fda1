// A match on a simulated fabric whose nodes crash, pause and lose each other. `epic test` runs a few seeds,
// `epic simulate` as many as you like.

#include <catch2/catch.hpp>
#include <chrono>
#include <epic/sim.hpp>

#include "match.hpp"

using epic::sim::Fabric;

namespace {

epic::Task<> play(Fabric& fabric, std::string name, std::int64_t& result) {
  std::vector<epic::Ref<Barrel>> barrels;
  for (int number = 0; number < 6; ++number) barrels.push_back(fabric.get<Barrel>(number));
  co_await fabric.sleep(std::chrono::milliseconds(fabric.draw(5000)));
  result = co_await fabric.insist([&] { return fabric.get<Match>(name)->play(fabric.get<Player>("Bob"), barrels); });
}

}  // namespace

EPIC_SCENARIO("match: is played once, whatever fails", {.nodes = 4, .fault_every = std::chrono::milliseconds(500)}) {
  std::vector<std::int64_t> results(4);
  std::vector<epic::Task<>> callers;
  for (std::int64_t& result : results) callers.push_back(play(fabric, "opening", result));
  co_await fabric.all(std::move(callers));
  co_await fabric.settle();

  for (const std::int64_t result : results)
    fabric.require(fabric.get<Match>("opening"), result == results[0], "one caller got {}, another {}", results[0],
                   result);
  const auto bob = fabric.get<Player>("Bob");
  const auto score = co_await fabric.insist([&] { return bob->get_score(); });
  fabric.require(bob, score == results[0], "the match was won with {}, but the score is {}", results[0], score);
}
