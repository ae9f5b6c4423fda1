// The module that uses all of the programming model, on simulated nodes.

#include "integration/modules/everything.hpp"

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;
using market::Item;
using market::Quality;
using market::Stall;
using town::Citizen;

namespace {

struct EverythingFixture {
  EverythingFixture() : fabric({.seed = 9, .nodes = 4, .shard_count = 64}, everything_module(), codec) {}
  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Stall> stall{"square"};

  void stock(std::int32_t count) {
    std::vector<Item> items(1);
    items[0] = {.name = "apple", .count = count, .quality = Quality::fine, .keeps_for = 1h};
    fabric.call(1, stall->stock(items));
  }
};

}  // namespace

TEST_CASE("everything: classes of two namespaces call each other across nodes", "[sim]") {
  EverythingFixture f;
  f.stock(20);
  for (int i = 0; i < 20; ++i) CHECK(f.fabric.call(1, Ref<Citizen>(i)->shop(f.stall, "apple")) == "bought apple");
  for (int i = 0; i < 20; ++i) CHECK(f.fabric.call(2, Ref<Citizen>(i)->purse()) == 7);
  const auto receipts = f.fabric.call(3, f.stall->receipts());
  REQUIRE(receipts.size() == 20);
  CHECK(receipts[0].item == Item{.name = "apple", .count = 1, .quality = Quality::fine, .keeps_for = 1h});
  CHECK(std::get<std::int64_t>(receipts[7].paid_with) == 3);
}

TEST_CASE(
    "everything: an exception of the module's own arrives as CallFailed with type and text, from this node and others",
    "[sim]") {
  EverythingFixture f;
  for (int i = 0; i < 12; ++i) {
    const std::string caught = f.fabric.call(1, Ref<Citizen>(i)->shop(f.stall, "pear"));
    CHECK(caught == "market::SoldOut: no pear left at square");
  }
}

TEST_CASE("everything: an exclusive method that waits for others keeps its lock", "[sim]") {
  EverythingFixture f;
  f.stock(1);
  int bought = 0, ended = 0;
  for (int i = 0; i < 10; ++i)
    f.fabric.start_call<std::string>(1, Ref<Citizen>(i)->shop(f.stall, "apple"), [&](auto& record) {
      ++ended;
      if (record.take() == "bought apple") ++bought;
    });
  REQUIRE(f.fabric.run_until([&] { return ended == 10; }));
  CHECK(bought == 1);
}

TEST_CASE("everything: a base class's state and methods are inherited, and survive a crash of the node", "[sim]") {
  EverythingFixture f;
  const Ref<Citizen> ann("Ann");
  CHECK(f.fabric.call(1, ann->grow_older(30)) == 30);
  const std::uint16_t owner = f.fabric.owner_of("Citizen/Ann");
  f.fabric.kill(owner);
  f.fabric.run_for(1s);
  const std::uint16_t other = owner == 1 ? 2 : 1;
  CHECK(f.fabric.call(other, ann->age()) == 30);
}

TEST_CASE("everything: a method of a base class is called on many entities at once, and their answers are summed",
          "[sim]") {
  EverythingFixture f;
  f.stock(20);
  for (int i = 0; i < 20; ++i) f.fabric.call(1, Ref<Citizen>(i)->shop(f.stall, "apple"));
  CHECK(f.fabric.call(1, f.stall->celebrate()) == std::vector<std::int64_t>{20, 0, 20});
  CHECK(f.fabric.call(2, f.stall->celebrate()) == std::vector<std::int64_t>{20, 0, 40});
  for (int i = 0; i < 20; ++i) CHECK(f.fabric.call(3, Ref<Citizen>(i)->age()) == 2);
}

TEST_CASE("everything: copies of a shelf answer until they are too old, on each node", "[sim]") {
  EverythingFixture f;
  f.stock(20);
  for (int i = 0; i < 20; ++i) CHECK(f.fabric.call(1, Ref<Citizen>(i)->look(f.stall, "apple", 1h))->count == 20);
  f.stock(5);
  for (int i = 0; i < 20; ++i) {
    CHECK(f.fabric.call(1, Ref<Citizen>(i)->look(f.stall, "apple", 1h))->count == 20);
    CHECK_FALSE(f.fabric.call(1, Ref<Citizen>(i)->look(f.stall, "pear", 1h)));
  }
  f.fabric.run_for(1s);
  for (int i = 0; i < 20; ++i) CHECK(f.fabric.call(1, Ref<Citizen>(i)->look(f.stall, "apple", 1s))->count == 25);
}

TEST_CASE("everything: a file that stays open is opened anew after a crash, and goes on", "[sim]") {
  EverythingFixture f;
  CHECK(f.fabric.call(1, f.stall->keep_books("one")) == std::vector<std::string>{"one"});
  CHECK(f.fabric.call(2, f.stall->keep_books("two")) == std::vector<std::string>{"one", "two"});
  const std::uint16_t owner = f.fabric.owner_of("Stall/square");
  f.fabric.kill(owner);
  f.fabric.run_for(1s);
  const std::uint16_t other = owner == 1 ? 2 : 1;
  CHECK(f.fabric.call(other, f.stall->keep_books("three")) == std::vector<std::string>{"one", "two", "three"});
}

TEST_CASE("everything: entities of a local class work on the nodes of their callers", "[sim]") {
  EverythingFixture f;
  f.stock(60);
  for (int i = 0; i < 20; ++i)
    for (int apples = 1; apples <= 3; ++apples) {
      f.fabric.call(1, Ref<Citizen>(i)->shop(f.stall, "apple"));
      CHECK(f.fabric.call(1, Ref<Citizen>(i)->appraise_bag()) == 5 * apples);
    }
  const std::vector<Item> items(3, Item{.name = "pear", .count = 2, .quality = Quality::fair, .keeps_for = {}});
  for (const std::uint16_t node : {1, 2, 3, 4})
    CHECK(f.fabric.call(node, Ref<market::Appraiser>("square")->appraise(items)) == 12);
}

TEST_CASE("everything: 1 MiB of arguments is accepted, 9 MiB of state is refused", "[sim]") {
  EverythingFixture f;
  const std::string text(1u << 20, 'x');
  for (int i = 0; i < 4; ++i) CHECK(f.fabric.call(1, Ref<Citizen>(i)->echo(text)) == text);
  const Ref<Citizen> ann("Ann");
  CHECK(f.fabric.call(1, ann->write_diary(1000)) == 1000);
  CHECK_THROWS_AS(f.fabric.call(1, ann->write_diary(9u << 20)), StateTooLarge);
  CHECK(f.fabric.call(1, ann->diary_bytes()) == 1000);
}
