// Calls to a node that has not read what was sent to it before: they wait with their caller until there is room.

#include <epic/epic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>

#include "codec/capnp_codec.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

class Shelf : public Entity {
 public:
  static inline std::vector<std::int64_t> seen;  // on all nodes
  Task<std::int64_t> put(std::int64_t number, std::string weight) const {
    seen.push_back(number);
    co_return number + static_cast<std::int64_t>(weight.size());
  }
  EPIC_ENTITY(Shelf, methods(put), transient)
};

class Porter : public Entity {
  std::int64_t trips_ = 0;
  std::vector<Spawned<std::int64_t>> under_way_;

 public:
  Task<std::int64_t> carry(Ref<Shelf> shelf, std::int64_t count) {
    ++trips_;
    std::vector<Call<std::int64_t>> calls;
    for (std::int64_t i = 0; i < count; ++i) calls.push_back(shelf->put(i, ""));
    std::int64_t sum = 0;
    for (const std::int64_t number : co_await gather(std::move(calls), {.at_once = 1'000'000})) sum += number;
    co_return sum;
  }
  /// One after the other, in the background.
  Task<> start(Ref<Shelf> shelf, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) under_way_.push_back(spawn(shelf->put(i, "")));
    co_return;
  }
  Task<std::string> put_in_time(Ref<Shelf> shelf, std::int64_t number) {
    try {
      co_await shelf.with(40ms)->put(number, "");
    } catch (const Timeout& error) {
      co_return error.what();
    }
    co_return "in time";
  }
  Task<> cancel_all() {
    for (auto& one : under_way_) one.cancel();
    co_return;
  }
  EPIC_ENTITY(Porter, state(trips_), methods(carry, start, put_in_time, cancel_all))
};

const ModuleInfo& porters() {
  static const EntityInfoFn entities[] = {&Shelf::epic_info, &Porter::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

struct RoomFixture {
  explicit RoomFixture(std::size_t unread_max, std::chrono::nanoseconds frame_delay_max = 500us)
      : fabric({.seed = 11, .nodes = 2, .frame_delay_max = frame_delay_max, .unread_max = unread_max}, porters(),
               codec) {
    Shelf::seen.clear();
    fabric.run_for(2 * frame_delay_max + 100ms);
  }
  template <class T>
  Ref<T> on(std::uint16_t node, const std::string& type) {
    for (int i = 0;; ++i)
      if (fabric.owner_of(type + "/" + std::to_string(i)) == node) return Ref<T>(i);
  }
  codec::CapnpCodec codec;
  test::SimFabric fabric;
  Ref<Shelf> shelf = on<Shelf>(2, "Shelf");
  Ref<Porter> porter = on<Porter>(1, "Porter");
};

}  // namespace

TEST_CASE("room: calls that a node has no room for wait, all arrive, and in the order in which they were made",
          "[kernel]") {
  RoomFixture f(/*unread_max=*/GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{50}));
  constexpr std::int64_t kCount = 3'000;  // more than are sent in one tick
  CHECK(f.fabric.call(1, f.porter->carry(f.shelf, kCount)) == kCount * (kCount - 1) / 2);
  REQUIRE(Shelf::seen.size() == kCount);
  CHECK(std::ranges::is_sorted(Shelf::seen));
  CHECK(f.fabric.kernel(1).stats().calls_pending == 0);
  CHECK(f.fabric.kernel(2).stats().calls_pending == 0);
}

TEST_CASE("room: a call that waits for it has its deadline, and says what it has waited for", "[kernel]") {
  RoomFixture f(/*unread_max=*/1, /*frame_delay_max=*/10s);
  f.fabric.call(1, f.porter->start(f.shelf, 0, 1));
  f.fabric.run_for(10ms);  // it is under way, for some seconds
  REQUIRE(Shelf::seen.empty());
  REQUIRE_FALSE(f.fabric.kernel(1).calls("Shelf/" + std::string(f.shelf.key())).empty());
  std::shared_ptr<std::string> said = std::make_shared<std::string>();
  f.fabric.start_call<std::string>(1, f.porter->put_in_time(f.shelf, 7),
                                   [said](auto& record) { *said = record.outcome.value.value_or("an error"); });
  f.fabric.run_for(20ms);
  bool is_shown = false;
  for (const kernel::CallView& view : f.fabric.kernel(1).calls("Shelf/" + std::string(f.shelf.key())))
    is_shown = is_shown || view.state.contains("waiting for room");
  CHECK(is_shown);
  f.fabric.run_for(80ms);
  CHECK_THAT(*said, Catch::Contains("it was not sent: node-2 has yet to read what was sent to it before"));
  f.fabric.run_for(60s);
  CHECK(Shelf::seen == std::vector<std::int64_t>{0});  // the other never begins
}

TEST_CASE("room: a call that is cancelled while it waits for it never begins", "[kernel]") {
  RoomFixture f(/*unread_max=*/1, /*frame_delay_max=*/10s);
  f.fabric.call(1, f.porter->start(f.shelf, 0, 500));
  f.fabric.run_for(10ms);
  f.fabric.call(1, f.porter->cancel_all());
  f.fabric.run_for(60s);
  CHECK(Shelf::seen.size() <= 1);
  CHECK(f.fabric.kernel(1).stats().calls_pending == 0);
}

TEST_CASE("room: a node that is lost makes nobody wait for it", "[kernel]") {
  RoomFixture f(/*unread_max=*/1, /*frame_delay_max=*/1s);
  f.fabric.call(1, f.porter->start(f.shelf, 0, 20));
  f.fabric.run_for(10ms);
  f.fabric.kill(2);
  f.fabric.run_for(5s);
  const auto lost =
      std::ranges::count_if(f.fabric.log(), [](const auto& line) { return line.message.contains("node-2 was lost"); });
  CHECK(Shelf::seen.size() + static_cast<std::size_t>(lost) == 20);
  CHECK(Shelf::seen.size() >= 10);  // what had not been sent goes to the next owner
  CHECK(std::ranges::is_sorted(Shelf::seen));
  CHECK(f.fabric.kernel(1).stats().calls_pending == 0);
}

TEST_CASE("room: calls go on in order when their shard moves while they wait", "[kernel]") {
  RoomFixture f(/*unread_max=*/2);
  const kernel::ShardId shard = kernel::ungrouped(16).shard_of("Shelf", f.shelf.key());
  for (int round = 0; round < 10; ++round) f.fabric.call(1, f.porter->start(f.shelf, 300 * round, 300));
  for (int i = 0; i < 8; ++i) {
    f.fabric.run_for(15ms);
    f.fabric.move_shard(shard, static_cast<std::uint16_t>(i % 2 + 1));
  }
  f.fabric.run_for(10s);
  REQUIRE(Shelf::seen.size() == 3'000);
  CHECK(std::ranges::is_sorted(Shelf::seen));
}
