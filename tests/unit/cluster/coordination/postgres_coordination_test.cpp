// Coordination by PostgreSQL: what breaks between it and the server, and what the tables go through.

#include "cluster/coordination/postgres_coordination.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <vector>

#include "cluster/coordination/lease_keeper.hpp"
#include "support/postgres_place.hpp"
#include "support/postgresql_service.hpp"
#include "support/tcp_relay.hpp"

using namespace epic::cluster;
using namespace std::chrono_literals;
using epic::io::BootTime;
using epic::storage::PgStatement;
using epic::storage::test::must_run;
using epic::storage::test::other_session;
using epic::test::CoordinationUser;
using epic::test::Postgresql;
using epic::test::TcpRelay;

namespace {

using Heard = std::vector<std::string>;
constexpr PgStatement kPgHoldAll{"", "SELECT pg_advisory_lock(7309454)"};
constexpr PgStatement kPgLetGo{"", "SELECT pg_advisory_unlock(7309454)"};

boost::asio::local::stream_protocol::endpoint socket_of(const Postgresql& service) {
  return (service.server.directory() / ".s.PGSQL.5432").string();
}

/// Of the service's database.
std::string url_through(const TcpRelay& relay, const Postgresql& service) {
  const std::string database = service.url.substr(service.url.find('@') + 1);
  return fmt::format("postgresql://{}@127.0.0.1:{}{}", epic::test::PostgresServer::kRole, relay.port(),
                     database.substr(0, database.find('?')));
}

/// What another client does, without a hint.
std::string silent_change(const std::string& key, const std::string& value) {
  return "WITH put AS (INSERT INTO epic.coordination_keys(key, value, lease, revision) SELECT '" + key + "', '" +
         value +
         "', 1, max(revision) + 1 FROM epic.coordination_changes RETURNING *) "
         "INSERT INTO epic.coordination_changes(revision, mark, key, value) SELECT revision, 5, key, value FROM put";
}

}  // namespace

TEST_CASE("postgres coordination: tables are made once, by the first of several", "[cluster][postgres]") {
  Postgresql service;
  if (GENERATE(false, true))  // a database of its own, instead of a schema
    service.server.run_sql(service.url, "DROP SCHEMA epic; ALTER DATABASE " +
                                            service.server.run_sql(service.url, "SELECT current_database()") +
                                            " OWNER TO " + epic::test::PostgresServer::kRole);
  std::array<std::unique_ptr<CoordinationUser>, 4> users;
  for (auto& user : users) user = std::make_unique<CoordinationUser>(service);
  int answers = 0;
  for (const auto& user : users)
    user->coordination.open_lease(60s, [&](const auto& lease) { answers += lease.has_value() ? 1 : 100; });
  service.run_until("all are answered", [&] { return answers >= 4; });
  CHECK(answers == 4);
  CHECK(service.server.run_sql(service.url, "SELECT count(*) FROM epic.coordination_leases") == "4");

  service.server.run_sql(service.url, "UPDATE epic.coordination SET format = 77, needs_epic = '9.8.7'");
  CoordinationUser older(service);
  const auto refused =
      older.try_answer<LeaseId>([&](auto done) { older.coordination.open_lease(60s, std::move(done)); });
  REQUIRE_FALSE(refused.has_value());
  CHECK_THAT(refused.error().message, Catch::Contains("format 77") && Catch::Contains("epic 9.8.7 or newer"));
}

TEST_CASE("postgres coordination: a database that cannot be reached is named, and asked again", "[cluster][postgres]") {
  Postgresql service;
  service.crash();
  PostgresCoordination& client = service.connect();
  std::string message;
  client.open_lease(60s, [&](const auto& lease) { message = lease.has_value() ? "opened" : lease.error().message; });
  service.run_until("the operation is answered", [&] { return !message.empty(); });
  CHECK_THAT(message, Catch::Contains(service.url) && Catch::Contains("Check that the database server runs"));
  CHECK_THAT(client.trouble(), Catch::Contains(service.url));
  service.start();
  service.run_until("an operation is answered", [&] {
    client.renew(LeaseId{1}, [](const auto&) {});
    service.run_some();
    return client.trouble().empty();
  });
}

