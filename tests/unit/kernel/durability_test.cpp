#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/kernel.hpp"
#include "support/sim_fabric.hpp"
#include "test_entities.hpp"

using namespace epic;
using namespace epic::testing_entities;
using namespace std::chrono_literals;
using epic::test::SimFabric;
using epic::test::SimOptions;

namespace {

struct DurabilityFixture {
  explicit DurabilityFixture(SimOptions options = {.seed = 5}) : fabric(options, module(), codec) {}
  codec::CapnpCodec codec;
  SimFabric fabric;
};

}  // namespace

TEST_CASE("durability: no result leaves before the state that it has seen is durable", "[kernel]") {
  DurabilityFixture f;
  f.fabric.run_for(100ms);
  f.fabric.hold_commits(true);
  const auto ended = f.fabric.start_call<std::int64_t>(1, Ref<Counter>("a")->add(1), {});
  f.fabric.run_for(1s);
  CHECK_FALSE(*ended);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *ended; }));
}

TEST_CASE("durability: a reader of another's unsaved change waits as well, through any number of entities",
          "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  f.fabric.run_for(100ms);
  f.fabric.hold_commits(true);
  const auto changed = f.fabric.start_call<std::int64_t>(1, Ref<Counter>("a")->add(1), {});
  f.fabric.run_for(100ms);
  const auto told = f.fabric.start_call<std::int64_t>(1, Ref<Relay>("r")->tell(Ref<Counter>("a")), {});
  const auto stranger = f.fabric.start_call<std::int64_t>(1, Ref<Counter>("stranger")->get(), {});
  f.fabric.run_for(1s);
  CHECK_FALSE(*changed);
  CHECK_FALSE(*told);
  CHECK(*stranger);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *changed && *told; }));
}

TEST_CASE("durability: who learns that a spawned call has ended waits for what that has seen", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  f.fabric.run_for(100ms);
  f.fabric.hold_commits(true);
  const auto added = f.fabric.start_call<std::int64_t>(1, Ref<Relay>("r")->add_beside(Ref<Counter>("a"), 1), {});
  const auto seen = f.fabric.start_call<bool>(1, Ref<Relay>("s")->see_end_of_add(Ref<Counter>("b"), 1), {});
  f.fabric.run_for(1s);
  CHECK_FALSE(*added);
  CHECK_FALSE(*seen);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *added && *seen; }));
}

TEST_CASE("durability: bytes that did not change are not written", "[kernel]") {
  DurabilityFixture f;
  const Ref<Counter> counter("a");
  f.fabric.call(1, counter->add(1));
  const auto version = (*f.fabric.store().load("Counter", "a"))->version;
  for (int i = 0; i < 10; ++i) f.fabric.call(1, counter->touch());
  CHECK((*f.fabric.store().load("Counter", "a"))->version == version);
}

TEST_CASE("durability: a call of a caller that has not changed waits for nobody else, and keeps its place",
          "[kernel]") {
  DurabilityFixture f;
  f.fabric.run_for(100ms);
  const std::uint16_t home = f.fabric.owner_of("Relay/r");
  int other = 0;
  while (f.fabric.owner_of("Counter/" + std::to_string(other)) != home) ++other;
  int remote = 0;
  while (f.fabric.owner_of("Journal/" + std::to_string(remote)) == home) ++remote;
  const Ref<Journal> journal(remote);
  int at_home = 0;
  while (f.fabric.owner_of("Journalist/" + std::to_string(at_home)) != home) ++at_home;
  const Ref<Journalist> journalist(at_home);
  f.fabric.call(home, journalist->write(journal, 0));
  f.fabric.call(home, Ref<Counter>(other)->add(1));
  Journal::lines.clear();

  f.fabric.hold_commits(true);
  f.fabric.start_call<std::int64_t>(home, Ref<Counter>(other)->add(1), {});
  f.fabric.start_call<void>(home, journalist->write(journal, 1), {});
  f.fabric.run_for(10ms);
  f.fabric.start_call<void>(home, journalist->dictate(journal, 2), {});
  f.fabric.run_for(100ms);
  CHECK(Journal::lines == std::vector<std::int64_t>{1, 2});
}

TEST_CASE("durability: many changes of one entity make few rows", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  int ended = 0;
  for (int i = 0; i < 1000; ++i)
    f.fabric.start_call<std::int64_t>(1, Ref<Counter>("a")->add(1), [&](auto&) { ++ended; });
  REQUIRE(f.fabric.run_until([&] { return ended == 1000; }));
  CHECK(f.fabric.kernel(1).stats().rows < 20);
  CHECK(f.fabric.call(1, Ref<Counter>("a")->get()) == 1000);
}

TEST_CASE("durability: what was acknowledged is there after its node died", "[kernel]") {
  DurabilityFixture f;
  std::map<int, std::int64_t> acknowledged;
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 30; ++i) acknowledged[i] = f.fabric.call(1, Ref<Counter>(i)->add(1));
    if (round % 2 == 0) {
      f.fabric.kill(3);
      f.fabric.run_for(1s);
    } else {
      f.fabric.restart(3);
    }
  }
  for (const auto& [key, value] : acknowledged) CHECK(f.fabric.call(2, Ref<Counter>(key)->get()) == value);
}

