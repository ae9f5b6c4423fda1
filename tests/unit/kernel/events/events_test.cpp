#include "kernel/events/events.hpp"

#include <catch2/catch.hpp>

using namespace epic;
using namespace epic::kernel;

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

struct EventsFixture {
  Clock clock{.now_ns = 100 * kSecondNs, .wall_ns = 5};
  TypeTable types;
  Events events{clock, types};
  detail::NamePtr name = detail::make_name("Player", "Bob");
  Subject subject{name, Version{3}};

  const LifeEntry& newest() { return events.trail().lives.entries().back(); }
};

}  // namespace

TEST_CASE("events: an activation reports the call that caused it, and how long each part took", "[kernel]") {
  EventsFixture f;
  Cause cause{.method = "get", .caller = detail::make_name("Match", "7"), .caller_method = "play", .from = {}};
  f.events.add_activated(f.subject, {.cause = std::move(cause),
                                     .asked_ns = 94 * kSecondNs,
                                     .placed_ns = 95 * kSecondNs,
                                     .loaded_ns = 97 * kSecondNs});
  CHECK(f.newest().what == Happening::activated);
  CHECK(f.newest().why_text(f.types) == "get, called by Match/7.play");
  CHECK(f.newest().took_ns == 6 * kSecondNs);
  CHECK(f.newest().placement_ns == 1 * kSecondNs);
  CHECK(f.newest().load_ns == 2 * kSecondNs);
  CHECK(f.newest().start_ns == 3 * kSecondNs);
}

TEST_CASE("events: an activation that fails reports why, and what it was for", "[kernel]") {
  EventsFixture f;
  Cause cause{.method = "get", .caller = {}, .caller_method = {}, .from = "client"};
  f.events.add_failed(f.subject, {.cause = std::move(cause), .asked_ns = 1, .placed_ns = 1}, "no such level");
  CHECK(f.newest().what == Happening::failed);
  CHECK(f.newest().why_text(f.types) == "no such level (get, called by client)");
}

TEST_CASE("events: what no call has asked for is not reported as activated", "[kernel]") {
  EventsFixture f;
  f.events.add_activated(f.subject, {});
  CHECK(f.events.trail().lives.entries().empty());
}

TEST_CASE("events: leaving memory is reported with its cause", "[kernel]") {
  EventsFixture f;
  f.events.add_left(
      f.subject,
      {.cause = StopCause::idle, .asked_ns = 99 * kSecondNs, .last_used_ns = 39 * kSecondNs, .shard = ShardId{4}});
  CHECK(f.newest().what == Happening::collected);
  CHECK(f.newest().why == "idle for 60 s");
  CHECK(f.newest().took_ns == 1 * kSecondNs);
  f.events.add_left(
      f.subject,
      {.cause = StopCause::idle, .asked_ns = 39 * kSecondNs, .last_used_ns = 68 * kSecondNs, .shard = ShardId{4}});
  CHECK(f.newest().why == "idle for 0 s");  // a call has come after the decision
  f.events.add_left(f.subject, {.cause = StopCause::moved, .asked_ns = 0, .last_used_ns = 0, .shard = ShardId{4}});
  CHECK(f.newest().why == "shard 4 goes to another node");
}

TEST_CASE("events: saves within a while are one event, later ones another", "[kernel]") {
  EventsFixture f;
  std::uint64_t newest = f.events.add_save(f.subject, 0, CommitNumber{7}, 10);
  CHECK(f.events.add_save(f.subject, newest, CommitNumber{8}, 12) == newest);
  const auto& saves = f.events.trail().saves.entries();
  REQUIRE(saves.size() == 1);
  CHECK(saves.front().count == 2);
  CHECK(saves.front().commit == CommitNumber{8});
  CHECK(saves.front().state_bytes == 12);

  f.clock.now_ns += 3 * kSecondNs;
  CHECK(f.events.add_save(f.subject, newest, CommitNumber{9}, 12) != newest);
  CHECK(saves.size() == 2);
}

TEST_CASE("events: a reason is kept to a bounded length", "[kernel]") {
  EventsFixture f;
  f.events.add(Happening::discarded, f.subject, std::string(100'000, 'x'), 0);
  CHECK(f.newest().why.size() <= limits::kTrailWhyBytesMax + 8);
}
