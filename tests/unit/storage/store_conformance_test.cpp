// What every Store must do, run against each implementation.

#include <algorithm>
#include <map>

#include "storage/grants.hpp"
#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::Epoch;
using epic::kernel::Incarnation;
using epic::kernel::MapVersion;
using epic::kernel::NodeId;
using epic::kernel::SchemaId;
using epic::kernel::ShardId;
using epic::kernel::Term;
using epic::kernel::Version;

TEMPLATE_TEST_CASE("store: an entity that was never saved is not an error", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  CHECK_FALSE(must(under_test.store.load("Player", "Bob")).has_value());
  CHECK(must(under_test.store.shards()).empty());
  CHECK(must(under_test.store.count_by_type()).empty());
}

TEMPLATE_TEST_CASE("store: what is committed is read back whole", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store, ShardId{3});
  must(under_test.store.commit(batch_of({held}, {put("Player", "Bob: Slayer", "score\0 7", ShardId{3}, Version{12})})));

  const Snapshot found = must(under_test.store.load("Player", "Bob: Slayer")).value();
  CHECK(found.type == "Player");
  CHECK(found.key == "Bob: Slayer");
  CHECK(found.shard == ShardId{3});
  CHECK(found.version == Version{12});
  CHECK(found.schema == kSchema);
  CHECK(found.saved_at == kNow);
  CHECK(found.bytes == bytes_of("score\0 7"));
}

TEMPLATE_TEST_CASE("store: keys and states may be empty or hold any bytes", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  const std::string strange("a\0b\xff'\"/\n", 8);
  must(under_test.store.commit(batch_of({held}, {put("T", "", ""), put("T", strange, strange), put("T", "a", "x")})));

  CHECK(must(under_test.store.load("T", "")).value().bytes.empty());
  CHECK(text_of(must(under_test.store.load("T", strange)).value().bytes) == strange);
  CHECK(contents(under_test.store) == std::vector<std::string>{"T/=", "T/a=x", "T/" + strange + "=" + strange});
}

TEMPLATE_TEST_CASE("store: a state of 8 MiB comes back as it was", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  std::string large(std::size_t{8} << 20, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 2654435761u >> 13);
  must(under_test.store.commit(batch_of({held}, {put("T", "large", large)})));
  CHECK(must(under_test.store.load("T", "large")).value().bytes == bytes_of(large));
}

TEMPLATE_TEST_CASE("store: a later commit takes the place of an earlier one", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(under_test.store.commit(batch_of({held}, {put("T", "a", "old")})));
  must(under_test.store.commit(batch_of({held}, {put("T", "a", "new", ShardId{0}, Version{2})})));

  const Snapshot found = must(under_test.store.load("T", "a")).value();
  CHECK(text_of(found.bytes) == "new");
  CHECK(found.version == Version{2});
}

TEMPLATE_TEST_CASE("store: an erased entity is gone from whatever reads", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(under_test.store.commit(batch_of({held}, {put("T", "a", "1"), put("T", "b", "2")})));
  must(under_test.store.commit(batch_of({held}, {erasure("T", "a"), erasure("T", "never there")})));

  CHECK_FALSE(must(under_test.store.load("T", "a")).has_value());
  CHECK(contents(under_test.store) == std::vector<std::string>{"T/b=2"});
  CHECK(must(under_test.store.count_by_type()).front().entities == 1);
  CHECK(must(under_test.store.count_by_schema()).front().entities == 1);
}

TEMPLATE_TEST_CASE("store: versions of a shard's new entities go on from its erased ones", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store, ShardId{1});
  const ShardEpoch other = take(under_test.store, ShardId{2});
  CHECK(must(under_test.store.version_floor(ShardId{1})) == Version{0});
  CHECK(must(under_test.store.version_floor(ShardId{5})) == Version{0});  // never granted

  must(under_test.store.commit(
      batch_of({held, other}, {put("T", "a", "1", ShardId{1}, Version{7}), put("T", "b", "1", ShardId{1}, Version{3}),
                               put("T", "c", "1", ShardId{2}, Version{9})})));
  must(under_test.store.commit(batch_of({held}, {replacing(Version{7}, erasure("T", "a", ShardId{1}))})));
  must(under_test.store.commit(batch_of({held}, {replacing(Version{3}, erasure("T", "b", ShardId{1}))})));

  CHECK(must(under_test.store.version_floor(ShardId{1})) == Version{8});
  CHECK(must(under_test.store.version_floor(ShardId{2})) == Version{0});
  take(under_test.store, ShardId{1}, NodeId{2});  // and stays so
  CHECK(must(under_test.store.version_floor(ShardId{1})) == Version{8});
}

