// Resharding, against each kind of store: all that it holds is placed by another number of shards, once, and nobody who
// had a shard before can write afterwards.

#include "storage/grants.hpp"
#include "storage/open_store.hpp"
#include "storage/resharding.hpp"
#include "support/resharding_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using namespace epic::kernel;

namespace {

struct MemoryPlace {
  MemoryStore held{ungrouped(kShardCount), [] { return kNow; }};
  Store& store() { return held; }
  void reshard(const Placement& placement) { held.reshard(placement); }
};

struct SqlitePlace {
  TempDir directory;
  StoreAddress address{.kind = "sqlite", .location = directory.file()};
  std::unique_ptr<SqliteStore> held = open_sqlite(directory.file());
  Store& store() { return *held; }
  void reshard(const Placement& placement) {
    held.reset();
    must(must(Resharding::prepare(address, placement, {})).finish());
    OpenOptions options = creating();
    options.mode = OpenMode::existing;
    options.shard_count = placement.shard_count();
    held = open_sqlite(directory.file(), options);
  }
};

struct PostgresPlace {
  TempDir directory;
  std::string url = epic::test::PostgresServer::shared().make_database();
  StoreAddress address = locate_store(url, directory.path());
  std::unique_ptr<PostgresStore> held = open_postgres(url);
  Store& store() { return *held; }
  void reshard(const Placement& placement) {
    held.reset();
    must(must(Resharding::prepare(address, placement, {})).finish());
    PostgresOptions options = creating_postgres();
    options.mode = OpenMode::existing;
    options.shard_count = placement.shard_count();
    held = open_postgres(url, options);
  }
};

Epoch highest_epoch(Store& store) {
  Epoch highest{0};
  for (const Store::ShardRow& row : must(store.shards())) highest = std::max(highest, row.epoch);
  return highest;
}

}  // namespace

TEMPLATE_TEST_CASE("resharding: everything is there, each row under the shard of its entity", "[storage]", MemoryPlace,
                   SqlitePlace, PostgresPlace) {
  const auto count = GENERATE(1U, 3U, 24U, 256U);
  TestType place;
  fill(place.store());
  const auto before = facts(place.store());
  const auto answers_before = answers_of(place.store(), kFormer);
  REQUIRE(answers_before.size() == kEntities);
  check_places(place.store(), kFormer);

  place.reshard(ungrouped(count));
  CHECK(facts(place.store()) == before);
  CHECK(answers_of(place.store(), ungrouped(count)) == answers_before);
  check_places(place.store(), ungrouped(count));
  CHECK(must(place.store().schema(kSchema)) == "record T { }");

  place.reshard(ungrouped(kShardCount));  // and back
  CHECK(facts(place.store()) == before);
  check_places(place.store(), kFormer);
}

TEMPLATE_TEST_CASE("resharding: no former owner can write or take, and new owners can", "[storage]", MemoryPlace,
                   SqlitePlace, PostgresPlace) {
  const auto count = GENERATE(4U, 24U);
  TestType place;
  fill(place.store());
  take(place.store(), ShardId{3}, NodeId{2});  // one shard has had more owners than the others
  const Epoch highest = highest_epoch(place.store());
  REQUIRE(highest == Epoch{2});
  place.reshard(ungrouped(count));
  Store& store = place.store();

  CHECK(must(store.shards()).size() == count);
  for (std::uint32_t number = 0; number < count; ++number) {
    const ShardId shard{number};
    for (const std::uint64_t epoch : {1U, 2U, 3U})
      for (const NodeId node : {NodeId{1}, NodeId{2}})
        CHECK(error_of(store.commit(batch_of({{shard, Epoch{epoch}}}, {put("T", "late", "x", shard)}, node))).code ==
              StoreErrorCode::lost_ownership);
    for (const NodeId node : {NodeId{1}, NodeId{2}})
      CHECK(error_of(store.take({&shard, 1}, node, incarnation_of(node))).code == StoreErrorCode::not_granted);
  }
  // A former supervisor, which knows to whom it had granted what.
  CHECK(error_of(store.grant({.term = Term{0},
                              .map_version = MapVersion{9},
                              .list = {{.shard = ShardId{1},
                                        .node = NodeId{1},
                                        .incarnation = incarnation_of(NodeId{1}),
                                        .former = Incarnation{0}}}}))
            .code == StoreErrorCode::not_granted);

  const auto tenures = must(take_all(store, Incarnation{77}));
  REQUIRE(tenures.size() == count);
  for (const ShardEpoch& one : tenures) CHECK(one.epoch > highest);
  Batch batch = batch_of(tenures, {put("T", "new", "x", ungrouped(count).shard_of("T/new"))});
  batch.writer = Incarnation{77};
  must(store.commit(batch));
}