TEST_CASE("durability: a call to a node that dies ends in NodeLost, or succeeds elsewhere, and never hangs",
          "[kernel]") {
  DurabilityFixture f;
  int ended = 0, lost = 0;
  for (int i = 0; i < 60; ++i)
    f.fabric.start_call<std::int64_t>(1, Ref<Counter>(i)->add_slowly(1), [&](auto& record) {
      ++ended;
      try {
        record.take();
      } catch (const NodeLost&) {
        ++lost;
      }
    });
  f.fabric.run_for(5ms);
  f.fabric.kill(2);
  CHECK(f.fabric.run_until([&] { return ended == 60; }, 10s));
  CHECK(lost > 0);
  CHECK(lost < 60);
}

TEST_CASE("durability: a planned move keeps state and order, and refuses no call", "[kernel]") {
  DurabilityFixture f;
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  std::vector<std::int64_t> results;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 10; ++i)
      f.fabric.start_call<std::int64_t>(1, Ref<Counter>("a")->add(1),
                                        [&](auto& record) { results.push_back(record.take()); });
    for (std::uint32_t s = 0; s < 16; ++s)
      f.fabric.move_shard(kernel::ShardId{s}, static_cast<std::uint16_t>(round % 3 + 1));
    f.fabric.run_for(std::chrono::microseconds(700));
  }
  REQUIRE(f.fabric.run_until([&] { return results.size() == 200; }, 20s));
  for (std::size_t i = 0; i < results.size(); ++i) CHECK(results[i] == static_cast<std::int64_t>(i) + 2);
}

TEST_CASE("durability: state above the bound is refused, and the entity goes on from its last saved state",
          "[kernel]") {
  DurabilityFixture f;
  CHECK(f.fabric.call(1, Ref<Blob>("b")->grow(1000)) == 1000);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Blob>("b")->grow(9u << 20)), StateTooLarge);
  CHECK(f.fabric.call(2, Ref<Blob>("b")->size()) == 1000);
}

TEST_CASE("durability: a change that was acknowledged before it is refused is reported to the next caller, once",
          "[kernel]") {
  DurabilityFixture f;
  const Ref<Draft> draft("d");
  CHECK(f.fabric.call(1, draft->grow(1000)) == 1000);
  f.fabric.run_for(2s);
  for (const std::size_t size : {9u << 20, 12u << 20}) {
    CHECK(f.fabric.call(1, draft->grow(size)) == size);
    f.fabric.run_for(2s);
    CHECK_THROWS_AS(f.fabric.call(1, draft->size()), StateTooLarge);
    CHECK(f.fabric.call(2, draft->size()) == 1000);
  }
}

TEST_CASE("durability: a refused change of a hook is reported to the next caller", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1, .idle_age = 1s});
  const Ref<Draft> draft("d");
  f.fabric.call(1, draft->grow_at_the_end(9u << 20));
  f.fabric.run_for(10s);
  CHECK_THROWS_AS(f.fabric.call(1, draft->size()), StateTooLarge);
  CHECK(f.fabric.call(1, draft->size()) == 0);
}

TEST_CASE("durability: a refused change of a spawned call is reported to the next caller", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  const Ref<Blob> blob("b");
  f.fabric.call(1, blob->grow_beside(9u << 20));
  f.fabric.run_for(1s);
  CHECK_THROWS_AS(f.fabric.call(1, blob->size()), StateTooLarge);
  CHECK(f.fabric.call(1, blob->size()) == 0);
}

TEST_CASE("durability: saved() fails for a state that is refused, and for those that have seen it", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Draft>("d")->grow_and_save(9u << 20)), StateTooLarge);
  CHECK(f.fabric.call(1, Ref<Relay>("r")->feed_and_save(Ref<Blob>("b"), 1000)) == "saved");
  CHECK_THAT(f.fabric.call(1, Ref<Relay>("r")->feed_and_save(Ref<Blob>("b"), 9u << 20)),
             Catch::Contains("Blob/b") && Catch::Contains("too deeply"));
}

TEST_CASE("durability: who has seen a change that is refused is not told of it either", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  CHECK(f.fabric.call(1, Ref<Relay>("r")->feed(Ref<Blob>("b"), 1000)) == 1000);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Relay>("r")->feed(Ref<Blob>("b"), 9u << 20)), StateTooLarge);
  CHECK(f.fabric.call(1, Ref<Blob>("b")->size()) == 1000);
}

TEST_CASE("durability: who has seen a change that is refused, and has run on, does not report success", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  CHECK(f.fabric.call(1, Ref<Relay>("r")->feed_and_sleep(Ref<Blob>("b"), 1000)) == 1000);
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Relay>("r")->feed_and_sleep(Ref<Blob>("b"), 9u << 20)), StateTooLarge);
}