TEMPLATE_TEST_CASE("store: an operation that finds another version than it states fails the whole batch", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(under_test.store.commit(batch_of({held}, {replacing(Version{0}, put("T", "a", "1"))})));
  must(under_test.store.commit(batch_of({held}, {replacing(Version{1}, put("T", "a", "2"))})));

  const auto operation = GENERATE(replacing(Version{0}, put("T", "a", "x")),     // there is one
                                  replacing(Version{1}, put("T", "a", "x")),     // an older one
                                  replacing(Version{3}, put("T", "a", "x")),     // a later one
                                  replacing(Version{1}, put("T", "none", "x")),  // there is none
                                  replacing(Version{0}, erasure("T", "a")), replacing(Version{1}, erasure("T", "a")),
                                  replacing(Version{1}, erasure("T", "none")));
  Batch batch = batch_of({held}, {replacing(Version{0}, put("T", "b", "1")), operation});
  batch.schemas = {{SchemaId{9}, "late"}};
  const StoreError error = error_of(under_test.store.commit(batch));
  CHECK(error.code == StoreErrorCode::conflict);
  CHECK(error.operation == 1);
  CHECK_THAT(error.message, Catch::Contains("operation 2 of commit 1") && Catch::Contains("Nothing was written"));
  CHECK(contents(under_test.store) == std::vector<std::string>{"T/a=2"});
  CHECK_FALSE(must(under_test.store.schema(SchemaId{9})).has_value());
  CHECK(must(under_test.store.version_floor(ShardId{0})) == Version{0});

  must(under_test.store.commit(batch_of({held}, {replacing(Version{2}, put("T", "a", "3"))})));
  must(under_test.store.commit(batch_of({held}, {replacing(Version{0}, erasure("T", "none"))})));
}

TEMPLATE_TEST_CASE("store: a change of whatever is there needs no version", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(under_test.store.commit(batch_of({held}, {put("T", "a", "1"), erasure("T", "b")})));
  must(under_test.store.commit(batch_of({held}, {put("T", "a", "2", ShardId{0}, Version{5})})));
  CHECK(must(under_test.store.load("T", "a")).value().version == Version{5});
  must(under_test.store.commit(batch_of({held}, {erasure("T", "a")})));
  CHECK(contents(under_test.store).empty());
}

TEMPLATE_TEST_CASE("store: taking granted shards raises their epochs by one", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  grant(under_test.store, ShardId{5}, NodeId{1});
  grant(under_test.store, ShardId{1}, NodeId{1});
  const std::vector<ShardId> both{ShardId{5}, ShardId{1}};
  const auto first = must(under_test.store.take(both, NodeId{1}, incarnation_of(NodeId{1})));
  CHECK(first == std::vector<ShardEpoch>{{ShardId{5}, Epoch{1}}, {ShardId{1}, Epoch{1}}});
  CHECK(take(under_test.store, ShardId{5}, NodeId{2}) == ShardEpoch{ShardId{5}, Epoch{2}});
  CHECK(take(under_test.store, ShardId{5}, NodeId{2}) == ShardEpoch{ShardId{5}, Epoch{3}});  // released, and given back

  const auto rows = must(under_test.store.shards());
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].shard == ShardId{1});
  CHECK(rows[0].node == NodeId{1});
  CHECK(rows[1].epoch == Epoch{3});
  CHECK(rows[1].node == NodeId{2});
  CHECK(rows[1].incarnation == incarnation_of(NodeId{2}));
  CHECK(rows[1].term == Term{1});
  CHECK(rows[1].map_version == MapVersion{1});
}

TEMPLATE_TEST_CASE("store: nobody takes a shard that was not granted to this very process", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  const std::vector<ShardId> shards{ShardId{0}, ShardId{1}};
  const auto refused = [&](NodeId node, Incarnation incarnation) {
    return error_of(under_test.store.take(shards, node, incarnation)).code == StoreErrorCode::not_granted;
  };
  CHECK(refused(NodeId{1}, incarnation_of(NodeId{1})));
  grant(under_test.store, ShardId{0}, NodeId{1});
  CHECK(refused(NodeId{1}, incarnation_of(NodeId{1})));  // one of them is
  grant(under_test.store, ShardId{1}, NodeId{1});
  CHECK(refused(NodeId{1}, Incarnation{77}));  // the next process in the same slot
  CHECK(refused(NodeId{2}, incarnation_of(NodeId{1})));
  for (const auto& row : must(under_test.store.shards())) CHECK(row.epoch == Epoch{0});
  CHECK(must(under_test.store.take(shards, NodeId{1}, incarnation_of(NodeId{1}))).size() == 2);
}

