#include <catch2/catch.hpp>
#include <chrono>
#include <epic/script.hpp>
#include <epic/testing.hpp>

#include "picture.hpp"
#include "plain_world.hpp"
#include "region.hpp"
#include "world.hpp"

using namespace std::chrono_literals;
using epic::testing::calls;
using epic::testing::Node;
using epic::testing::Script;

namespace {

const Plan kSmall{.world = "small", .seed = 7, .regions = 2, .side = 8, .density = 40};

Tally run_on(Node& node, const Plan& plan, std::int64_t step) {
  const auto world = node.get<World>(plan.world);
  node.call(world->set_plan(plan));
  return node.call(world.with(1h)->run_to(step));
}

}  // namespace

TEST_CASE("rules: a world lives, and a step computed again is the same step") {
  const Tally begin = run_plainly(kSmall, 0);
  const Tally later = run_plainly(kSmall, 60);
  CHECK(begin.agents > 50);
  CHECK(later.agents > 0);
  CHECK(later.digest != begin.digest);
  CHECK(run_plainly(kSmall, 60).digest == later.digest);
  CHECK(run_plainly({.world = "small", .seed = 8, .regions = 2, .side = 8, .density = 40}, 60).digest != later.digest);
}

TEST_CASE("region: waits for its four neighbours, and for no one else") {
  Script<Region> region("small/0-0");
  auto batch = region.call<&Region::advance>(kSmall, Place{}, 0, 1);
  region.expect(calls<&Checkpoint::get>("Checkpoint/small/0-0")).answer(Saved{});

  auto leavers = region.call<&Region::get_leavers>(1, 0);  // the first half of the step is done
  CHECK(leavers.has_ended());
  auto later = region.call<&Region::get_leavers>(2, 0);
  CHECK_FALSE(later.has_ended());

  const Agent guest{.id = 1'000, .x = 0, .y = 3, .energy = 20};
  const auto west = region.expect(calls<&Region::get_leavers>("Region/small/1-0"));
  CHECK(west.arguments() == std::tuple{1, 0});
  const auto north = region.expect(calls<&Region::get_leavers>("Region/small/0-1"));
  const auto east = region.expect(calls<&Region::get_leavers>("Region/small/1-0"));
  CHECK(east.argument<1>() == 2);
  const auto south = region.expect(calls<&Region::get_leavers>("Region/small/0-1"));
  for (const auto* other : {&north, &east, &south}) other->answer(std::vector<Agent>{});
  CHECK_FALSE(batch.has_ended());
  west.answer(std::vector{guest});

  const auto kept = region.expect(calls<&Checkpoint::keep>("Checkpoint/small/0-0"));
  CHECK(kept.argument<0>().step == 1);
  CHECK(kept.argument<0>().log.size() == 1);
  CHECK(std::ranges::count(kept.argument<0>().field.agents, guest.id, &Agent::id) == 1);
  kept.answer();
  CHECK(batch.result().step == 1);
}

TEST_CASE("region: a neighbour that is lost is asked again") {
  Script<Region> region("small/0-0");
  auto batch = region.call<&Region::advance>(kSmall, Place{}, 0, 1);
  region.expect(calls<&Checkpoint::get>("Checkpoint/small/0-0")).answer(Saved{});
  region.expect(calls<&Region::get_leavers>("Region/small/1-0")).fail(epic::NodeLost("its node has died"));
  for (const char* other : {"Region/small/0-1", "Region/small/1-0", "Region/small/0-1"})
    region.expect(calls<&Region::get_leavers>(other)).answer(std::vector<Agent>{});

  region.expect(epic::testing::sleeps(100ms));
  region.expect(calls<&Region::get_leavers>("Region/small/1-0")).answer(std::vector<Agent>{});
  region.expect(calls<&Checkpoint::keep>("Checkpoint/small/0-0")).answer();
  CHECK(batch.result().step == 1);
}

TEST_CASE("world: becomes the same as in one piece, in regions of any size") {
  Node node;
  for (const Plan& plan : {kSmall, Plan{.world = "fine", .seed = 7, .regions = 8, .side = 2, .density = 40},
                           Plan{.world = "finest", .seed = 7, .regions = 16, .side = 1, .density = 40}}) {
    const Tally tally = run_on(node, plan, 25);
    CHECK(tally.step == 25);
    CHECK(tally.digest == run_plainly(kSmall, 25).digest);
  }
}

TEST_CASE("world: goes on after a crash by itself, and becomes the same") {
  Node node;
  node.call(node.get<World>("small")->set_plan(kSmall));
  node.call(node.get<World>("small")->start(1'000));
  node.crash();
  node.pass(1min);

  const auto history = node.call(node.get<World>("small")->get_history());
  REQUIRE(history.size() == World::kHistoryMax);
  CHECK(history.back().step == 1'000);
  CHECK(history.back().digest == run_plainly(kSmall, 1'000).digest);
}

TEST_CASE("world: a plan cannot change once it has begun") {
  Node node;
  run_on(node, kSmall, 5);
  node.call(node.get<World>("small")->set_plan(kSmall));
  CHECK_THROWS_WITH(node.call(node.get<World>("small")->set_plan({.seed = 8})),
                    "World/small has begun, with another plan");
  const auto other = node.get<World>("other");
  CHECK_THROWS_WITH(node.call(other->set_plan({.regions = 1})), "regions is 2 to 64, not 1");
  CHECK_THROWS_WITH(node.call(other->set_plan({.side = 257})), "side is 1 to 256, not 257");
  CHECK_THROWS_WITH(node.call(other->set_plan({.density = -1})), "density is 0 to 100, not -1");
  CHECK_THROWS_WITH(node.call(other->run_to(0)), "the first step is 1");
  CHECK_THROWS_WITH(node.call(other->draw("other.bmp")), "World/other has not begun");
}

TEST_CASE("world: stops after the batch under way, and goes on from there") {
  Script<World> world("small");
  const auto make_batch = [&](std::int64_t from, std::int64_t to) {
    for (const char* place : {"0-0", "1-0", "0-1", "1-1"}) {
      const auto region = world.expect(calls<&Region::advance>(fmt::format("Region/small/{}", place)));
      CHECK(region.argument<2>() == from);
      CHECK(region.argument<3>() == to);
      region.answer(Tally{.step = to, .agents = 5});
    }
  };
  world.call<&World::set_plan>(kSmall).result();
  auto whole = world.call<&World::run_to>(100);
  world.call<&World::stop>().result();
  CHECK_THROWS_WITH(whole.result(), "World/small has been stopped");
  make_batch(0, 10);
  CHECK(world.call<&World::get_history>().result().back().agents == 20);

  auto rest = world.call<&World::run_to>(15);
  make_batch(10, 15);
  CHECK(rest.result().step == 15);
}

TEST_CASE("world: draws itself") {
  Node node;
  run_on(node, kSmall, 5);
  node.call(node.get<World>("small")->draw("small.bmp"));
  const auto file = node.find_file("small.bmp");
  REQUIRE(file);
  CHECK(file->size() == 54 + 16 * 16 * 3);
  CHECK(file->starts_with("BM"));

  const auto huge = node.get<World>("huge");
  node.call(huge->set_plan({.regions = 64, .side = 128}));
  CHECK_THROWS_WITH(node.call(huge->draw("huge.bmp")), Catch::StartsWith("World/huge has 8192 cells along each side"));

  const std::string odd =
      picture_of({{std::byte{0x10}}, {std::byte{0}}, {std::byte{0}}, {std::byte{12}}}, {.regions = 2, .side = 1});
  REQUIRE(odd.size() == 54 + 2 * 8);                            // rows of six bytes, filled up to eight
  CHECK(odd.substr(54, 3) == std::string("\x20\x28\x20"));      // the last row first: bare ground
  CHECK(odd.substr(54 + 8, 3) == std::string("\x20\x60\xb9"));  // an agent
}

TEST_CASE("setup: makes the first steps, and finds them made the next time") {
  Node node;
  node.run_setup();
  const std::string first = node.log().back().message;
  CHECK(first == fmt::format("Step 50: {} agents, digest {}.", run_plainly({}, 50).agents, run_plainly({}, 50).digest));

  node.restart();
  node.run_setup();
  CHECK(node.log().back().message == first);
}
