#pragma once
// A database for one test, and what happens to it: other sessions, and connections that break.

#include <poll.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>

#include "storage/postgres_connection.hpp"
#include "support/postgres_server.hpp"

namespace epic::storage::test {

inline constexpr PgStatement kPgBegin{"", "BEGIN"};
inline constexpr PgStatement kPgEnd{"", "COMMIT"};
inline constexpr PgStatement kLockShard{"", "SELECT 1 FROM epic.shards WHERE shard = 0 FOR UPDATE"};

/// Fails the test unless the query gives `wanted` within 30 s.
inline void wait_until(epic::test::PostgresServer& server, const std::string& url, const std::string& query,
                       const std::string& wanted) {
  std::string found;
  for (int look = 0; look < 3'000; ++look) {
    found = server.run_sql(url, query);
    if (found == wanted) return;
    ::poll(nullptr, 0, 10);
  }
  FAIL("'" << query << "' gives '" << found << "' instead of '" << wanted << "'");
}

/// A database, and the session of a store that is open in it.
struct PgPlace {
  epic::test::PostgresServer& server = epic::test::PostgresServer::shared();
  std::string url = server.make_database();

  void wait_until(const std::string& query, const std::string& wanted) { test::wait_until(server, url, query, wanted); }
  void wait_until_store_waits_for(const std::string& event) {
    wait_until(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'epic' "
        "AND wait_event = '" +
            event + "'",
        "1");
  }
  void break_connections() {
    server.run_sql(url,
                   "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() "
                   "AND application_name = 'epic'");
    wait_until("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'epic'",
               "0");
  }
};

/// Two servers of one address, of which the second follows the first.
struct PgPair {
  epic::test::PostgresServer primary;
  std::string database = primary.make_database();
  std::unique_ptr<epic::test::PostgresServer> standby;
  epic::test::TempDir directory;
  std::filesystem::path address = directory.path() / "address";
  std::string url = epic::test::PostgresServer::url_through(address, database);

  PgPair() { std::filesystem::create_directory_symlink(primary.directory(), address); }
  void follow() { standby = std::make_unique<epic::test::PostgresServer>(primary); }
  /// From here on a commit waits until the standby has it.
  void become_synchronous() {
    primary.run_sql(database, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    primary.run_sql(database, "SELECT pg_reload_conf()");
    wait_until(primary, database, "SHOW synchronous_standby_names", "*");
  }
  void fail_over() {
    primary.stop(epic::test::PostgresServer::End::crash);
    std::filesystem::remove(address);
    std::filesystem::create_directory_symlink(standby->directory(), address);
    if (standby->process() < 0) standby->start();
    standby->promote();
  }
};

inline PgConnection other_session(const std::string& url) {
  auto connection = PgConnection::open(url, PgAccess::write);
  if (!connection) FAIL(connection.error().message);
  return *std::move(connection);
}

inline void must_run(PgConnection& connection, const PgStatement& statement) {
  if (const auto done = connection.run(statement); !done) FAIL(done.error().message);
}

}  // namespace epic::storage::test
