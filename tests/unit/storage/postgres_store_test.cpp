// A store in PostgreSQL: what breaks between it and the server, and what is found of that afterwards.

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include "storage/open_store.hpp"
#include "storage/postgres_connection.hpp"
#include "storage/postgres_mail_places.hpp"
#include "storage/store_hold.hpp"
#include "support/mail_fixtures.hpp"
#include "support/postgres_place.hpp"
#include "support/small_file_system.hpp"

using namespace epic::storage;
using namespace epic::storage::test;
using epic::kernel::ShardId;
using epic::kernel::Version;
using epic::test::PostgresServer;

namespace {

constexpr PgStatement kGrantAway{"", "UPDATE epic.shards SET node = 2, incarnation = 2000 WHERE shard = 0"};
// Whose checksum is wrong: it is named in a page as damaged, which is enough to see it.
constexpr PgStatement kSendMail{
    "",
    "INSERT INTO epic.mail(from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, "
    "sender, receiver_type, receiver_key, method, why, arguments) VALUES(5, 1, 1, 1, 0, 0, 0, 0, 0, '', 'T', 'a', '', "
    "'', '')"};

std::string keys_in(const MailPage& page) {
  std::string text;
  for (const auto& row : page.rows) text += std::to_string(row.mail.id.number) + ' ';
  return text + std::string(page.damaged.size(), 'x');
}

}  // namespace

TEST_CASE("postgres: is made once, by the first of several, and found by all", "[storage][threads]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string url = server.make_database();
  if (GENERATE(false, true))  // a database of its own, instead of a schema
    server.run_sql(url, "DROP SCHEMA epic; ALTER DATABASE " + server.run_sql(url, "SELECT current_database()") +
                            " OWNER TO " + PostgresServer::kRole);
  CHECK(error_of(PostgresStore::open(url, {.mode = OpenMode::existing})).code == StoreErrorCode::not_found);
  CHECK(error_of(PostgresStore::open(url, {.mode = OpenMode::read_only})).code == StoreErrorCode::not_found);
  CHECK_FALSE(is_made(locate_store(url, {})));

  std::array<std::expected<std::unique_ptr<PostgresStore>, StoreError>, 4> opened;
  {
    std::array<std::thread, 4> threads;
    for (std::size_t i = 0; i < threads.size(); ++i)
      threads[i] = std::thread([&, i] { opened[i] = PostgresStore::open(url, creating_postgres()); });
    for (std::thread& thread : threads) thread.join();
  }
  for (auto& one : opened) CHECK(must(std::move(one))->identity().placement.shard_count() == kShardCount);
  CHECK(is_made(locate_store(url, {})));
  CHECK(error_of(PostgresStore::open(url, {.mode = OpenMode::existing, .shard_count = 9})).code ==
        StoreErrorCode::incompatible);
  server.run_sql(url, "UPDATE epic.store SET format = 77, needs_epic = '9.8.7'");
  const StoreError newer = error_of(PostgresStore::open(url, {.mode = OpenMode::read_only}));
  CHECK(newer.code == StoreErrorCode::incompatible);
  CHECK_THAT(newer.message, Catch::Contains("format 77") && Catch::Contains("epic 9.8.7 or newer"));
}

TEST_CASE("postgres: a store is for fabrics or for one command, also after a connection was lost",
          "[postgres][storage]") {
  PgPlace place;
  const auto wait_until_unused = [&] {
    place.wait_until(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = "
        "'epic'",
        "0");
  };
  const StoreAddress address = locate_store(place.url, {});
  PostgresOptions options = creating_postgres();
  options.is_of_fabric = true;
  auto first = must(PostgresStore::open(place.url, options));
  auto second = must(PostgresStore::open(place.url, options));  // of another node
  const StoreError used = error_of(StoreHold::try_take(address));
  CHECK(used.code == StoreErrorCode::busy);
  CHECK_THAT(used.message, Catch::Contains("a fabric runs on the store"));
  second.reset();
  place.break_connections();
  const Grants none{.term = epic::kernel::Term{1}, .map_version = epic::kernel::MapVersion{1}, .list = {}};
  CHECK_FALSE(first->grant(none));
  must(first->grant(none));  // it is connected again
  CHECK(error_of(StoreHold::try_take(address)).code == StoreErrorCode::busy);
  first.reset();
  wait_until_unused();

  {
    const StoreHold hold = must(StoreHold::try_take(address));
    CHECK(error_of(StoreHold::try_take(address)).code == StoreErrorCode::busy);
    const StoreError refused = error_of(PostgresStore::open(place.url, options));
    CHECK(refused.code == StoreErrorCode::busy);
    CHECK_THAT(refused.message, Catch::Contains("a command that needs the store"));
    must(PostgresStore::open(place.url, {.mode = OpenMode::existing}));  // the command's own
  }
  wait_until_unused();
  must(PostgresStore::open(place.url, options));
  must(StoreHold::try_take(StoreAddress{.kind = "memory"}));
}

