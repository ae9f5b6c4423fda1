// A whole store from a database into a file, and from a file into a database.

#include <filesystem>

#include "storage/open_store.hpp"
#include "storage/resharding.hpp"
#include "storage/restoration.hpp"
#include "support/postgres_place.hpp"
#include "support/resharding_fixtures.hpp"
#include "support/temp_dir.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::Incarnation;
using epic::kernel::NodeId;
using epic::kernel::Version;
using epic::test::PostgresServer;
namespace fs = std::filesystem;

namespace {

/// A database, and a file store of another project.
struct CopyPlaces {
  TempDir here;
  TempDir there;
  std::string url = PostgresServer::shared().make_database();
  StoreAddress database = locate_store(url, here.path());
  StoreAddress file = locate_store("sqlite", there.path());
  fs::path backup = here.path() / "backup.epic";
};

fs::path restore(const fs::path& backup, const StoreAddress& to) {
  return must(must(Restoration::prepare(backup, to, kShardCount, {})).finish());
}

std::unique_ptr<Store> read(const StoreAddress& address) {
  return must(open_store({.address = address, .mode = OpenMode::read_only}));
}

}  // namespace

TEST_CASE("postgres copy: a backup of a database becomes a file store, and that another database",
          "[postgres][storage]") {
  CopyPlaces places;
  fill(*open_postgres(places.url));
  const auto content = must(write_backup(places.database, places.backup, {}));
  CHECK(content.entities == kEntities);
  CHECK(content.messages() == kEntities);
  CHECK(content.reminders == kEntities);
  CHECK(content.answers == kEntities);
  CHECK(content.damaged == 0);

  CHECK(restore(places.backup, places.file).empty());
  const auto expected = facts(*read(places.database));
  CHECK(facts(*read(places.file)) == expected);
  check_places(*read(places.file), kFormer);

  CopyPlaces others;
  CHECK(restore(places.file.location, others.database).empty());
  const auto copied = read(others.database);
  CHECK(facts(*copied) == expected);
  CHECK(answers_of(*copied, kFormer) == answers_of(*read(places.database), kFormer));
  check_places(*copied, kFormer);
  CHECK(must(copied->version_floor(kFormer.shard_of("Gone/1"))) == Version{100});
  CHECK(must(copied->schema(kSchema)) == "record T { }");
  const auto rows = must(copied->shards());
  REQUIRE(rows.size() == kShardCount);
  CHECK(rows[3].incarnation == incarnation_of(NodeId{1}));
}

TEST_CASE("postgres copy: what a restoration replaces is kept, and what had it open writes nothing more",
          "[postgres][storage]") {
  CopyPlaces places;
  const auto store = open_postgres(places.url);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "old")})));
  must(write_backup(places.database, places.backup, {}));
  must(store->commit(batch_of({held}, {put("T", "a", "new"), put("T", "b", "new")})));

  const fs::path former = restore(places.backup, places.database);
  CHECK(contents(*read(places.database)) == std::vector<std::string>{"T/a=old"});
  CHECK(contents(*open_sqlite(former / "state.sqlite", reading())) == std::vector<std::string>{"T/a=new", "T/b=new"});
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "a", "late")}))).code == StoreErrorCode::lost_ownership);

  CHECK(restore(former / "state.sqlite", places.database) == places.here.path() / "replaced-2");
  CHECK(contents(*read(places.database)) == std::vector<std::string>{"T/a=new", "T/b=new"});
  take(*open_postgres(places.url));
}

TEST_CASE("postgres copy: a store that was written after it was copied is not replaced", "[postgres][storage]") {
  CopyPlaces places;
  const auto store = open_postgres(places.url);
  const ShardEpoch held = take(*store);
  auto resharding = must(Resharding::prepare(places.database, epic::kernel::ungrouped(3), {}));
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
  CHECK(error_of(resharding.finish()).code == StoreErrorCode::busy);
  must(store->commit(batch_of({held}, {put("T", "b", "2")})));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=1", "T/b=2"});
}

TEST_CASE("postgres copy: a damaged row stays damaged", "[postgres][storage]") {
  CopyPlaces places;
  {
    const auto store = open_postgres(places.url);
    must(store->commit(batch_of({take(*store)}, {put("T", "a", "1"), put("T", "b", "2")})));
  }
  PostgresServer::shared().run_sql(places.url, "UPDATE epic.snapshots SET bytes = 'x' WHERE key = 'a'");
  std::vector<std::string> named;
  const auto content = must(write_backup(places.database, places.backup,
                                         {.on_damage = [&](const std::string& what) { named.push_back(what); }}));
  CHECK(content.entities == 1);
  CHECK(content.damaged == 1);
  REQUIRE(named.size() == 1);
  CHECK_THAT(named[0], Catch::Contains("T/a"));
  restore(places.backup, places.database);
  CHECK(error_of(read(places.database)->load("T", "a")).code == StoreErrorCode::corrupt);
  CHECK(must(read(places.database)->load("T", "b")).has_value());
}