TEMPLATE_TEST_CASE("store: a grant ends the former owner's writes before anybody has taken the shard", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store, ShardId{0}, NodeId{1});
  grant(under_test.store, ShardId{0}, NodeId{2});
  CHECK(error_of(under_test.store.commit(batch_of({held}, {put("T", "a", "1")}))).code ==
        StoreErrorCode::lost_ownership);
  // Nor may the grantee write before it has taken the shard, whatever epoch it invents.
  CHECK(error_of(under_test.store.commit(batch_of({{ShardId{0}, Epoch{2}}}, {put("T", "a", "1")}, NodeId{2}))).code ==
        StoreErrorCode::lost_ownership);
}

TEMPLATE_TEST_CASE("store: grants are refused under an older term, and over a holder that they do not name",
                   "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const auto grants = [](Term term, Incarnation former, Incarnation to) {
    return Grants{.term = term,
                  .map_version = MapVersion{4},
                  .list = {{ShardId{6}, NodeId{3}, to, Incarnation{0}}, {ShardId{0}, NodeId{3}, to, former}}};
  };
  grant(under_test.store, ShardId{0}, NodeId{1}, Term{5});
  const Incarnation owner = incarnation_of(NodeId{1});
  const Incarnation next{31};
  CHECK(error_of(under_test.store.grant(grants(Term{4}, owner, next))).code == StoreErrorCode::not_granted);
  CHECK(error_of(under_test.store.grant(grants(Term{5}, Incarnation{0}, next))).code == StoreErrorCode::not_granted);
  CHECK(error_of(under_test.store.grant(grants(Term{6}, Incarnation{99}, next))).code == StoreErrorCode::not_granted);
  CHECK(must(under_test.store.shards()).size() == 1);  // all or nothing

  must(under_test.store.grant(grants(Term{6}, owner, next)));
  must(under_test.store.grant(grants(Term{6}, owner, next)));  // nobody knows whether the first was written
  CHECK(must(under_test.store.shards()).front().incarnation == next);
  CHECK(error_of(under_test.store.grant(grants(Term{5}, next, Incarnation{32}))).code == StoreErrorCode::not_granted);
}

TEMPLATE_TEST_CASE("granter: writes what a map changes, and a new leader goes on from what is written", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  Store& store = under_test.store;
  epic::kernel::ShardMap map{.version = MapVersion{1},
                             .owners = std::vector<NodeId>(kShardCount, NodeId{1}),
                             .members = {{NodeId{1}, Incarnation{11}, {}}, {NodeId{2}, Incarnation{12}, {}}},
                             .moving = {},
                             .owned_since = std::vector<MapVersion>(kShardCount, MapVersion{1})};
  auto granter = must(Granter::lead(store, Term{3}));
  must(granter.write(store, map));
  map.version = MapVersion{2};
  map.owners[4] = NodeId{2};
  map.owned_since[4] = MapVersion{2};
  must(granter.write(store, map));
  must(granter.write(store, map));
  for (const auto& row : must(store.shards())) {
    CHECK(row.incarnation == Incarnation{row.shard == ShardId{4} ? 12U : 11U});
    CHECK(row.map_version == MapVersion{row.shard == ShardId{4} ? 2U : 1U});
    CHECK(row.term == Term{3});
  }

  auto next = must(Granter::lead(store, Term{1}));  // it has counted less far
  map.version = MapVersion{1};
  map.members = {{NodeId{2}, Incarnation{13}, {}}};
  map.owners.assign(kShardCount, NodeId{2});
  map.owners[7] = NodeId{0};  // nobody may have it: its row stays
  map.owned_since.assign(kShardCount, MapVersion{1});
  must(next.write(store, map));
  CHECK(must(store.shards()).front().term == Term{4});
  CHECK(must(store.shards()).back().incarnation == Incarnation{11});
  map.owners.assign(kShardCount, NodeId{2});
  CHECK(error_of(granter.write(store, map)).code == StoreErrorCode::not_granted);  // the former leader
}

TEMPLATE_TEST_CASE("granter: a program that has the store to itself takes every shard", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  take(under_test.store, ShardId{2}, NodeId{1});
  const auto epochs = must(take_all(under_test.store, Incarnation{50}));
  CHECK(epochs.size() == kShardCount);
  Batch batch = batch_of(epochs, {put("T", "a", "1")});
  batch.writer = Incarnation{50};
  must(under_test.store.commit(batch));
  CHECK(must(take_all(under_test.store, Incarnation{51})).size() == kShardCount);
  CHECK(error_of(under_test.store.commit(batch)).code == StoreErrorCode::lost_ownership);
}

