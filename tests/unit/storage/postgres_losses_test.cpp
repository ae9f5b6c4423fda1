// A PostgreSQL store whose database has lost what it confirmed, or passes to another server. EPIC_SEEDS sets the number
// of failovers under a seed.

#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <thread>

#include "storage/file_lock.hpp"
#include "storage/open_store.hpp"
#include "storage/postgres_confirmed.hpp"
#include "storage/postgres_format.hpp"
#include "storage/postgres_statements.hpp"
#include "support/postgres_place.hpp"
#include "support/standby_scenario.hpp"
#include "support/store_fixtures.hpp"
#include "support/temp_dir.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::NodeId;
using epic::kernel::ShardId;
using epic::kernel::Term;
using epic::kernel::Version;
using epic::test::PostgresServer;
using epic::test::TempDir;

namespace {

PostgresOptions noting_in(const TempDir& directory) {
  PostgresOptions options = creating_postgres();
  options.notes = directory.path();
  return options;
}

constexpr PgStatement kLockEntity{"", "SELECT 1 FROM epic.snapshots WHERE key = 'a' FOR UPDATE"};

constexpr PgStatement kLockWriters{"", "LOCK TABLE epic.writers"};
constexpr PgStatement kRemoveFirst{"", "DELETE FROM epic.writers WHERE writer = 1"};

Batch second_of(const ShardEpoch& held) { return batch_of({held}, {replacing(Version{1}, put("T", "a", "2"))}); }

}  // namespace

TEST_CASE("postgres: a session that is open writes nothing more when the store is marked, nor after that is accepted",
          "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  place.server.run_sql(place.url, "UPDATE epic.store SET mark = 'something is missing'");
  StoreErrorCode expected = StoreErrorCode::marked;
  SECTION("while it is marked") {}
  SECTION("after it was accepted") {
    must(lift_mark(locate_store(place.url, {})));
    expected = StoreErrorCode::lost_ownership;
  }
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "a", "1")}))).code == expected);
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "a", "1")}))).code == expected);
  CHECK(contents(*must(PostgresStore::open(place.url, {.mode = OpenMode::read_only}))).empty());
}

TEST_CASE("postgres: what was confirmed to a process that has died is missed by the next one", "[postgres][storage]") {
  PgPlace place;
  const TempDir notes;
  {
    const auto store = open_postgres(place.url, noting_in(notes));
    const ShardEpoch held = take(*store);                         // 1 and 2
    must(store->commit(batch_of({held}, {put("T", "a", "1")})));  // 3
    must(store->commit(second_of(held)));                         // 4
  }
  static_cast<void>(open_postgres(place.url, noting_in(notes)));
  const auto [change, text] = GENERATE(table<std::string, std::string>(
      {{"UPDATE epic.writers SET number = 2", "of node-1 (writer 1) the transactions 3 to 4 were confirmed"},
       {"UPDATE epic.writers SET number = 3", "of node-1 (writer 1) transaction 4 was confirmed"},
       {"DELETE FROM epic.writers", "node-1 (writer 1), whose transactions 1 to 4 were confirmed, is not there"}}));
  place.server.run_sql(place.url, change);

  CHECK(open_postgres(place.url)->identity().format_version == kPgFormatVersion);  // of another machine: knows nothing
  const StoreError lost = error_of(PostgresStore::open(place.url, noting_in(notes)));
  CHECK(lost.code == StoreErrorCode::marked);
  CHECK_THAT(lost.message, Catch::Contains(text));
  CHECK(error_of(PostgresStore::open(place.url, creating_postgres())).code == StoreErrorCode::marked);
  CHECK_THAT(find_mark(locate_store(place.url, {})).value_or(""), Catch::Contains(text));
  must(lift_mark(locate_store(place.url, {})));
  must(open_postgres(place.url, noting_in(notes))->commit(batch_of({}, {})));
}

