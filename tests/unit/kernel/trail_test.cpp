#include "kernel/events/trail.hpp"

#include <catch2/catch.hpp>

#include "codec/capnp_codec.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"
#include "test_entities.hpp"

using namespace epic;
using namespace epic::testing_entities;
using namespace std::chrono_literals;
using epic::test::SimFabric;
using epic::test::SimOptions;
using kernel::Happening;
using kernel::LifeEntry;

namespace {

struct TrailFixture {
  explicit TrailFixture(SimOptions options = {.seed = 7}) : fabric(options, module(), codec) {}
  const kernel::Trail& trail(std::uint16_t node) { return fabric.kernel(node).trail(); }
  const kernel::Trail& trail_of(std::string_view entity) { return trail(fabric.owner_of(entity)); }
  codec::CapnpCodec codec;
  SimFabric fabric;
};

/// The newest entry about this; null if there is none.
const LifeEntry* find_newest(const kernel::Trail& trail, std::string_view entity, Happening what) {
  const auto& lives = trail.lives.entries();
  const auto found = std::find_if(lives.rbegin(), lives.rend(), [&](const LifeEntry& entry) {
    return entry.entity->text == entity && entry.what == what;
  });
  return found == lives.rend() ? nullptr : &*found;
}

detail::NamePtr name_of(const std::string& key) { return detail::make_name("T", key); }

}  // namespace

TEST_CASE("trail: a ring keeps the newest, and finds them by number", "[kernel]") {
  kernel::TrailRing<LifeEntry> ring(/*count_max=*/3, /*bytes_max=*/1u << 20);
  for (int i = 1; i <= 5; ++i) {
    LifeEntry entry;
    entry.entity = name_of(std::to_string(i));
    CHECK(ring.add(entry) == static_cast<std::uint64_t>(i));
  }
  REQUIRE(ring.entries().size() == 3);
  CHECK(ring.entries().front().number == 3);
  CHECK(ring.find(2) == nullptr);
  REQUIRE(ring.find(4) != nullptr);
  CHECK(ring.find(4)->entity->text == "T/4");
  CHECK(ring.find(6) == nullptr);
  CHECK(ring.find(0) == nullptr);
}

