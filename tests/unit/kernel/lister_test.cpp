// epic::list while shards move. What it lists: tests/unit/cluster/sim/list_test.cpp.

#include "kernel/lister.hpp"

#include <epic/epic.hpp>

#include <catch2/catch.hpp>

#include <algorithm>

#include "codec/capnp_codec.hpp"
#include "kernel/placement.hpp"
#include "support/sim_fabric.hpp"

using namespace epic;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kInnShards = 16;

class Lodger : public Entity {
 public:
  Task<> settle() const { co_return; }
  EPIC_ENTITY(Lodger, methods(settle), transient)
};

class Innkeeper : public Entity {
 public:
  Task<> invite(std::vector<std::string> keys) const {
    std::vector<Call<void>> calls;
    for (const std::string& key : keys) calls.push_back(Ref<Lodger>(key)->settle());
    co_await gather(std::move(calls));
  }
  EPIC_ENTITY(Innkeeper, methods(invite), transient)
};

const ModuleInfo& inns() {
  static const EntityInfoFn entities[] = {&Lodger::epic_info, &Innkeeper::epic_info};
  static const ModuleInfo info{EPIC_ABI_TAG, entities, &no_setup};
  return info;
}

kernel::ShardId shard_of_lodger(std::string_view key) { return kernel::ungrouped(kInnShards).shard_of("Lodger", key); }

/// Keys that begin with this, of entities whose shards are meant.
std::vector<std::string> find_keys(const std::string& beginning, std::size_t count,
                                   const std::function<bool(kernel::ShardId)>& is_meant) {
  std::vector<std::string> keys;
  for (int i = 10'000; keys.size() < count; ++i)
    if (std::string key = beginning + std::to_string(i); is_meant(shard_of_lodger(key))) keys.push_back(std::move(key));
  return keys;
}

}  // namespace

TEST_CASE("lister: a shard that leaves while it is listed takes no keys of others with it", "[kernel]") {
  codec::CapnpCodec codec;
  test::SimFabric fabric({.nodes = 2, .shard_count = kInnShards, .frame_delay_max = 1ns}, inns(), codec);
  fabric.run_for(100ms);
  const auto is_of_node_2 = [](kernel::ShardId shard) { return shard.value % 2 == 1; };
  const kernel::ShardId asking = kernel::ungrouped(kInnShards).shard_of(kernel::kListerType, "Lodger");
  const kernel::ShardId moving{asking.value == 3 ? 5u : 3u};  // not that of the one who walks, which is the first
  const auto first = find_keys("a", 2, [&](kernel::ShardId shard) { return shard == moving; });
  const auto second = find_keys("b", 1, [&](kernel::ShardId shard) { return is_of_node_2(shard) && shard != moving; });
  const Ref<Innkeeper> innkeeper("Ann");
  fabric.call(1, innkeeper->invite(first));
  fabric.call(1, innkeeper->invite(second));
  fabric.call(1, innkeeper->invite(find_keys("z", 8'300, is_of_node_2)));  // to be walked in three slices

  const kernel::Kernel& walker = fabric.kernel(2);
  std::size_t in_first_slice = 0;
  for (std::size_t slot = 0; slot < 4095; ++slot)
    if (const kernel::Activation* const activation = fabric.kernel(2).activations().at(slot); activation != nullptr)
      in_first_slice += static_cast<std::size_t>(std::ranges::count(first, activation->name->key()));
  REQUIRE(in_first_slice == 2);

  ListPage page;
  const auto has_ended = fabric.start_call<ListPage>(1, epic::list<Lodger>({}, {.limit = 1}),
                                                     [&](auto& record) { page = record.outcome.value.value(); });
  const auto is_walking = [&] {
    return std::ranges::any_of(
        walker.calls(""), [](const auto& view) { return view.method == "part" && view.state.contains("sleeping"); });
  };
  while (!is_walking()) REQUIRE((fabric.step() && !*has_ended));
  fabric.move_shard(moving, 1);
  while (walker.routing().is_active(moving)) REQUIRE((fabric.step() && is_walking()));

  REQUIRE(fabric.run_until([&] { return *has_ended; }));
  CHECK(fabric.owner_of("Lodger/" + first[0]) == 1);  // who knows neither of the two
  CHECK(page.keys == second);
  CHECK(page.next == second[0]);
}