TEST_CASE("postgres: rows of writers that have died are removed by the next one of their machine, and no others",
          "[postgres][storage]") {
  PgPlace place;
  const TempDir notes;
  const TempDir other_notes;
  const auto living = open_postgres(place.url, noting_in(notes));
  must(living->commit(batch_of({}, {})));
  for (const TempDir* const machine : {&notes, &other_notes})  // writers 2 and 3
    must(open_postgres(place.url, noting_in(*machine))->commit(batch_of({}, {})));
  const auto wait_until_only_one_is_left = [&] {
    place.wait_until(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'epic'", "1");
  };
  wait_until_only_one_is_left();
  place.break_connections();  // a process without a session is not dead

  must(open_postgres(place.url, noting_in(notes))->commit(batch_of({}, {})));
  CHECK(place.server.run_sql(place.url, "SELECT string_agg(writer::text, ' ' ORDER BY writer) FROM epic.writers") ==
        "1 3 4");
  CHECK(error_of(living->commit(batch_of({}, {}))).code == StoreErrorCode::unsure);
  must(living->commit(batch_of({}, {})));
  must(open_postgres(place.url, noting_in(other_notes))->commit(batch_of({}, {})));
  wait_until_only_one_is_left();
  must(open_postgres(place.url, noting_in(notes))->commit(batch_of({}, {})));
  CHECK(place.server.run_sql(place.url, "SELECT string_agg(writer::text, ' ' ORDER BY writer) FROM epic.writers") ==
        "1 5 6");
}

TEST_CASE("postgres: a writer that is removed while another process looks for it is not missed",
          "[postgres][storage][threads]") {
  PgPlace place;
  const TempDir notes;
  must(open_postgres(place.url, noting_in(notes))->commit(batch_of({}, {})));
  PgConnection other = other_session(place.url);
  must_run(other, kPgBegin);
  must_run(other, kLockWriters);
  must_run(other, kRemoveFirst);
  std::expected<std::unique_ptr<PostgresStore>, StoreError> opened;
  std::thread opener([&] { opened = PostgresStore::open(place.url, noting_in(notes)); });
  place.wait_until_store_waits_for("relation");
  CHECK(must(PgConfirmed::open(notes.path() / "postgres.confirmed")).forget({1}));
  must_run(other, kPgEnd);
  opener.join();
  must(must(std::move(opened))->commit(batch_of({}, {})));
}

TEST_CASE("postgres: a former owner that keeps its shard's row locked loses its session, and the grant goes on",
          "[storage][threads]") {
  PgPlace place;
  const auto former = open_postgres(place.url);
  const auto supervisor = open_postgres(place.url);
  const ShardEpoch held = take(*former);
  must(former->commit(batch_of({held}, {put("T", "a", "1")})));
  PgConnection other = other_session(place.url);
  must_run(other, kPgBegin);
  must_run(other, kLockEntity);
  std::expected<void, StoreError> written;
  std::thread writer([&] { written = former->commit(second_of(held)); });
  place.wait_until_store_waits_for("transactionid");

  const Grants grants{.term = Term{2},
                      .map_version = epic::kernel::MapVersion{2},
                      .list = {{.shard = ShardId{0},
                                .node = NodeId{2},
                                .incarnation = incarnation_of(NodeId{2}),
                                .former = incarnation_of(NodeId{1})}}};
  const StoreError waited = error_of(supervisor->grant(grants));
  CHECK(waited.code == StoreErrorCode::busy);
  writer.join();
  CHECK(error_of(written).code == StoreErrorCode::unsure);
  must(supervisor->grant(grants));
  must_run(other, kPgEnd);
  CHECK(error_of(former->commit(second_of(held))).code == StoreErrorCode::lost_ownership);
  CHECK(contents(*supervisor) == std::vector<std::string>{"T/a=1"});
}

TEST_CASE("postgres: a former leader that stands still in the middle of a grant loses its session, too",
          "[postgres][storage]") {
  PgPlace place;
  const auto supervisor = open_postgres(place.url);
  PgConnection former = other_session(place.url);
  must_run(former, pg::kNewWriter);
  must_run(former, kPgBegin);
  const Grants grants{
      .term = Term{2},
      .map_version = epic::kernel::MapVersion{2},
      .list = {{.shard = ShardId{0}, .node = NodeId{2}, .incarnation = incarnation_of(NodeId{2}), .former = {}}}};
  must(supervisor->grant({.term = Term{1}, .map_version = {}, .list = grants.list}));
  must_run(former, kLockShard);
  CHECK(error_of(supervisor->grant(grants)).code == StoreErrorCode::busy);
  must(supervisor->grant(grants));
}

TEST_CASE("postgres: a process that stands still while it has the notes of what was confirmed locked stops no other",
          "[storage][threads]") {
  PgPlace place;
  const TempDir notes;
  must(open_postgres(place.url, noting_in(notes))->commit(batch_of({}, {})));
  auto file = must(FileLock::open(notes.path() / "postgres.confirmed"));
  auto hold = must(file.lock());
  auto committed = std::async(std::launch::async,
                              [&] { must(open_postgres(place.url, noting_in(notes))->commit(batch_of({}, {}))); });
  const bool was_free = committed.wait_for(std::chrono::seconds(30)) == std::future_status::ready;
  hold.release();
  committed.get();
  CHECK(was_free);
}

TEST_CASE("postgres: goes on with a standby that has everything that was confirmed", "[postgres][storage]") {
  PgPair pair;
  const auto store = open_postgres(pair.url);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
  pair.follow();
  pair.become_synchronous();
  const std::string standby = PostgresServer::url_through(pair.standby->directory(), pair.database);
  const StoreError refused = error_of(PostgresStore::open(standby, {.mode = OpenMode::existing}));
  CHECK(refused.code == StoreErrorCode::busy);
  CHECK_THAT(refused.message, Catch::Contains("standby"));

  must(store->commit(second_of(held)));
  pair.fail_over();
  const Batch third = batch_of({held}, {replacing(Version{2}, put("T", "a", "3"))});
  CHECK(error_of(store->commit(third)).code == StoreErrorCode::unsure);
  must(store->commit(third));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=3"});
}

TEST_CASE("postgres: a standby that lacks what was confirmed is marked by the first that writes to it",
          "[postgres][storage]") {
  PgPair pair;
  const TempDir notes;
  auto dying = open_postgres(pair.url, noting_in(notes));
  const auto living = open_postgres(pair.url, noting_in(notes));
  const ShardEpoch held = take(*dying);
  const ShardEpoch other = take(*living, ShardId{1}, NodeId{2});
  must(dying->commit(batch_of({held}, {put("T", "a", "1")})));
  pair.follow();
  pair.standby->stop(PostgresServer::End::fast);
  must(dying->commit(second_of(held)));
  must(living->commit(batch_of({other}, {put("T", "b", "1", ShardId{1})}, NodeId{2})));
  dying.reset();
  pair.fail_over();

  const Batch next = batch_of({other}, {put("T", "b", "2", ShardId{1}, Version{2})}, NodeId{2});
  CHECK(error_of(living->commit(next)).code == StoreErrorCode::unsure);
  const StoreError lost = error_of(living->commit(next));
  CHECK(lost.code == StoreErrorCode::marked);
  CHECK_THAT(lost.message, Catch::Contains("of node-1 (writer 1) transaction 4 was confirmed") &&
                               Catch::Contains("of node-2 (writer 2) transaction 3 was confirmed") &&
                               Catch::Contains("the server's timeline was 1, and is 2"));
  CHECK(find_mark(locate_store(pair.url, {})).has_value());
  CHECK(contents(*must(PostgresStore::open(pair.url, {.mode = OpenMode::read_only}))) ==
        std::vector<std::string>{"T/a=1"});
}

TEST_CASE("postgres: whatever a standby lacks when it takes over, nobody goes on without it, and all with everything",
          "[postgres][storage]") {
  const char* const seeds = std::getenv("EPIC_SEEDS");
  for (std::uint64_t seed = 1; seed <= (seeds == nullptr ? 2 : std::strtoull(seeds, nullptr, 10)); ++seed) {
    INFO("seed " << seed);
    CHECK(epic::test::run_standby_scenario(seed) == "");
  }
}