TEMPLATE_TEST_CASE("store: a former owner writes nothing, not even to the shards that it still owns", "[storage]",
                   Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch kept = take(under_test.store, ShardId{0}, NodeId{1});
  const ShardEpoch lost = take(under_test.store, ShardId{1}, NodeId{1});
  must(under_test.store.commit(batch_of({kept, lost}, {put("T", "a", "1"), put("T", "b", "1", ShardId{1})})));
  take(under_test.store, ShardId{1}, NodeId{2});

  Batch late = batch_of({kept, lost}, {put("T", "a", "2"), put("T", "b", "2", ShardId{1})});
  late.schemas = {{SchemaId{9}, "late"}};
  const StoreError error = error_of(under_test.store.commit(late));
  CHECK(error.code == StoreErrorCode::lost_ownership);
  CHECK_THAT(error.message, Catch::Contains("shard 1 is at epoch 2") && Catch::Contains("node-2") &&
                                Catch::Contains("epoch 1 by incarnation 1000. Nothing was written"));
  CHECK(contents(under_test.store) == std::vector<std::string>{"T/a=1", "T/b=1"});
  CHECK_FALSE(must(under_test.store.schema(SchemaId{9})).has_value());
  must(under_test.store.commit(batch_of({kept}, {put("T", "a", "3")})));
  // The same epoch, by another process: as after a store was restored from a copy.
  CHECK(error_of(under_test.store.commit(batch_of({kept}, {put("T", "a", "4")}, NodeId{3}))).code ==
        StoreErrorCode::lost_ownership);
}

TEMPLATE_TEST_CASE("store: an epoch that was never given out is no ownership", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const Batch invented = batch_of({{ShardId{0}, Epoch{1}}}, {put("T", "a", "1")});
  CHECK(error_of(under_test.store.commit(invented)).code == StoreErrorCode::lost_ownership);
  take(under_test.store);
  const Batch from_the_future = batch_of({{ShardId{0}, Epoch{2}}}, {put("T", "a", "1")});
  CHECK(error_of(under_test.store.commit(from_the_future)).code == StoreErrorCode::lost_ownership);
}

TEMPLATE_TEST_CASE("store: a schema is kept as it was first written", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  Batch batch = batch_of({}, {});
  batch.schemas = {{kSchema, "struct T { a :Int64 }"}};
  must(under_test.store.commit(batch));
  batch.schemas = {{kSchema, "something else"}, {SchemaId{1}, ""}};
  must(under_test.store.commit(batch));

  CHECK(must(under_test.store.schema(kSchema)) == "struct T { a :Int64 }");
  CHECK(must(under_test.store.schema(SchemaId{1})) == "");
  CHECK_FALSE(must(under_test.store.schema(SchemaId{2})).has_value());
}

TEMPLATE_TEST_CASE("store: listing goes by type and key, and can be narrowed", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(
      under_test.store.commit(batch_of({held}, {put("B", "user-2", "4"), put("A", "user-10", "2"),
                                                put("A", "user-1", "1"), put("B", "guest", "3"), put("C", "x", "5")})));

  CHECK(contents(under_test.store) ==
        std::vector<std::string>{"A/user-1=1", "A/user-10=2", "B/guest=3", "B/user-2=4", "C/x=5"});
  CHECK(contents(under_test.store, {.type = "B"}) == std::vector<std::string>{"B/guest=3", "B/user-2=4"});
  CHECK(contents(under_test.store, {.key_prefix = "user-"}) ==
        std::vector<std::string>{"A/user-1=1", "A/user-10=2", "B/user-2=4"});
  CHECK(contents(under_test.store, {.type = "A", .key_prefix = "user-10"}) == std::vector<std::string>{"A/user-10=2"});
  CHECK(contents(under_test.store, {.type = "A", .after_key = "user-1"}) == std::vector<std::string>{"A/user-10=2"});
  CHECK(contents(under_test.store, {.type = "A", .key_prefix = "user-10", .after_key = "a"}) ==
        std::vector<std::string>{"A/user-10=2"});
  CHECK(contents(under_test.store, {.type = "A", .key_prefix = "user", .after_key = "user-10"}).empty());
  CHECK(contents(under_test.store, {.type = "B", .key_prefix = "guest", .after_key = "user"}).empty());
  CHECK(contents(under_test.store, {.type = "D"}).empty());
  CHECK(contents(under_test.store, {.limit = 3}).size() == 3);
  CHECK(contents(under_test.store, {.limit = 0}).empty());
}

