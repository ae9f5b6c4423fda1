#pragma once
// What a PostgresCoordination says to the server: its tables, and every statement on them.
//
// Each operation is one transaction: it waits for those of others, ends the leases that are overdue, and then does what
// it is for. So operations have one order for everybody, in which the numbers of changes grow, and a lease that is
// overdue has ended for every later operation. The newest change is never removed: its number is the revision.
//
// A change is told from another of the same number, in a database that has lost something and gone on, by its mark.

#include <array>

#include "storage/postgres_connection.hpp"
#include "storage/postgres_statements.hpp"

namespace epic::cluster::pg {

using storage::PgStatement;

// ---- the tables

inline constexpr std::uint32_t kCoordinationFormat = 2;
inline constexpr PgStatement kFindFormat{
    "",
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'epic'), "
    "EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'epic' AND c.relname = 'coordination'), "
    "pg_catalog.current_setting('server_version_num')::int4"};
inline constexpr PgStatement kReadFormat{"", "SELECT format, needs_epic FROM epic.coordination"};
inline constexpr PgStatement kMakeSchema{"", "CREATE SCHEMA epic"};
/// `server_start` is of the server that answered the last operation, at `answered_at`.
inline constexpr std::array kMakeTables{
    PgStatement{"",
                "CREATE TABLE epic.coordination(is_only bool PRIMARY KEY DEFAULT true CHECK (is_only), "
                "format int4 NOT NULL, needs_epic text NOT NULL, server_start timestamptz NOT NULL, "
                "answered_at timestamptz NOT NULL) WITH (fillfactor = 25)"},
    PgStatement{"",
                "CREATE TABLE epic.coordination_leases(lease int8 PRIMARY KEY, timeout interval NOT NULL, "
                "ends_at timestamptz NOT NULL) WITH (fillfactor = 25)"},
    PgStatement{"",
                "CREATE TABLE epic.coordination_keys(key bytea PRIMARY KEY, value bytea NOT NULL, "
                "lease int8 NOT NULL, revision int8 NOT NULL)"},
    PgStatement{"",
                "CREATE TABLE epic.coordination_changes(revision int8 PRIMARY KEY, mark int8 NOT NULL, "
                "key bytea, value bytea)"},
    PgStatement{"", "INSERT INTO epic.coordination_changes(revision, mark) VALUES (1, " EPIC_PG_NEW_HISTORY ")"},
    PgStatement{"",
                "INSERT INTO epic.coordination(format, needs_epic, server_start, answered_at) "
                "VALUES (2, '0.1.0', pg_postmaster_start_time(), clock_timestamp())"},
};
/// From format 1.
inline constexpr PgStatement kAddAnsweredAt{
    "", "ALTER TABLE epic.coordination ADD COLUMN answered_at timestamptz NOT NULL DEFAULT clock_timestamp()"};
inline constexpr PgStatement kSetFormat{"", "UPDATE epic.coordination SET format = 2"};

// ---- a session

/// $1 client. Ends the session that this client had before; it may still have something to carry out.
inline constexpr PgStatement kEndFormerSession{
    "",
    "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((classid::int8 << 32) | objid::int8) = $1::int8"};
/// Waits until it has ended. The session keeps the lock.
inline constexpr PgStatement kHoldClient{"", "SELECT pg_advisory_lock($1::int8)"};
inline constexpr const char* kHintChannel = "epic_coordination";
inline constexpr PgStatement kListen{"", "LISTEN epic_coordination"};

// ---- operations

/// The next three, in this order, begin each operation. Any number that only epic uses.
inline constexpr PgStatement kLock{"lock", "SELECT pg_advisory_xact_lock(7309454)"};
/// After the server was away or stopped, or another has taken over, nobody could renew: all leases count as just
/// renewed. Clients that are connected have operations at least every 2 s, so one that comes much later says that it
/// was.
inline constexpr PgStatement kRenewAfterAbsence{
    "renew_after_absence",
    "WITH now AS MATERIALIZED (SELECT clock_timestamp() AS at), "
    "away AS MATERIALIZED (SELECT FROM epic.coordination, now "
    "WHERE server_start <> pg_postmaster_start_time() OR answered_at < at - interval '2.5 s'), "
    "answered AS (UPDATE epic.coordination SET server_start = pg_postmaster_start_time(), answered_at = at FROM now) "
    "UPDATE epic.coordination_leases SET ends_at = at + timeout FROM now WHERE EXISTS (SELECT FROM away)"};
