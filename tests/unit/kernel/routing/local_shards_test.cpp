#include "kernel/routing/local_shards.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>

#include "kernel/limits.hpp"

using namespace epic::kernel;
using State = LocalShards::State;

namespace {

constexpr ShardId kHeldShard{3};
constexpr std::int64_t kTestGraceNs = 1'000'000'000;

/// Writes down what it is told, and answers as the test says.
struct LocalShardsFixture : LocalShards::Listener {
  LocalShards shards{*this};
  std::string told;
  bool is_waiting = false;
  std::int64_t at_ns = 0;
  std::int64_t hook_grace_ns = 0;  // as told with the last end

  LocalShardsFixture() {
    shards.on_given(kHeldShard, /*is_orphaned=*/true);
    REQUIRE(shards.on_taken(kHeldShard, Epoch{7}));
    CHECK(shards.is_orphaned(kHeldShard));
  }
  void on_closed(ShardId) override { told += "closed "; }
  void on_reopened(ShardId) override { told += "reopened "; }
  void look_for_waits(ShardId shard) override {
    if (is_waiting) shards.on_waits_seen(shard, at_ns);
  }
  void end_running(ShardId, const Overdue& overdue) override {
    told += overdue.calls_ns == INT64_MAX ? "end-all " : "end-old ";
    hook_grace_ns = at_ns - overdue.deactivations_ns;
  }
  void run_at(std::int64_t now_ns) {
    at_ns = now_ns;
    shards.on_time(now_ns);
  }
  void ask_back(std::int64_t now_ns, std::int64_t announced_ns = 0) {
    shards.on_asked_back(kHeldShard, now_ns, announced_ns, kTestGraceNs);
  }
};

}  // namespace

TEST_CASE("local shards: one is usable when the store has raised its epoch", "[kernel]") {
  LocalShardsFixture f;
  CHECK(f.shards.state_of(kHeldShard) == State::active);
  CHECK(f.shards.epoch_of(kHeldShard) == Epoch{7});
  CHECK_FALSE(f.shards.on_taken(ShardId{4}, Epoch{1}));
  CHECK(f.shards.state_of(ShardId{4}) == State::none);
}

TEST_CASE("local shards: one that is asked back is released only when nothing lives in it", "[kernel]") {
  LocalShardsFixture f;
  CHECK_FALSE(f.shards.try_release(kHeldShard, /*is_empty=*/true));
  f.ask_back(0);
  CHECK(f.told == "closed ");
  CHECK_FALSE(f.shards.try_release(kHeldShard, /*is_empty=*/false));
  CHECK(f.shards.try_release(kHeldShard, /*is_empty=*/true));
  CHECK(f.shards.state_of(kHeldShard) == State::none);
  CHECK_FALSE(f.shards.next_timer_ns());
}

TEST_CASE("local shards: what waits for calls gets the shard open for a while, and a longer window then", "[kernel]") {
  LocalShardsFixture f;
  f.is_waiting = true;
  f.ask_back(0);
  const std::int64_t window_ns = limits::kReleaseWindow.count();
  CHECK(f.shards.next_timer_ns() == window_ns);
  f.run_at(window_ns);
  CHECK(f.told == "closed reopened ");
  CHECK(f.shards.state_of(kHeldShard) == State::active);
  f.run_at(2 * window_ns);
  CHECK(f.told == "closed reopened closed ");
  CHECK(f.shards.next_timer_ns() == 2 * window_ns + limits::kReleaseWindowGrowth * window_ns);
}

TEST_CASE("local shards: what still runs at the end of the grace is ended, whether it waits for calls or not",
          "[kernel]") {
  for (const bool is_waiting : {false, true}) {
    CAPTURE(is_waiting);
    LocalShardsFixture f;
    f.is_waiting = is_waiting;
    f.ask_back(0);
    for (std::int64_t now_ns = 0; now_ns < kTestGraceNs; now_ns = *f.shards.next_timer_ns()) f.run_at(now_ns);
    CHECK_THAT(f.told, !Catch::Contains("end"));
    for (int i = 0; i < 2; ++i) f.run_at(kTestGraceNs);  // it may have to be closed first
    CHECK_THAT(f.told, Catch::EndsWith("closed end-all "));
    CHECK(f.shards.state_of(kHeldShard) == State::releasing);
  }
}

TEST_CASE("local shards: after an announced grace only what has run for as long is ended, until the shard has had one",
          "[kernel]") {
  LocalShardsFixture f;
  f.ask_back(kTestGraceNs / 2, 0);
  f.run_at(kTestGraceNs);
  CHECK(f.told == "closed end-old ");
  f.run_at(kTestGraceNs / 2 + kTestGraceNs);
  CHECK(f.told == "closed end-old end-all ");
}

TEST_CASE("local shards: on_deactivate has a grace of its own, but after an announced one only the least", "[kernel]") {
  LocalShardsFixture first;
  first.ask_back(0);
  for (std::int64_t now_ns = 0; now_ns <= kTestGraceNs; now_ns = *first.shards.next_timer_ns()) first.run_at(now_ns);
  CHECK(first.hook_grace_ns == kTestGraceNs);

  LocalShardsFixture next;
  next.is_waiting = true;  // its windows would grow
  next.ask_back(kTestGraceNs, 0);
  std::int64_t ends = 0;
  for (std::int64_t now_ns = kTestGraceNs; now_ns < 2 * kTestGraceNs; now_ns = *next.shards.next_timer_ns()) {
    next.told.clear();
    next.run_at(now_ns);
    ends += next.told.contains("end-old") ? 1 : 0;
    CHECK(next.hook_grace_ns == limits::kHookGraceMin.count());
    CHECK(*next.shards.next_timer_ns() <= now_ns + limits::kReleaseOpenMax.count());
  }
  CHECK(ends >= 4);  // so nothing overdue stays for long
  next.run_at(2 * kTestGraceNs);
  CHECK(next.hook_grace_ns == limits::kHookGraceMin.count());
}

TEST_CASE("local shards: a batch names a shard once", "[kernel]") {
  LocalShardsFixture f;
  CHECK(f.shards.note_change(kHeldShard, CommitNumber{1}));
  CHECK_FALSE(f.shards.note_change(kHeldShard, CommitNumber{1}));
  CHECK(f.shards.note_change(kHeldShard, CommitNumber{2}));
}