TEMPLATE_TEST_CASE("store: a listing of many pages visits each snapshot once", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  std::vector<Operation> writes;
  std::vector<std::string> expected;
  for (int i = 0; i < 1'000; ++i) {
    const std::string type = i < 600 ? "A" : "B";
    const std::string key = fmt::format("{:04}", i);
    writes.push_back(put(type, key, i % 100 == 0 ? std::string(600'000, 'x') : std::string("y")));
    expected.push_back(type + "/" + key);
  }
  std::ranges::reverse(writes);
  must(under_test.store.commit(batch_of({held}, writes)));

  std::vector<std::string> found;
  must(under_test.store.list(
      {},
      [&](const Snapshot& snapshot) {
        found.push_back(snapshot.type + "/" + snapshot.key);
        return Visit::go_on;
      },
      [](const StoreError&) {}));
  CHECK(found == expected);
}

TEMPLATE_TEST_CASE("store: a visitor may stop, and may change the store meanwhile", "[storage]", Memory, Sqlite,
                   Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(under_test.store.commit(batch_of({held}, {put("T", "a", "1"), put("T", "b", "1"), put("T", "c", "1")})));

  int visits = 0;
  must(under_test.store.list(
      {},
      [&](const Snapshot& snapshot) {
        ++visits;
        must(under_test.store.commit(batch_of({held}, {put("T", snapshot.key, "2")})));
        return snapshot.key == "b" ? Visit::stop : Visit::go_on;
      },
      [](const StoreError&) {}));
  CHECK(visits == 2);
  CHECK(contents(under_test.store) == std::vector<std::string>{"T/a=2", "T/b=2", "T/c=1"});
}

TEMPLATE_TEST_CASE("store: counts entities and bytes by type", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(under_test.store.commit(batch_of({held}, {put("B", "x", "12345"), put("A", "x", "123"), put("A", "y", "")})));

  const auto counts = must(under_test.store.count_by_type());
  REQUIRE(counts.size() == 2);
  CHECK(counts[0].type == "A");
  CHECK(counts[0].entities == 2);
  CHECK(counts[0].bytes == 3);
  CHECK(counts[1].type == "B");
  CHECK(counts[1].bytes == 5);
}

TEMPLATE_TEST_CASE("store: counts entities by type and schema", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  CHECK(must(under_test.store.count_by_schema()).empty());
  Batch batch = batch_of({held}, {put("B", "x", "1"), put("A", "x", "1"), put("A", "y", "1"), put("A", "z", "1")});
  const SchemaId other{5};
  std::get<PutSnapshot>(batch.operations[2]).schema = other;
  batch.schemas.push_back({other, "Other"});
  must(under_test.store.commit(batch));

  std::map<std::pair<std::string, SchemaId>, std::uint64_t> counts;
  for (const auto& count : must(under_test.store.count_by_schema()))
    counts[{count.type, count.schema}] = count.entities;
  CHECK(counts.size() == 3);
  CHECK(counts[{"A", kSchema}] == 2);
  CHECK(counts[{"A", other}] == 1);
  CHECK(counts[{"B", kSchema}] == 1);
}

TEMPLATE_TEST_CASE("store: housekeeping changes nothing that can be read", "[storage]", Memory, Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  for (int i = 0; i < 20; ++i) {
    must(under_test.store.commit(batch_of({held}, {put("T", std::to_string(i % 4), std::to_string(i))})));
    if (i % 5 == 0) must(under_test.store.maintain());
  }
  CHECK(contents(under_test.store) == std::vector<std::string>{"T/0=16", "T/1=17", "T/2=18", "T/3=19"});
  CHECK(under_test.store.identity().placement.shard_count() == kShardCount);
}

TEMPLATE_TEST_CASE("store: a reader that holds a moment sees nothing of what is written after it", "[storage]", Memory,
                   Sqlite, Postgres) {
  TestType under_test;
  const ShardEpoch held = take(under_test.store);
  must(under_test.store.commit(batch_of({held}, {put("T", "a", "1"), put("T", "b", "1")})));
  const std::unique_ptr<Store> reader = under_test.open_reader();
  must(reader->begin_moment());
  must(under_test.store.commit(batch_of({held}, {put("T", "b", "2"), put("T", "c", "2"), erasure("T", "a")})));

  CHECK(text_of(must(reader->load("T", "b")).value().bytes) == "1");
  CHECK_FALSE(must(reader->load("T", "c")).has_value());
  CHECK(must(reader->load("T", "a")).has_value());
  CHECK(must(reader->count_by_type()).front().entities == 2);
  reader->end_moment();
  CHECK(text_of(must(reader->load("T", "b")).value().bytes) == "2");
  CHECK(must(reader->load("T", "c")).has_value());
}