TEST_CASE("postgres: a database that is missing, and a server that is, are told apart", "[postgres][storage]") {
  const std::string url = PostgresServer::shared().make_database();
  const StoreError missing = error_of(PostgresStore::open(
      url.substr(0, url.find('?')) + "_none" + url.substr(url.find('?')), {.mode = OpenMode::read_only}));
  CHECK(missing.code == StoreErrorCode::not_found);
  CHECK_THAT(missing.message, Catch::Contains("createdb"));
  const StoreError gone =
      error_of(PostgresStore::open("postgresql:///arena?host=/nowhere", {.mode = OpenMode::read_only}));
  CHECK(gone.code == StoreErrorCode::busy);
  CHECK_THAT(gone.message, Catch::Contains("Check that the database server runs"));
}

TEST_CASE("postgres: a commit whose connection breaks before the server has it is written when it is tried again",
          "[storage][threads]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  const Batch batch = batch_of({held}, {replacing(Version{0}, put("T", "a", "1"))});
  PgConnection other = other_session(place.url);
  must_run(other, kPgBegin);
  must_run(other, kLockShard);
  std::expected<void, StoreError> written;
  std::thread writer([&] { written = store->commit(batch); });
  place.wait_until_store_waits_for("transactionid");
  place.server.run_sql(place.url,
                       "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
                       "wait_event = 'transactionid'");
  writer.join();
  CHECK(error_of(written).code == StoreErrorCode::unsure);
  must_run(other, kPgEnd);

  int asked = 0;
  must(store->write_next([&]() -> const Batch& {
    ++asked;
    return batch;
  }));
  CHECK(asked == 1);
  CHECK(contents(*store) == std::vector<std::string>{"T/a=1"});
}