TEST_CASE("trail: a ring is bounded by bytes, too", "[kernel]") {
  kernel::TrailRing<LifeEntry> ring(/*count_max=*/1'000'000, /*bytes_max=*/100'000);
  for (int i = 0; i < 10'000; ++i) {
    LifeEntry entry;
    entry.entity = name_of(std::string(500, 'k'));
    entry.why = std::string(500, 'w');
    ring.add(entry);
    REQUIRE(ring.bytes() <= 100'000);
  }
  CHECK(ring.entries().size() > 50);
}

TEST_CASE("trail: an activation is told with the call that caused it and the time of its parts", "[kernel]") {
  TrailFixture f;
  f.fabric.call(1, Ref<Counter>("a")->add(2));
  const LifeEntry* entry = find_newest(f.trail_of("Counter/a"), "Counter/a", Happening::activated);
  REQUIRE(entry != nullptr);
  CHECK_THAT(entry->why_text(f.fabric.kernel(1).types()), Catch::StartsWith("add, called by "));
  CHECK(entry->load_ns > 0);
  CHECK(entry->took_ns == entry->placement_ns + entry->load_ns + entry->start_ns);

  f.fabric.call(1, Ref<Caller>("c")->add_to(Ref<Counter>("b"), 1));
  entry = find_newest(f.trail_of("Counter/b"), "Counter/b", Happening::activated);
  REQUIRE(entry != nullptr);
  CHECK(entry->why_text(f.fabric.kernel(1).types()) == "add, called by Caller/c.add_to");
}

TEST_CASE("trail: saves of one entity within a while are one entry with a count", "[kernel]") {
  TrailFixture f;
  const std::uint16_t owner = f.fabric.owner_of("Counter/a");
  for (int i = 0; i < 20; ++i) f.fabric.call(owner, Ref<Counter>("a")->add(1));
  const auto& saves = f.trail(owner).saves.entries();
  REQUIRE(saves.size() == 1);
  CHECK(saves.front().count == 20);
  CHECK(saves.front().version == kernel::Version{20});
  CHECK(saves.front().state_bytes > 0);

  f.fabric.run_for(kernel::limits::kSavesWindow);
  f.fabric.call(owner, Ref<Counter>("a")->add(1));
  REQUIRE(saves.size() == 2);
  CHECK(saves.back().count == 1);
}

TEST_CASE("trail: saves do not push out why an entity was activated", "[kernel]") {
  TrailFixture f;
  const std::uint16_t owner = f.fabric.owner_of("Counter/a");
  f.fabric.call(owner, Ref<Counter>("a")->add(1));
  for (int i = 0; i < 200; ++i) {
    f.fabric.call(owner, Ref<Counter>("a")->add(1));
    f.fabric.run_for(kernel::limits::kSavesWindow);
  }
  CHECK(f.trail(owner).saves.entries().size() == 200);
  CHECK(find_newest(f.trail(owner), "Counter/a", Happening::activated) != nullptr);
}

TEST_CASE("trail: an entity that is collected is told with how long it was idle", "[kernel]") {
  TrailFixture f(SimOptions{.seed = 7, .idle_age = 5s});
  f.fabric.call(1, Ref<Counter>("a")->add(2));
  f.fabric.run_for(20s);
  const LifeEntry* entry = find_newest(f.trail_of("Counter/a"), "Counter/a", Happening::collected);
  REQUIRE(entry != nullptr);
  CHECK_THAT(entry->why, Catch::StartsWith("idle for "));
}

TEST_CASE("trail: of a move the former owner tells its end, and the next one its beginning", "[kernel]") {
  TrailFixture f;
  const std::uint16_t from = f.fabric.owner_of("Counter/a");
  const auto to = static_cast<std::uint16_t>(from % 3 + 1);
  f.fabric.call(1, Ref<Counter>("a")->add(2));
  f.fabric.move_shard(kernel::ungrouped(16).shard_of("Counter/a"), to);
  REQUIRE(f.fabric.run_until([&] { return f.fabric.owner_of("Counter/a") == to; }));
  CHECK(find_newest(f.trail(from), "Counter/a", Happening::moved) != nullptr);
  CHECK(f.fabric.call(1, Ref<Counter>("a")->get()) == 2);
  CHECK(find_newest(f.trail(to), "Counter/a", Happening::activated) != nullptr);
}

TEST_CASE("trail: an activation that fails is told with the reason", "[kernel]") {
  TrailFixture f;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Blob>("broken")->size()), ActivationFailed);
  const LifeEntry* entry = find_newest(f.trail_of("Blob/broken"), "Blob/broken", Happening::failed);
  REQUIRE(entry != nullptr);
  CHECK_THAT(entry->why, Catch::Contains("this one never starts") && Catch::Contains("size, called by "));
  CHECK(find_newest(f.trail_of("Blob/broken"), "Blob/broken", Happening::activated) == nullptr);
}

TEST_CASE("trail: a state that is too large, and one that is erased, are told", "[kernel]") {
  TrailFixture f;
  CHECK_THROWS_AS(f.fabric.call(1, Ref<Blob>("b")->grow(9u << 20)), StateTooLarge);
  const LifeEntry* discarded = find_newest(f.trail_of("Blob/b"), "Blob/b", Happening::discarded);
  REQUIRE(discarded != nullptr);
  CHECK_THAT(discarded->why, Catch::Contains("too large"));

  f.fabric.call(1, Ref<Counter>("a")->add(1));
  f.fabric.call(1, Ref<Counter>("a")->forget());
  CHECK(find_newest(f.trail_of("Counter/a"), "Counter/a", Happening::erased) != nullptr);
}

TEST_CASE("trail: what keeps an entity from leaving is told once it is late", "[kernel]") {
  TrailFixture f;
  const std::uint16_t from = f.fabric.owner_of("Counter/a");
  f.fabric.hold_commits(true);
  f.fabric.start_call<std::int64_t>(from, Ref<Counter>("a")->add(1), {});
  f.fabric.run_for(100ms);
  f.fabric.move_shard(kernel::ungrouped(16).shard_of("Counter/a"), static_cast<std::uint16_t>(from % 3 + 1));
  f.fabric.run_for(500ms);
  CHECK(find_newest(f.trail(from), "Counter/a", Happening::slow_to_stop) == nullptr);
  f.fabric.run_for(1s);
  const LifeEntry* entry = find_newest(f.trail(from), "Counter/a", Happening::slow_to_stop);
  REQUIRE(entry != nullptr);
  CHECK(entry->why == "its last change is not saved yet");
  CHECK(std::chrono::nanoseconds(entry->took_ns) >= kernel::limits::kSlowToStop);

  f.fabric.hold_commits(false);
  f.fabric.run_for(1s);
  CHECK(find_newest(f.trail(from), "Counter/a", Happening::moved) != nullptr);
}