TEMPLATE_TEST_CASE("resharding: no message gets an id that another one has", "[storage]", MemoryPlace, SqlitePlace,
                   PostgresPlace) {
  TestType place;
  fill(place.store());
  std::set<MailId> used;
  must(place.store().list_mail(
      {},
      [&](const Mail& one) {
        used.insert(one.id);
        return Visit::go_on;
      },
      [](const StoreError&) {}));
  REQUIRE(used.size() == kEntities);
  place.reshard(ungrouped(24));
  for (const ShardEpoch& tenure : must(take_all(place.store(), Incarnation{77})))
    for (const MailId& id : used) CHECK((id.shard != tenure.shard || id.epoch < tenure.epoch));
}

TEMPLATE_TEST_CASE("resharding: an old message takes effect and ends as any other", "[storage]", MemoryPlace,
                   SqlitePlace, PostgresPlace) {
  TestType place;
  fill(place.store());
  place.reshard(ungrouped(3));  // less than the numbers of the shards in the messages' ids
  Store& store = place.store();
  const auto tenures = must(take_all(store, Incarnation{77}));
  Batch batch = batch_of(tenures, {});
  batch.writer = Incarnation{77};
  must(store.list_mail(
      {},
      [&](const Mail& one) {
        if (one.status == MailStatus::waiting) batch.operations.push_back(marked(one, MailStatus::begun));
        batch.operations.push_back(ended(one));
        return Visit::go_on;
      },
      [](const StoreError&) {}));
  must(store.commit(batch));
  CHECK(mail_numbers(store).empty());
}

TEMPLATE_TEST_CASE("resharding: versions go on from those of all erased entities", "[storage]", MemoryPlace,
                   SqlitePlace, PostgresPlace) {
  TestType place;
  fill(place.store());
  place.reshard(ungrouped(5));
  for (std::uint32_t shard = 0; shard < 5; ++shard)
    CHECK(must(place.store().version_floor(ShardId{shard})) == Version{100});
}

TEMPLATE_TEST_CASE("resharding: the next fabric hears whether an owner had died, and of nobody who gave back",
                   "[storage]", MemoryPlace, SqlitePlace, PostgresPlace) {
  const bool has_died = GENERATE(false, true);
  TestType place;
  fill(place.store());
  if (!has_died) {
    auto granter = must(Granter::lead(place.store(), Term{2}));
    must(granter.give_back(place.store(), {}));
  }
  place.reshard(ungrouped(5));
  auto granter = must(Granter::lead(place.store(), Term{1}));
  CHECK(granter.take_orphans().size() == (has_died ? 5 : 0));
}

TEMPLATE_TEST_CASE("resharding: a store that nobody has used yet", "[storage]", MemoryPlace, SqlitePlace,
                   PostgresPlace) {
  TestType place;
  place.reshard(ungrouped(3));
  CHECK(place.store().identity().placement.shard_count() == 3);
  CHECK(must(place.store().shards()).empty());
  CHECK(must(take_all(place.store(), Incarnation{77})).size() == 3);
}

TEMPLATE_TEST_CASE("resharding: by groups of classes, tagged keys go where the group's are, and the store says so",
                   "[storage]", MemoryPlace, SqlitePlace, PostgresPlace) {
  const auto count = GENERATE(as<std::uint32_t>(), kShardCount, 24U);
  const Placement together(count, {{"T", "Room"}, {"Gone", "Room"}});
  TestType place;
  fill(place.store());
  const auto before = facts(place.store());
  const auto answers_before = answers_of(place.store(), kFormer);
  place.reshard(together);
  CHECK(place.store().identity().placement == together);
  CHECK(facts(place.store()) == before);
  CHECK(answers_of(place.store(), together) == answers_before);
  check_places(place.store(), together);
  CHECK(must(place.store().load("T", "{4}:4"))->shard == together.shard_of("Room/4"));
  CHECK(must(place.store().load("T", "5"))->shard == ungrouped(count).shard_of("T/5"));

  place.reshard(kFormer);
  CHECK(place.store().identity().placement == kFormer);
  check_places(place.store(), kFormer);
}
