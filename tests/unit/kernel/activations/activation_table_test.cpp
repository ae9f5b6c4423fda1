#include "kernel/activations/activation_table.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "kernel/activations/idle_queue.hpp"

using namespace epic;
using epic::kernel::Activation;
using epic::kernel::ActivationTable;
using epic::kernel::ShardId;

namespace {

detail::NamePtr name_of(int number) { return detail::make_name("T", std::to_string(number)); }

std::vector<std::string> keys_of(ActivationTable& table, ShardId shard) {
  std::vector<std::string> keys;
  table.for_each_of(shard, [&](const Activation& activation) { keys.emplace_back(activation.name->key()); });
  return keys;
}

}  // namespace

TEST_CASE("activation table: finds by text, by a name's shortcut, and by id, and forgets what is removed", "[kernel]") {
  ActivationTable table(/*kernel_tag=*/1, /*shard_count=*/4);
  Activation& first = table.add(name_of(1), ShardId{0});
  Activation& second = table.add(name_of(2), ShardId{0});
  CHECK(table.find("T/1") == &first);
  const detail::NamePtr name = name_of(2);
  CHECK(table.find(*name) == &second);
  CHECK(table.find(*name) == &second);  // by the shortcut
  CHECK(table.find(second.id) == &second);
  CHECK(table.size() == 2);

  const kernel::ActivationId id = second.id;
  table.remove(second);
  CHECK(table.find("T/2") == nullptr);
  CHECK(table.find(*name) == nullptr);
  CHECK(table.find(id) == nullptr);
  CHECK(table.at(id.slot) == nullptr);

  Activation& third = table.add(name_of(3), ShardId{1});
  CHECK(third.id.slot == id.slot);  // the slot is used again, and what knew it notices
  CHECK(table.find(*name) == nullptr);
  CHECK(table.find(id) == nullptr);
}

TEST_CASE("activation table: lists a shard's own activations, in order", "[kernel]") {
  ActivationTable table(/*kernel_tag=*/1, /*shard_count=*/3);
  for (int i = 0; i < 9; ++i) table.add(name_of(i), ShardId{static_cast<decltype(ShardId::value)>(i % 3)});
  CHECK(keys_of(table, ShardId{1}) == std::vector<std::string>{"1", "4", "7"});
  CHECK(table.count_of(ShardId{1}) == 3);

  table.remove(*table.find("T/4"));
  CHECK(keys_of(table, ShardId{1}) == std::vector<std::string>{"1", "7"});
  table.for_each_of(ShardId{1}, [&](Activation& activation) { table.remove(activation); });
  CHECK(keys_of(table, ShardId{1}).empty());
  CHECK(table.count_of(ShardId{1}) == 0);
  CHECK(keys_of(table, ShardId{2}) == std::vector<std::string>{"2", "5", "8"});
}

TEST_CASE("activation table: many come and go, and each is found", "[kernel]") {
  ActivationTable table(/*kernel_tag=*/1, /*shard_count=*/1);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5'000; ++i) table.add(name_of(i), ShardId{0});
    for (int i = 0; i < 5'000; i += 2) table.remove(*table.find("T/" + std::to_string(i)));
    for (int i = 0; i < 5'000; ++i) REQUIRE((table.find("T/" + std::to_string(i)) != nullptr) == (i % 2 == 1));
    for (int i = 1; i < 5'000; i += 2) table.remove(*table.find("T/" + std::to_string(i)));
    CHECK(table.size() == 0);
  }
  CHECK(table.slot_count() < 5'200);
}

TEST_CASE("idle queue: the one that has waited the longest for a look comes first", "[kernel]") {
  ActivationTable table(/*kernel_tag=*/1, /*shard_count=*/1);
  kernel::IdleQueue queue(table);
  CHECK(queue.first() == nullptr);
  std::vector<Activation*> all;
  for (int i = 0; i < 3; ++i) {
    all.push_back(&table.add(name_of(i), ShardId{0}));
    queue.add(*all.back(), i);
  }
  CHECK(queue.first() == all[0]);
  queue.add(*all[0], 4);  // it has had its look
  CHECK(queue.first() == all[1]);
  queue.remove(*all[2]);
  queue.remove(*all[2]);
  queue.remove(*all[1]);
  CHECK(queue.first() == all[0]);
  queue.remove(*all[0]);
  CHECK(queue.first() == nullptr);
}