/// The end of leases, as two expressions: their keys go and become changes, which is announced.
#define EPIC_PG_END_KEYS(order)                                                                                    \
  "gone AS (DELETE FROM epic.coordination_keys k USING ended e WHERE k.lease = e.lease RETURNING k.key, k.lease, " \
  "k.revision, e.ends_at), "                                                                                       \
  "logged AS (INSERT INTO epic.coordination_changes(revision, mark, key) "                                         \
  "SELECT (SELECT max(revision) FROM epic.coordination_changes) + row_number() OVER (ORDER BY " order              \
  "), " EPIC_PG_NEW_HISTORY                                                                                        \
  ", key FROM gone RETURNING 1) "                                                                                  \
  "SELECT pg_notify('epic_coordination', '') FROM logged"
/// Those that were overdue when it was last seen whether the server had been away: it may stop at any moment. Also
/// removes old changes: who is that far behind reads everything anew.
inline constexpr PgStatement kSweep{"sweep",
                                    "WITH trimmed AS (DELETE FROM epic.coordination_changes "
                                    "WHERE revision <= (SELECT max(revision) FROM epic.coordination_changes) - 10000), "
                                    "ended AS (DELETE FROM epic.coordination_leases WHERE ends_at <= "
                                    "(SELECT answered_at FROM epic.coordination) "
                                    "RETURNING lease, ends_at), " EPIC_PG_END_KEYS("ends_at, lease, revision")};

/// $1 timeout in microseconds.
inline constexpr PgStatement kOpenLease{
    "open_lease",
    "INSERT INTO epic.coordination_leases(lease, timeout, ends_at) "
    "SELECT " EPIC_PG_NEW_HISTORY
    ", given.timeout, clock_timestamp() + given.timeout "
    "FROM (SELECT $1::int8 * interval '1 microsecond' AS timeout) AS given RETURNING lease"};
/// $1 lease. One row if it was there.
inline constexpr PgStatement kRenew{
    "renew",
    "UPDATE epic.coordination_leases SET ends_at = clock_timestamp() + timeout WHERE lease = $1::int8 RETURNING 1"};
inline constexpr PgStatement kRevoke{"revoke",
                                     "WITH ended AS (DELETE FROM epic.coordination_leases WHERE lease = $1::int8 "
                                     "RETURNING lease, ends_at), " EPIC_PG_END_KEYS("revision")};
/// $1 key, $2 value, $3 lease. One row if it was put.
inline constexpr PgStatement kPut{
    "put",
    "WITH put AS (INSERT INTO epic.coordination_keys(key, value, lease, revision) "
    "SELECT $1::bytea, $2::bytea, lease, (SELECT max(revision) + 1 FROM epic.coordination_changes) "
    "FROM epic.coordination_leases WHERE lease = $3::int8 ON CONFLICT(key) DO NOTHING RETURNING key, value, revision), "
    "logged AS (INSERT INTO epic.coordination_changes(revision, mark, key, value) "
    "SELECT revision, " EPIC_PG_NEW_HISTORY
    ", key, value FROM put RETURNING 1) "
    "SELECT pg_notify('epic_coordination', '') FROM logged"};

// ---- reading

/// $1 prefix. Each row has the newest change's revision and mark, the only one without a key if there is none.
inline constexpr PgStatement kReadKeys{
    "read_keys",
    "SELECT newest.revision, newest.mark, k.key, k.value, k.revision "
    "FROM (SELECT revision, mark FROM epic.coordination_changes ORDER BY revision DESC LIMIT 1) AS newest "
    "LEFT JOIN epic.coordination_keys k ON substring(k.key FROM 1 FOR length($1::bytea)) = $1::bytea ORDER BY k.key"};
inline constexpr std::size_t kChangesReadMax = 1'000;
/// $1 a revision: that one, and what came after it.
inline constexpr PgStatement kReadChanges{
    "read_changes",
    "SELECT revision, mark, key, value FROM epic.coordination_changes WHERE revision >= $1::int8 ORDER BY revision "
    "LIMIT 1000"};
/// In milliseconds, until the first lease ends unless it is renewed.
inline constexpr PgStatement kReadSoonestEnd{
    "read_soonest_end",
    "SELECT ceil(extract(epoch FROM min(ends_at) - clock_timestamp()) * 1000)::int8 FROM epic.coordination_leases"};

/// All with a name.
inline constexpr std::array kPrepared{&kLock, &kRenewAfterAbsence, &kSweep,       &kOpenLease,     &kRenew, &kRevoke,
                                      &kPut,  &kReadKeys,          &kReadChanges, &kReadSoonestEnd};

}  // namespace epic::cluster::pg