TEST_CASE("postgres: a commit whose connection breaks after the server has it is found, and not written twice",
          "[storage][threads]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  const Batch batch = batch_of({held}, {replacing(Version{0}, put("T", "a", "1"))});
  // Waiting for a standby that there is none of, the server has committed, and does not say so.
  place.server.run_sql(place.url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  place.server.run_sql(place.url, "SELECT pg_reload_conf()");
  place.wait_until("SHOW synchronous_standby_names", "nobody");
  std::expected<void, StoreError> written;
  std::thread writer([&] { written = store->commit(batch); });
  place.wait_until_store_waits_for("SyncRep");
  place.server.run_sql(place.url, "ALTER SYSTEM RESET synchronous_standby_names");
  place.break_connections();
  writer.join();
  place.server.run_sql(place.url, "SELECT pg_reload_conf()");
  place.wait_until("SHOW synchronous_standby_names", "");
  CHECK(error_of(written).code == StoreErrorCode::unsure);

  must(store->write_next([&]() -> const Batch& {
    FAIL_CHECK("the batch is asked for again");
    return batch;
  }));
  must(store->commit(batch_of({held}, {replacing(Version{1}, put("T", "a", "2"))})));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=2"});
}

TEST_CASE("postgres: a commit that waits while its shard is granted to another is refused", "[storage][threads]") {
  PgPlace place;
  if (GENERATE(false, true))  // whatever the database has for others
    place.server.run_sql(place.url, "ALTER DATABASE " + place.server.run_sql(place.url, "SELECT current_database()") +
                                        " SET default_transaction_isolation = 'repeatable read'");
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  PgConnection supervisor = other_session(place.url);
  must_run(supervisor, kPgBegin);
  must_run(supervisor, kGrantAway);
  std::expected<void, StoreError> written;
  std::thread writer([&] { written = store->commit(batch_of({held}, {put("T", "a", "1")})); });
  place.wait_until_store_waits_for("transactionid");
  must_run(supervisor, kPgEnd);
  writer.join();
  CHECK(error_of(written).code == StoreErrorCode::lost_ownership);
  CHECK(contents(*store).empty());
}

TEST_CASE("postgres: a session whose link was moved on writes nothing more", "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  place.server.run_sql(place.url, "UPDATE epic.writers SET link = link + 1");
  CHECK(error_of(store->commit(batch_of({held}, {put("T", "a", "1")}))).code == StoreErrorCode::lost_ownership);
  CHECK(contents(*store).empty());
}

TEST_CASE("postgres: a database that has lost confirmed commits is marked, and written only when that is accepted",
          "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
  const std::string change =
      GENERATE(as<std::string>{}, "UPDATE epic.writers SET number = number - 1", "DELETE FROM epic.writers");
  place.server.run_sql(place.url, change);
  place.break_connections();
  // The first is told that its connection is gone, and cannot know what became of it.
  const Batch batch = batch_of({held}, {put("T", "a", "2", ShardId{0}, Version{2})});
  const StoreError broken = error_of(store->commit(batch));
  CHECK(broken.code == StoreErrorCode::unsure);
  const StoreError lost = error_of(store->commit(batch));
  CHECK(lost.code == StoreErrorCode::marked);
  CHECK_THAT(lost.message, Catch::Contains("confirmed"));
  CHECK(error_of(store->commit(batch)).code == StoreErrorCode::marked);
  CHECK(error_of(PostgresStore::open(place.url, creating_postgres())).code == StoreErrorCode::marked);
  CHECK(contents(*must(PostgresStore::open(place.url, {.mode = OpenMode::read_only}))).size() == 1);

  const StoreAddress address = locate_store(place.url, {});
  CHECK(find_mark(address).has_value());
  must(lift_mark(address));
  CHECK_FALSE(find_mark(address).has_value());
  CHECK(contents(*open_postgres(place.url)) == std::vector<std::string>{"T/a=1"});
}

TEST_CASE("postgres: goes on when the server is back", "[postgres][storage]") {
  PostgresServer server;
  const std::string url = server.make_database();
  const auto store = open_postgres(url);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
  server.stop(GENERATE(PostgresServer::End::fast, PostgresServer::End::crash));

  CHECK(error_of(store->load("T", "a")).code == StoreErrorCode::busy);
  const Batch batch = batch_of({held}, {replacing(Version{1}, put("T", "a", "2"))});
  const StoreError gone = error_of(store->commit(batch));
  CHECK(may_be_retried(gone.code));
  CHECK(error_of(store->commit(batch)).code == StoreErrorCode::busy);
  server.start();
  must(store->commit(batch));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=2"});
}

TEST_CASE("postgres: a read-only database is named, and written when it is none any more", "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  const Batch batch = batch_of({held}, {put("T", "a", "1")});
  const std::string set = "ALTER DATABASE " + place.server.run_sql(place.url, "SELECT current_database()") +
                          " SET default_transaction_read_only = ";
  place.server.run_sql(place.url, set + "on");
  place.break_connections();
  static_cast<void>(store->load("T", "a"));  // connects anew
  const StoreError refused = error_of(store->commit(batch));
  CHECK(refused.code == StoreErrorCode::busy);
  CHECK_THAT(refused.message, Catch::Contains("read-only") && Catch::Contains("Nothing was written"));
  place.server.run_sql(place.url, "BEGIN READ WRITE; " + set + "off; COMMIT");
  place.break_connections();
  static_cast<void>(store->load("T", "a"));
  must(store->commit(batch));
}

TEST_CASE("postgres: a full disk of the server is named, and written when there is room", "[postgres][storage]") {
  PostgresServer& server = PostgresServer::shared();
  std::filesystem::create_directory(server.directory() / "disk");
  const epic::test::SmallFileSystem disk(server.directory() / "disk", "4m");
  if (!disk.is_mounted()) {
    WARN("skipped: this user may not mount a file system");
    return;
  }
  PgPlace place;
  const std::string base = place.server.run_sql(place.url, "SHOW data_directory");
  const struct stat owner = [&] {
    struct stat found{};
    REQUIRE(::stat(base.c_str(), &found) == 0);
    return found;
  }();
  REQUIRE(::chown(disk.path().c_str(), owner.st_uid, owner.st_gid) == 0);
  server.run_sql(place.url, "CREATE TABLESPACE small LOCATION '" + disk.path().string() + "'");
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {put("T", "a", "1")})));
  server.run_sql(place.url, "ALTER TABLE epic.snapshots SET TABLESPACE small");
  disk.fill();

  std::string noise;  // that does not shrink
  for (std::uint32_t state = 1; noise.size() < 1'000'000; state = state * 1664525 + 1013904223)
    noise.push_back(static_cast<char>(state >> 24));
  const Batch large = batch_of({held}, {put("T", "b", noise)});
  const StoreError full = error_of(store->commit(large));
  CHECK(full.code == StoreErrorCode::full);
  CHECK_THAT(full.message, Catch::Contains("Free some space on the database server's disk"));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=1"});
  disk.make_room();
  must(store->commit(large));
  CHECK(must(store->load("T", "b"))->bytes.size() == noise.size());
  server.run_sql(place.url, "ALTER TABLE epic.snapshots SET TABLESPACE pg_default");
  server.run_sql(place.url, "DROP TABLESPACE small");
}