TEST_CASE("durability: a refused state does not undo a change that was on its way to the store before it", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  CHECK(f.fabric.call(1, Ref<Blob>("b")->grow(1000)) == 1000);
  f.fabric.hold_commits(true);
  const auto grown = f.fabric.start_call<std::uint64_t>(1, Ref<Blob>("b")->grow(2000), {});
  f.fabric.run_for(10ms);
  const auto refused = f.fabric.start_call<std::uint64_t>(
      1, Ref<Blob>("b")->grow(9u << 20), [](auto& record) { CHECK_THROWS_AS(record.take(), StateTooLarge); });
  f.fabric.run_for(10ms);
  const auto asked =
      f.fabric.start_call<std::uint64_t>(1, Ref<Blob>("b")->size(), [](auto& record) { CHECK(record.take() == 2000); });
  f.fabric.run_for(10ms);
  CHECK_FALSE(*grown);
  f.fabric.hold_commits(false);
  CHECK(f.fabric.run_until([&] { return *grown && *refused && *asked; }));
}

TEST_CASE("durability: what nests too deeply is refused as state, as argument and as result, and the node goes on",
          "[kernel]") {
  DurabilityFixture f;
  int refused_arguments = 0;
  int refused_results = 0;
  for (int key = 0; key < 16; ++key) {  // some are on node 1, where calls are not encoded
    const Ref<Forest> forest(key);
    CHECK_THROWS_AS(f.fabric.call(1, forest->plant(600)), StateTooLarge);
    CHECK(f.fabric.call(1, forest->is_bare()));
    try {
      f.fabric.call(1, forest->take(make_tree(600)));
    } catch (const BadArguments&) {
      ++refused_arguments;
    }
    try {
      f.fabric.call(1, forest->give(600));
    } catch (const Error&) {
      ++refused_results;
    }
  }
  CHECK(refused_arguments > 0);
  CHECK(refused_results > 0);
}

TEST_CASE("durability: saved() waits until the change is durable", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  f.fabric.call(1, Ref<Caller>("a")->remember(1));
  CHECK((*f.fabric.store().load("Caller", "a")).has_value());
}

TEST_CASE("durability: erase() removes the saved state", "[kernel]") {
  DurabilityFixture f;
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  REQUIRE((*f.fabric.store().load("Counter", "a")).has_value());
  f.fabric.call(1, Ref<Counter>("a")->forget());
  CHECK_FALSE((*f.fabric.store().load("Counter", "a")).has_value());
}

TEST_CASE("durability: versions go on after erase(), also when the node has died since", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  const auto stored_version = [&] { return (*f.fabric.store().load("Counter", "a"))->version; };
  for (int i = 1; i <= 3; ++i) f.fabric.call(1, Ref<Counter>("a")->add(i));
  const auto before = stored_version();
  f.fabric.call(1, Ref<Counter>("a")->forget());
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  const auto anew = stored_version();
  CHECK(anew > before);
  f.fabric.call(1, Ref<Counter>("a")->forget());
  f.fabric.kill(1);
  f.fabric.restart(1);
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  CHECK(stored_version() > anew);
}

TEST_CASE("durability: turns after erase() that change nothing leave it removed", "[kernel]") {
  DurabilityFixture f;
  f.fabric.run_for(100ms);
  for (int i = 0; i < 8; ++i) {  // local and remote entities
    const Ref<Counter> counter(i);
    f.fabric.call(1, counter->add(1));
    f.fabric.call(1, counter->forget_then_touch(Ref<Counter>("other")));
    f.fabric.call(1, counter->touch());
    CHECK_FALSE((*f.fabric.store().load("Counter", std::to_string(i))).has_value());
    CHECK(f.fabric.call(1, counter->get()) == 1);
    f.fabric.call(1, counter->add(1));
    CHECK((*f.fabric.store().load("Counter", std::to_string(i))).has_value());
  }
}

TEST_CASE("durability: a change in a turn after erase() is saved, though both go into one batch", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  f.fabric.call(1, Ref<Counter>("other")->touch());
  f.fabric.call(1, Ref<Counter>("a")->add(1));
  f.fabric.call(1, Ref<Counter>("a")->forget_then_add(Ref<Counter>("other"), 4));
  REQUIRE((*f.fabric.store().load("Counter", "a")).has_value());
  f.fabric.kill(1);
  f.fabric.restart(1);
  CHECK(f.fabric.call(1, Ref<Counter>("a")->get()) == 5);
}

TEST_CASE("durability: a drained node has saved everything and lets its shards go", "[kernel]") {
  DurabilityFixture f({.seed = 5, .nodes = 1});
  for (int i = 0; i < 50; ++i) f.fabric.call(1, Ref<Counter>(i)->add(i));
  f.fabric.kernel(1).on_drain();
  CHECK(f.fabric.run_until([&] { return f.fabric.kernel(1).is_drained(); }, 5s));
  for (int i = 1; i < 50; ++i) CHECK((*f.fabric.store().load("Counter", std::to_string(i))).has_value());
}
