// A PostgreSQL store whose URL names several hosts.

#include "storage/open_store.hpp"
#include "support/postgres_place.hpp"
#include "support/store_fixtures.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::Version;
using epic::test::PostgresServer;

namespace {

/// The database at several servers, in the order in which they are tried.
std::string url_of_hosts(const std::string& database, const std::string& hosts) {
  return PostgresServer::url_through(hosts, database);
}

}  // namespace

TEST_CASE("postgres: several hosts are refused if a standby that takes over may lack something, unless that is allowed",
          "[postgres][storage]") {
  PgPair pair;
  const std::string url = url_of_hosts(pair.database, "/nowhere," + pair.primary.directory().string());
  const std::string lossy = url + "&lossy_failover=true";
  CHECK(is_store_setting(url));
  CHECK(is_store_setting(lossy));
  CHECK_FALSE(is_store_setting(url + "&lossy_failover=perhaps"));
  const StoreError refused = error_of(PostgresStore::open(url, creating_postgres()));
  CHECK(refused.code == StoreErrorCode::busy);
  CHECK_THAT(refused.message,
             Catch::Contains("`synchronous_standby_names` is not set") && Catch::Contains("`lossy_failover=true`"));

  const auto store = open_postgres(lossy);
  must(store->commit(batch_of({take(*store)}, {put("T", "a", "1")})));
  CHECK(contents(*must(PostgresStore::open(url, {.mode = OpenMode::read_only}))) == std::vector<std::string>{"T/a=1"});
  CHECK(error_of(PostgresStore::open(url, {.mode = OpenMode::existing})).code == StoreErrorCode::busy);
  pair.become_synchronous();
  must(PostgresStore::open(url, {.mode = OpenMode::existing}));
}

TEST_CASE("postgres: of several hosts that which can be written is taken, and the next one when it is gone",
          "[postgres][storage]") {
  PgPair pair;
  must(open_postgres(pair.database)->commit(batch_of({}, {})));
  pair.follow();
  pair.become_synchronous();
  const std::string standby = pair.standby->directory().string();
  const std::string primary = pair.primary.directory().string();
  const bool is_standby_first = GENERATE(true, false);
  const auto store =
      open_postgres(url_of_hosts(pair.database, is_standby_first ? standby + "," + primary : primary + "," + standby));
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
  pair.fail_over();
  const Batch second = batch_of({held}, {replacing(Version{1}, put("T", "a", "2"))});
  CHECK(error_of(store->commit(second)).code == StoreErrorCode::unsure);
  // The standby was copied from a server without this setting, so the next failover could lose something.
  const StoreError refused = error_of(store->commit(second));
  CHECK(refused.code == StoreErrorCode::busy);
  CHECK_THAT(refused.message, Catch::Contains("synchronous_standby_names"));
  pair.standby->run_sql(PostgresServer::url_through(standby, pair.database),
                        "ALTER SYSTEM SET synchronous_standby_names = '*'");
  pair.standby->run_sql(PostgresServer::url_through(standby, pair.database), "SELECT pg_reload_conf()");
  PostgresServer next(*pair.standby);
  must(store->commit(second));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=2"});
}