TEST_CASE("postgres: a database that is too slow ends a commit by itself, which is written when it is tried again",
          "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  place.server.run_sql(place.url,
                       "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                       "'BEGIN PERFORM pg_sleep(3600); RETURN NULL; END'; "
                       "CREATE TRIGGER slow AFTER INSERT ON epic.snapshots EXECUTE FUNCTION slow()");
  const Batch batch = batch_of({held}, {replacing(Version{0}, put("T", "a", "1"))});
  const StoreError slow = error_of(store->commit(batch));
  CHECK(slow.code == StoreErrorCode::busy);
  CHECK_THAT(slow.message, Catch::Contains("too slow") && Catch::Contains("Nothing was written"));
  CHECK(contents(*store).empty());
  place.server.run_sql(place.url, "DROP TRIGGER slow ON epic.snapshots");
  must(store->commit(batch));
  CHECK(contents(*store) == std::vector<std::string>{"T/a=1"});
}

TEST_CASE("postgres: a row that was altered is never served, and the others are", "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  must(store->commit(batch_of({take(*store)}, {put("T", "a", "1"), put("T", "b", "2")})));
  const std::string change =
      GENERATE(as<std::string>{}, "version = 9", "bytes = 'x'", "shard = 3", "saved_at = 1", "schema = 1");
  place.server.run_sql(place.url, "UPDATE epic.snapshots SET " + change + " WHERE key = 'a'");
  const StoreError damage = error_of(store->load("T", "a"));
  CHECK(damage.code == StoreErrorCode::corrupt);
  CHECK_THAT(damage.message, Catch::Contains("snapshot of T/a") && Catch::Contains("damaged"));
  std::string found;
  must(store->list(
      {},
      [&](const Snapshot& snapshot) {
        found += snapshot.key;
        return Visit::go_on;
      },
      [&](const DamagedRow& row) { found += row.key + '!'; }));
  CHECK(found == "a!b");
}

TEST_CASE("postgres: a message that becomes visible after a later one is read, and none is read twice",
          "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const std::vector<ShardEpoch> held{take(*store, ShardId{0}), take(*store, ShardId{1})};
  PgConnection slow = other_session(place.url);
  must_run(slow, kPgBegin);
  must_run(slow, kSendMail);
  must(store->commit(batch_of(held, {sent(message(7))})));
  MailPage page = must(store->mail_of(ShardId{1}, 0));
  CHECK(keys_in(page) == "7 ");
  must(store->commit(batch_of(held, {sent(message(8))})));
  page = must(store->mail_of(ShardId{1}, page.last_place));
  CHECK(keys_in(page) == "8 ");
  page = must(store->mail_of(ShardId{1}, page.last_place));
  CHECK(keys_in(page).empty());

  must_run(slow, kPgEnd);
  page = must(store->mail_of(ShardId{1}, page.last_place));
  CHECK(keys_in(page) == "x");
  page = must(store->mail_of(ShardId{1}, page.last_place));
  CHECK(keys_in(page).empty());
  CHECK(keys_in(must(store->mail_of(ShardId{1}, 0))) == "7 8 x");  // by the next owner
}