TEST_CASE("postgres coordination: an operation whose connection is ended under way is answered once, with an error",
          "[cluster][postgres]") {
  Postgresql service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  user.listen("k");
  auto other = other_session(service.url);
  must_run(other, kPgHoldAll);
  std::vector<std::string> answers;
  for (const char* key : {"k1", "k2"})
    user.coordination.put_if_absent(key, "lost", lease, [&, key](const auto& is_put) {
      answers.push_back(std::string(key) + (is_put.has_value() ? " answered" : " lost"));
    });
  while (service.server.run_sql(service.url,
                                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                "AND wait_event = 'advisory'") == "0")
    service.run_some();
  service.server.run_sql(service.url,
                         "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                         "AND wait_event = 'advisory'");
  service.run_until("both are answered", [&] { return answers.size() == 2; });
  CHECK(answers == std::vector<std::string>{"k1 lost", "k2 lost"});
  must_run(other, kPgLetGo);
  CHECK(user.put("k1", "new", lease));
  CHECK(user.heard() == Heard{"k1=new"});
}

TEST_CASE("postgres coordination: the isolation level that the database has does not matter", "[cluster][postgres]") {
  Postgresql service;
  const std::string database = service.server.run_sql(service.url, "SELECT current_database()");
  service.server.run_sql(service.url, "ALTER DATABASE " + database + " SET default_transaction_isolation = " +
                                          GENERATE("'repeatable read'", "'serializable'"));
  CoordinationUser first(service);
  CoordinationUser second(service);
  const LeaseId first_lease = first.open_lease();
  const LeaseId second_lease = second.open_lease();
  auto other = other_session(service.url);
  must_run(other, kPgHoldAll);
  std::vector<std::string> answers;
  const auto note = [&](const std::expected<bool, CoordinationError>& is_put) {
    answers.push_back(is_put ? *is_put ? "put" : "refused" : is_put.error().message);
  };
  first.coordination.put_if_absent("k", "1", first_lease, note);
  second.coordination.put_if_absent("k", "2", second_lease, note);
  while (service.server.run_sql(service.url,
                                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                "AND wait_event = 'advisory'") != "2")
    service.run_some();
  must_run(other, kPgLetGo);
  service.run_until("both are answered", [&] { return answers.size() == 2; });
  std::ranges::sort(answers);
  CHECK(answers == std::vector<std::string>{"put", "refused"});
}

TEST_CASE("postgres coordination: what a stopped session still has to do is not done behind what came after it",
          "[cluster][postgres]") {
  Postgresql service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease();
  user.listen("k");
  REQUIRE(user.heard().empty());
  const auto session = static_cast<pid_t>(std::stol(service.server.run_sql(
      service.url,
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'epic'")));
  ::kill(session, SIGSTOP);
  const auto lost =
      user.try_answer<bool>([&](auto done) { user.coordination.put_if_absent("k", "early", lease, std::move(done)); });
  REQUIRE_FALSE(lost.has_value());
  // It cannot end, so nothing of this client goes on.
  const auto meanwhile = user.try_answer<bool>([&](auto done) { user.coordination.renew(lease, std::move(done)); });
  CHECK_FALSE(meanwhile.has_value());
  ::kill(session, SIGCONT);
  std::optional<bool> is_put;
  service.run_until("the key can be put", [&] {
    const auto put =
        user.try_answer<bool>([&](auto done) { user.coordination.put_if_absent("k", "late", lease, std::move(done)); });
    if (put) is_put = *put;
    return is_put.has_value();
  });
  CHECK(user.heard() == Heard{*is_put ? "k=late" : "k=early"});
}

TEST_CASE("postgres coordination: a change is heard without a hint", "[cluster][postgres]") {
  Postgresql service;
  CoordinationUser user(service);
  user.listen("k");
  REQUIRE(user.heard().empty());
  service.server.run_sql(service.url, silent_change("k1", "a"));
  service.run_until("the change is heard", [&] { return user.heard_so_far().size() == 1; });
  CHECK(user.heard_so_far() == Heard{"k1=a"});
}

TEST_CASE("postgres coordination: a connection that breaks silently costs no lease", "[cluster][postgres]") {
  Postgresql service;
  TcpRelay relay(service.context(), socket_of(service));
  CoordinationUser other(service);  // ends what is overdue
  other.listen("k");
  const LeaseSettings lease;
  boost::asio::steady_timer timer(service.context());
  int renewals = 0;
  bool is_lost = false;
  std::vector<std::string> delays;
  LeaseKeeper* waked = nullptr;
  LeaseKeeper keeper(service.connect_to(url_through(relay, service), lease.timeout), lease,
                     {.boot_now = [] { return epic::io::boot_now(); },
                      .wake_after =
                          [&](std::chrono::nanoseconds delay) {
                            timer.expires_after(delay);
                            timer.async_wait([&](const boost::system::error_code& error) {
                              if (!error) waked->on_time();
                            });
                          },
                      .on_renewed = [&](BootTime) { ++renewals; },
                      .on_lost = [&] { is_lost = true; },
                      .on_delayed = [&](const std::string& why) { delays.push_back(why); }});
  waked = &keeper;
  keeper.open();
  service.run_until("the lease is renewed", [&] { return renewals == 2; });
  for (std::size_t i = 0; i < relay.connection_count(); ++i) relay.lose_packets(i);
  service.run_until("the lease is renewed twice more, or lost", [&] { return renewals == 4 || is_lost; });
  CHECK_FALSE(is_lost);
  REQUIRE_FALSE(delays.empty());
  CHECK_THAT(delays.front(), Catch::Contains("no answer for 1.67 s"));
}

TEST_CASE(
    "postgres coordination: a database that takes connections and refuses operations is connected to ever more rarely",
    "[cluster][postgres]") {
  Postgresql service;
  TcpRelay relay(service.context(), socket_of(service));
  PostgresCoordination& client = service.connect_to(url_through(relay, service));
  CoordinationUser user(service, client);
  user.listen("k");
  REQUIRE(user.heard().empty());
  const std::string set = "ALTER DATABASE " + service.server.run_sql(service.url, "SELECT current_database()") +
                          " SET default_transaction_read_only = ";
  service.server.run_sql(service.url, set + "on");
  const std::size_t before = relay.connection_count();
  service.break_connections();
  service.run_until("it has connected six times", [&] { return relay.connection_count() == before + 6; });
  const auto connected_at = std::chrono::steady_clock::now();
  service.run_until("it has connected once more", [&] { return relay.connection_count() == before + 7; });
  CHECK(std::chrono::steady_clock::now() - connected_at >= 1s);  // 20 ms before the first, and twice as long each time
  CHECK_THAT(client.trouble(), Catch::Contains("read-only"));

  service.server.run_sql(service.url, "BEGIN READ WRITE; " + set + "off; COMMIT");
  service.server.run_sql(service.url, silent_change("k1", "a"));
  service.run_until("the change is heard", [&] { return user.heard_so_far().size() == 1; });
  CHECK(client.trouble().empty());
}

TEST_CASE("postgres coordination: a watcher that is too far behind hears of the differences", "[cluster][postgres]") {
  Postgresql service;
  CoordinationUser user(service);
  user.listen("k");
  const LeaseId lease = user.open_lease();
  for (const char* key : {"k1", "k2", "k3"}) REQUIRE(user.put(key, "a", lease));
  REQUIRE(user.heard() == Heard{"k1=a", "k2=a", "k3=a"});
  // In one transaction: all but the newest change are forgotten.
  const std::string forget =
      "; DELETE FROM epic.coordination_changes c WHERE revision < (SELECT max(revision) FROM "
      "epic.coordination_changes)";
  const std::string again =
      "DELETE FROM epic.coordination_keys WHERE key = 'k2'; "
      "DELETE FROM epic.coordination_keys WHERE key = 'k3'; " +
      silent_change("k3", "a") + "; " + silent_change("k4", "b");
  SECTION("the changes between were removed") { service.server.run_sql(service.url, again + forget); }
  SECTION("the database has lost what came last, and has gone on") {
    service.server.run_sql(service.url, "DELETE FROM epic.coordination_changes WHERE revision > 2; " + again);
  }
  service.run_until("the last difference is heard", [&] { return user.heard_so_far().size() == 7; });
  CHECK(user.heard_so_far() == Heard{"k1=a", "k2=a", "k3=a", "k2 gone", "k3 gone", "k3=a", "k4=b"});
}

TEST_CASE("postgres coordination: tables of the former format are converted", "[cluster][postgres]") {
  Postgresql service;
  {
    CoordinationUser user(service);
    REQUIRE(user.put("k", "a", user.open_lease(60s)));
  }
  service.server.run_sql(
      service.url, "ALTER TABLE epic.coordination DROP COLUMN answered_at; UPDATE epic.coordination SET format = 1");
  CoordinationUser user(service);
  CHECK_FALSE(user.put("k", "b", user.open_lease(60s)));
  CHECK(service.server.run_sql(service.url, "SELECT format FROM epic.coordination") == "2");
}

TEST_CASE("postgres coordination: leases that could not be renewed while the server was stopped count as renewed",
          "[cluster][postgres]") {
  Postgresql service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease(1500ms);
  const LeaseId other = user.open_lease(1500ms);
  // As if it had been stopped for an hour after that.
  service.server.run_sql(service.url, "UPDATE epic.coordination SET answered_at = answered_at - interval '1 hour'");
  service.server.run_sql(service.url, "UPDATE epic.coordination_leases SET ends_at = ends_at - interval '1 hour'");
  CHECK(user.renew(lease));
  service.server.run_sql(service.url,
                         "UPDATE epic.coordination_leases SET ends_at = ends_at - interval '1 hour' WHERE lease = " +
                             std::to_string(static_cast<std::int64_t>(other.value)));
  CHECK(user.renew(lease));
  CHECK_FALSE(user.renew(other));  // it has ended: the server was there meanwhile
}

TEST_CASE("postgres coordination: leases that could not be renewed while the server was away count as renewed",
          "[cluster][postgres]") {
  Postgresql service;
  CoordinationUser user(service);
  const LeaseId lease = user.open_lease(1500ms);
  REQUIRE(user.put("k", "a", lease));
  service.crash();
  service.start();
  // As if it had been away for longer.
  service.server.run_sql(service.url, "UPDATE epic.coordination_leases SET ends_at = ends_at - interval '1 hour'");
  std::optional<bool> is_renewed;
  service.run_until("the lease can be renewed", [&] {
    const auto renewed = user.try_answer<bool>([&](auto done) { user.coordination.renew(lease, std::move(done)); });
    if (renewed) is_renewed = *renewed;
    return is_renewed.has_value();
  });
  CHECK(*is_renewed);
  service.server.run_sql(service.url, "UPDATE epic.coordination_leases SET ends_at = ends_at - interval '1 hour'");
  CHECK_FALSE(user.renew(lease));
}