TEST_CASE("postgres: a message is read though its transaction was the newest when its place was passed",
          "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const std::vector<ShardEpoch> held{take(*store, ShardId{0}), take(*store, ShardId{1})};
  must(store->commit(batch_of(held, {sent(message(7))})));
  MailPage page = must(store->mail_of(ShardId{1}, 0));
  PgConnection slow = other_session(place.url);
  must_run(slow, kPgBegin);
  must_run(slow, kSendMail);
  for (int i = 0; i < 2; ++i) {
    page = must(store->mail_of(ShardId{1}, page.last_place));
    CHECK(keys_in(page).empty());
  }

  must_run(slow, kPgEnd);
  CHECK(keys_in(must(store->mail_of(ShardId{1}, page.last_place))) == "x");
}

TEST_CASE("postgres: a message is read though a standby took over that lacks how far others had skipped places",
          "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {sent(message(1))})));
  const std::string of_standby = place.server.run_sql(place.url, "SELECT last_value FROM epic.mail_places");
  for (int i = 0; i < 3; ++i) open_postgres(place.url);
  MailPage page = must(store->mail_of(ShardId{1}, 0));
  page = must(store->mail_of(ShardId{1}, page.last_place));

  place.break_connections();
  place.server.run_sql(place.url, "SELECT setval('epic.mail_places', " + of_standby + ")");
  CHECK(error_of(store->commit(batch_of({held}, {sent(message(2))}))).code == StoreErrorCode::unsure);
  must(store->commit(batch_of({held}, {sent(message(2))})));
  CHECK(keys_in(must(store->mail_of(ShardId{1}, page.last_place))) == "2 ");
}

TEST_CASE("postgres: a message is read though the server has crashed and gives its place out once more",
          "[postgres][storage]") {
  PgPlace place;
  const auto store = open_postgres(place.url);
  const ShardEpoch held = take(*store);
  must(store->commit(batch_of({held}, {sent(message(1))})));
  // Transactions that end without a trace have places, too; a reader passes them.
  for (int i = 0; i < 40; ++i) place.server.run_sql(place.url, "SELECT nextval('epic.mail_places')");
  MailPage page = must(store->mail_of(ShardId{1}, 0));
  CHECK(keys_in(page) == "1 ");
  page = must(store->mail_of(ShardId{1}, page.last_place));
  CHECK(keys_in(page).empty());

  const std::string first = place.server.run_sql(place.url, "SELECT max(place) FROM epic.mail");
  place.break_connections();
  place.server.run_sql(place.url, "SELECT setval('epic.mail_places', " + first + ")");  // as a crash does
  CHECK(error_of(store->commit(batch_of({held}, {sent(message(2))}))).code == StoreErrorCode::unsure);
  must(store->commit(batch_of({held}, {sent(message(2))})));
  CHECK(keys_in(must(store->mail_of(ShardId{1}, page.last_place))) == "2 ");
}

TEST_CASE("postgres mail places: what may still become visible is read again, and nothing else",
          "[postgres][storage]") {
  PgMailPlaces places;
  const ShardId shard{1};
  CHECK(places.find(shard, 0).from == 0);
  places.note(/*last_place=*/6, /*oldest_running=*/10, /*later_transaction=*/12);
  CHECK(places.on_read(shard, {4, 6}, /*has_more=*/false) == 6);
  CHECK(places.find(shard, 6).from == 0);
  CHECK(places.find(shard, 6).known == std::set<std::int64_t>{4, 6});
  places.note(9, 11, 15);  // one of then still runs
  CHECK(places.on_read(shard, {9}, false) == 9);
  CHECK(places.find(shard, 9).from == 0);
  places.note(9, 12, 15);  // none of those that had begun when 6 was the last place
  CHECK(places.on_read(shard, {}, false) == 9);
  CHECK(places.find(shard, 9).from == 6);
  CHECK(places.find(shard, 9).known == std::set<std::int64_t>{9});
  places.note(20, 30, 30);  // nothing runs
  CHECK(places.on_read(shard, {10, 11}, /*has_more=*/true) == 11);
  CHECK(places.find(shard, 11).from == 11);
  CHECK(places.find(shard, 0).from == 0);  // by the next owner
  CHECK(places.find(ShardId{2}, 17).from == 17);
}
