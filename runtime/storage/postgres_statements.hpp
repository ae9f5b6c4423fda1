#pragma once
// What a PostgresStore says to the server: every statement that it uses on the tables of postgres_format.cpp.
//
// A statement about many rows has an array for each column. One that must affect as many rows as it was given divides
// by zero if it does not, which takes back the whole batch. Rows that several sessions lock are locked in the order of
// their shards, so that no two sessions wait for each other.

#include "storage/postgres_connection.hpp"

namespace epic::storage::pg {

// ---- the fence

/// $1 writer, $2 number, $3 link: the first statement of whatever is written. A session whose link was moved on cannot
/// commit any more, nor can any while the store is marked.
inline constexpr PgStatement kMark{
    "mark",
    "WITH marked AS (UPDATE epic.writers SET number = $2::int8 WHERE writer = $1::int8 AND link = $3::int8 "
    "AND EXISTS (SELECT FROM epic.store WHERE mark IS NULL) RETURNING 1) SELECT 1 / count(*) FROM marked"};
/// Whether the last transaction of a session that broke was committed. From here on it can not be.
inline constexpr PgStatement kMoveOn{
    "",
    "UPDATE epic.writers w SET link = link + 1, backend = a.pid, backend_start = a.backend_start "
    "FROM pg_stat_activity a WHERE a.pid = pg_backend_pid() AND w.writer = $1::int8 RETURNING w.link, w.number"};
inline constexpr PgStatement kNewWriter{
    "",
    "INSERT INTO epic.writers(incarnation, link, number, backend, backend_start) "
    "SELECT 0, 0, 0, pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid() RETURNING writer"};
/// The server's own number, and its timeline, which another one begins when it takes over.
inline constexpr PgStatement kServerName{
    "",
    "SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int8 "
    "FROM pg_control_system()"};
/// $1 writers.
inline constexpr PgStatement kNumbers{"", "SELECT writer, number FROM epic.writers WHERE writer = ANY($1::int8[])"};
/// $1 writers whose processes have ended: those without a session that may still carry something out.
inline constexpr PgStatement kIdleWriters{
    "",
    "SELECT writer FROM epic.writers w WHERE writer = ANY($1::int8[]) AND NOT EXISTS (SELECT FROM pg_stat_activity a "
    "WHERE a.pid = w.backend AND a.backend_start = w.backend_start)"};
inline constexpr PgStatement kRemoveWriters{"", "DELETE FROM epic.writers WHERE writer = ANY($1::int8[])"};
/// $1 incarnations, whose sessions keep rows locked that are granted to others. They may be in the middle of something,
/// or stopped with their machine. So may those of a former leader, or of a node that has not taken anything yet: these
/// have no incarnation. A session that is ended without need tries again what it was at.
inline constexpr PgStatement kEndSessions{
    "",
    "SELECT count(pg_terminate_backend(a.pid)) FROM epic.writers w JOIN pg_stat_activity a "
    "ON a.pid = w.backend AND a.backend_start = w.backend_start WHERE a.pid <> pg_backend_pid() "
    "AND CASE w.incarnation WHEN 0 THEN a.xact_start < clock_timestamp() - interval '1 s' "
    "ELSE w.incarnation = ANY($1::int8[]) END"};
/// A grant must not wait for a former owner longer than this.
inline constexpr PgStatement kShortLocks{"", "SELECT set_config('lock_timeout', '1s', true)"};
inline constexpr PgStatement kNameWriter{"", "UPDATE epic.writers SET incarnation = $2::int8 WHERE writer = $1::int8"};

/// $1 shards, $2 epochs, $3 incarnation. Until the transaction ends, nobody can grant these shards to another.
inline constexpr PgStatement kFence{
    "fence",
    "SELECT 1 / (count(*) = cardinality($1))::int4 FROM (SELECT FROM epic.shards s "
    "JOIN unnest($1::int4[], $2::int8[]) AS held(shard, epoch) ON s.shard = held.shard "
    "WHERE s.epoch = held.epoch AND s.incarnation = $3::int8 ORDER BY s.shard FOR SHARE OF s) AS locked"};
inline constexpr PgStatement kMakeShards{
    "",
    "INSERT INTO epic.shards(shard, epoch, node, incarnation, map_version, term) "
    "SELECT shard, 0, 0, 0, 0, 0 FROM unnest($1::int4[]) AS given(shard) ORDER BY shard ON CONFLICT(shard) DO NOTHING"};
inline constexpr PgStatement kLockShards{
    "",
    "SELECT count(*) FROM (SELECT FROM epic.shards WHERE shard = ANY($1::int4[]) ORDER BY shard "
    "FOR NO KEY UPDATE) AS locked"};
/// $1 shards, $2 nodes, $3 incarnations, $4 former incarnations, $5 map version, $6 term: as may_grant() says.
inline constexpr PgStatement kGrant{
    "",
    "WITH granted AS (UPDATE epic.shards s SET node = given.node, incarnation = given.incarnation, "
    "map_version = $5::int8, term = $6::int8 "
    "FROM unnest($1::int4[], $2::int4[], $3::int8[], $4::int8[]) AS given(shard, node, incarnation, former) "
    "WHERE s.shard = given.shard AND s.term <= $6::int8 "
    "AND (s.incarnation = given.former OR s.incarnation = given.incarnation) RETURNING 1) "
    "SELECT 1 / (count(*) = cardinality($1))::int4 FROM granted"};
/// $1 shards, $2 node, $3 incarnation.
inline constexpr PgStatement kCheckGranted{
    "",
    "SELECT 1 / (count(*) = cardinality($1::int4[]))::int4 FROM epic.shards "
    "WHERE shard = ANY($1::int4[]) AND node = $2::int4 AND incarnation = $3::int8"};
inline constexpr PgStatement kTake{
    "", "UPDATE epic.shards SET epoch = epoch + 1 WHERE shard = ANY($1::int4[]) RETURNING shard, epoch"};
inline constexpr PgStatement kShardRows{"",
                                        "SELECT shard, epoch, node, incarnation, map_version, term FROM epic.shards "
                                        "WHERE $1::int4[] = '{}' OR shard = ANY($1::int4[]) ORDER BY shard"};

// ---- snapshots and schemas

inline constexpr PgStatement kPutSchemas{
    "put_schemas",
    "INSERT INTO epic.schemas(id, text) SELECT DISTINCT ON (id) id, text "
    "FROM unnest($1::int8[], $2::bytea[]) WITH ORDINALITY AS given(id, text, place) ORDER BY id, place "
    "ON CONFLICT(id) DO NOTHING"};
inline constexpr PgStatement kInsertSnapshots{
    "insert_snapshots",
    "WITH done AS (INSERT INTO epic.snapshots(type, key, shard, version, schema, saved_at, checksum, bytes) "
    "SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::int4[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], "
    "$8::bytea[]) ON CONFLICT(type, key) DO NOTHING RETURNING 1) "
    "SELECT 1 / (count(*) = cardinality($3))::int4 FROM done"};
/// $9 the versions that are there now.
inline constexpr PgStatement kUpdateSnapshots{
    "update_snapshots",
    "WITH done AS (UPDATE epic.snapshots s SET version = given.version, schema = given.schema, "
    "saved_at = given.saved_at, checksum = given.checksum, bytes = given.bytes "
    "FROM unnest($1::bytea[], $2::bytea[], $3::int4[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::bytea[], "
    "$9::int8[]) AS given(type, key, shard, version, schema, saved_at, checksum, bytes, replaces) "
    "WHERE s.type = given.type AND s.key = given.key AND s.shard = given.shard AND s.version = given.replaces "
    "RETURNING 1) SELECT 1 / (count(*) = cardinality($3))::int4 FROM done"};
inline constexpr PgStatement kOverwriteSnapshots{
    "overwrite_snapshots",
    "INSERT INTO epic.snapshots(type, key, shard, version, schema, saved_at, checksum, bytes) "
    "SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::int4[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], "
    "$8::bytea[]) ON CONFLICT(type, key) DO UPDATE SET shard = excluded.shard, version = excluded.version, "
    "schema = excluded.schema, saved_at = excluded.saved_at, checksum = excluded.checksum, bytes = excluded.bytes"};
/// $3 the versions that are there now.
inline constexpr PgStatement kEraseSnapshots{
    "erase_snapshots",
    "WITH done AS (DELETE FROM epic.snapshots s USING unnest($1::bytea[], $2::bytea[], $3::int8[]) "
    "AS given(type, key, version) WHERE s.type = given.type AND s.key = given.key AND s.version = given.version "
    "RETURNING 1) SELECT 1 / (count(*) = cardinality($3))::int4 FROM done"};
inline constexpr PgStatement kEraseAnySnapshots{
    "erase_any_snapshots",
    "DELETE FROM epic.snapshots s USING unnest($1::bytea[], $2::bytea[]) AS given(type, key) "
    "WHERE s.type = given.type AND s.key = given.key"};
inline constexpr PgStatement kNoSnapshots{
    "no_snapshots",
    "SELECT 1 / (count(*) = 0)::int4 FROM epic.snapshots s JOIN unnest($1::bytea[], $2::bytea[]) AS given(type, key) "
    "ON s.type = given.type AND s.key = given.key"};
inline constexpr PgStatement kRaiseFloors{
    "raise_floors",
    "INSERT INTO epic.version_floors AS floors(shard, version) SELECT shard, max(version) "
    "FROM unnest($1::int4[], $2::int8[]) AS given(shard, version) GROUP BY shard ORDER BY shard "
    "ON CONFLICT(shard) DO UPDATE SET version = greatest(floors.version, excluded.version)"};

inline constexpr PgStatement kLoad{
    "load",
    "SELECT type, key, shard, version, schema, saved_at, checksum, bytes FROM epic.snapshots "
    "WHERE type = $1::bytea AND key = $2::bytea"};
inline constexpr PgStatement kSchema{"schema", "SELECT text FROM epic.schemas WHERE id = $1::int8"};
inline constexpr PgStatement kFloor{"floor", "SELECT version FROM epic.version_floors WHERE shard = $1::int4"};
/// A page of one type. $2 the key where it starts, $3 1: after that; $4 rows, $5 bytes at most. The last column: how
/// many rows there are, up to one more than $4.
inline constexpr PgStatement kSnapshotPage{
    "snapshot_page",
    "SELECT type, key, shard, version, schema, saved_at, checksum, bytes, total FROM (SELECT picked.*, count(*) OVER "
    "() "
    "AS total, sum(octet_length(bytes)) OVER (ORDER BY key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
    "FROM (SELECT * FROM epic.snapshots WHERE type = $1::bytea AND key >= $2::bytea "
    "AND ($3::int8 = 0 OR key <> $2::bytea) ORDER BY key LIMIT $4::int8 + 1) AS picked) AS page "
    "WHERE coalesce(before, 0) < $5::int8 ORDER BY key LIMIT $4::int8"};
inline constexpr PgStatement kNextType{"next_type",
                                       "SELECT type FROM epic.snapshots WHERE type > $1::bytea ORDER BY type LIMIT 1"};
inline constexpr PgStatement kCountTypes{
    "", "SELECT type, count(*), sum(octet_length(bytes))::int8 FROM epic.snapshots GROUP BY type ORDER BY type"};
inline constexpr PgStatement kCountSchemas{
    "", "SELECT type, schema, count(*) FROM epic.snapshots GROUP BY type, schema ORDER BY type, schema"};

// ---- mail

/// Places come in the order of the arrays.
inline constexpr PgStatement kPutMail{
    "put_mail",
    "WITH done AS (INSERT INTO epic.mail(from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, "
    "status_checksum, sender, receiver_type, receiver_key, method, why, arguments) "
    "SELECT from_shard, epoch, number, to_shard, status::int2, schema, sent_at, checksum, status_checksum, sender, "
    "receiver_type, receiver_key, method, why, arguments "
    "FROM unnest($1::int4[], $2::int8[], $3::int8[], $4::int4[], $5::int4[], $6::int8[], $7::int8[], $8::int8[], "
    "$9::int8[], $10::bytea[], $11::bytea[], $12::bytea[], $13::bytea[], $14::bytea[], $15::bytea[]) WITH ORDINALITY "
    "AS given(from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, sender, "
    "receiver_type, receiver_key, method, why, arguments, place) ORDER BY given.place "
    "ON CONFLICT(from_shard, epoch, number) DO NOTHING RETURNING 1) "
    "SELECT 1 / (count(*) = cardinality($1))::int4 FROM done"};
inline constexpr PgStatement kMarkMail{
    "mark_mail",
    "WITH done AS (UPDATE epic.mail m SET status = given.status::int2, why = given.why, "
    "status_checksum = given.status_checksum FROM unnest($1::int4[], $2::int8[], $3::int8[], $4::int4[], $5::int4[], "
    "$6::bytea[], $7::int8[]) AS given(from_shard, epoch, number, to_shard, status, why, status_checksum) "
    "WHERE m.from_shard = given.from_shard AND m.epoch = given.epoch AND m.number = given.number "
    "AND m.to_shard = given.to_shard RETURNING 1) SELECT 1 / (count(*) = cardinality($1))::int4 FROM done"};
/// $5 the number of shards: a row whose receiver's shard does not exist is anybody's.
inline constexpr PgStatement kEndMail{
    "end_mail",
    "WITH done AS (DELETE FROM epic.mail m USING unnest($1::int4[], $2::int8[], $3::int8[], $4::int4[]) "
    "AS given(from_shard, epoch, number, to_shard) WHERE m.from_shard = given.from_shard AND m.epoch = given.epoch "
    "AND m.number = given.number AND (m.to_shard = given.to_shard OR m.to_shard NOT BETWEEN 0 AND $5::int8 - 1) "
    "RETURNING 1) SELECT 1 / (count(*) = cardinality($1))::int4 FROM done"};

#define EPIC_PG_MAIL_COLUMNS                                                                                 \
  "place, from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, sender, " \
  "receiver_type, receiver_key, method, why, arguments"
/// The last place that was given out: later transactions get greater ones. Read in a transaction before …
inline constexpr PgStatement kLastPlace{"last_place",
                                        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM epic.mail_places"};
/// A crash of the server, or a standby that takes over, forgets the places that were given out to transactions that had
/// not ended, and would give them out again; but readers may have passed them. So each writer that connects goes far
/// beyond them first: to the time in nanoseconds. A number that only grows would not do: a standby may lack many such
/// steps. Both in one transaction, whose commit is on the server's disk, and does not wait for a standby, which may be
/// away: nothing that is written after it is acknowledged before a standby has both.
inline constexpr PgStatement kOneSkipsPlaces{
    "", "SELECT pg_advisory_xact_lock(7309456), set_config('synchronous_commit', 'local', true)"};
inline constexpr PgStatement kSkipPlaces{
    "",
    "SELECT setval('epic.mail_places', greatest(last_value + 1000000, "
    "(extract(epoch FROM clock_timestamp()) * 1000000000)::int8)) FROM epic.mail_places"};
/// … this: transactions below the first number have ended; all that got a place before have numbers below the second,
/// which is this transaction's own. The snapshot's end would not do: it is the number after the last one that has
/// ended, and later ones may have begun. A transaction with a number would wait for a standby if it happens to tidy up
/// a page; this one need not.
inline constexpr PgStatement kRunning{
    "running",
    "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::int8, pg_current_xact_id()::text::int8, "
    "set_config('synchronous_commit', 'off', true)"};
/// $1 shard, $2 place to come after, $3 places to leave out, $4 rows, $5 bytes at most. The last three columns: how
/// many rows there are, up to one more than $4, and what kRunning says at this moment.
inline constexpr PgStatement kMailOf{
    "mail_of",
    "SELECT " EPIC_PG_MAIL_COLUMNS
    ", total FROM (SELECT picked.*, count(*) OVER () AS total, "
    "sum(octet_length(arguments)) OVER (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
    "FROM (SELECT * FROM epic.mail WHERE to_shard = $1::int4 AND status <> 2 AND place > $2::int8 "
    "AND place <> ALL($3::int8[]) ORDER BY place LIMIT $4::int8 + 1) AS picked) AS page "
    "WHERE coalesce(before, 0) < $5::int8 ORDER BY place LIMIT $4::int8"};
/// $1 place to come after, $2 status or -1, $3 and $4 the receiver's type and key or '', $5 rows, $6 bytes at most.
inline constexpr PgStatement kListMail{
    "list_mail",
    "SELECT " EPIC_PG_MAIL_COLUMNS
    ", total FROM (SELECT picked.*, count(*) OVER () AS total, "
    "sum(octet_length(arguments)) OVER (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before "
    "FROM (SELECT * FROM epic.mail WHERE place > $1::int8 AND ($2::int8 < 0 OR status = $2::int8) "
    "AND ($3::bytea = '' OR receiver_type = $3::bytea) AND ($4::bytea = '' OR receiver_key = $4::bytea) "
    "ORDER BY place LIMIT $5::int8 + 1) AS picked) AS page "
    "WHERE coalesce(before, 0) < $6::int8 ORDER BY place LIMIT $5::int8"};
inline constexpr PgStatement kFindMail{"find_mail", "SELECT " EPIC_PG_MAIL_COLUMNS
                                                    " FROM epic.mail WHERE from_shard = $1::int4 AND epoch = $2::int8 "
                                                    "AND number = $3::int8"};
#undef EPIC_PG_MAIL_COLUMNS
inline constexpr PgStatement kCountMail{
    "",
    "SELECT count(*) FILTER (WHERE status = 0), count(*) FILTER (WHERE status = 1), "
    "count(*) FILTER (WHERE status = 2) FROM epic.mail"};

// ---- answers

inline constexpr PgStatement kPutAnswers{
    "put_answers",
    "WITH done AS (INSERT INTO epic.answers(shard, entity, subject, key, method, arguments_schema, arguments_hash, "
    "begun_at, checksum, status, schema, error_code, error_type, end_checksum, bytes) "
    "SELECT shard, entity, subject, key, method, arguments_schema, arguments_hash, begun_at, checksum, status::int2, "
    "schema, error_code::int2, error_type, end_checksum, bytes FROM unnest($1::int4[], $2::bytea[], $3::bytea[], "
    "$4::bytea[], $5::int4[], $6::int8[], $7::int4[], $8::bytea[], $9::int8[], $10::bytea[], $11::bytea[], "
    "$12::int8[], $13::int8[], $14::int8[], $15::int8[]) AS given(shard, entity, subject, key, status, schema, "
    "error_code, error_type, end_checksum, bytes, method, arguments_schema, arguments_hash, begun_at, checksum) "
    "ON CONFLICT(entity, subject, key) DO NOTHING RETURNING 1) "
    "SELECT 1 / (count(*) = cardinality($1))::int4 FROM done"};
inline constexpr PgStatement kEndAnswers{
    "end_answers",
    "WITH done AS (UPDATE epic.answers a SET status = given.status::int2, schema = given.schema, "
    "error_code = given.error_code::int2, error_type = given.error_type, end_checksum = given.end_checksum, "
    "bytes = given.bytes FROM unnest($1::int4[], $2::bytea[], $3::bytea[], $4::bytea[], $5::int4[], $6::int8[], "
    "$7::int4[], $8::bytea[], $9::int8[], $10::bytea[]) AS given(shard, entity, subject, key, status, schema, "
    "error_code, error_type, end_checksum, bytes) WHERE a.entity = given.entity AND a.subject = given.subject "
    "AND a.key = given.key AND a.shard = given.shard AND a.status = 0 RETURNING 1) "
    "SELECT 1 / (count(*) = cardinality($1))::int4 FROM done"};
inline constexpr PgStatement kSweepAnswers{
    "sweep_answers",
    "DELETE FROM epic.answers WHERE ctid = ANY(ARRAY(SELECT ctid FROM epic.answers WHERE shard = $1::int4 "
    "AND begun_at < $2::int8 ORDER BY begun_at LIMIT $3::int8))"};
inline constexpr PgStatement kAnswer{
    "answer",
    "SELECT shard, method, arguments_schema, arguments_hash, begun_at, status, schema, error_code, error_type, "
    "checksum, end_checksum, bytes FROM epic.answers WHERE entity = $1::bytea AND subject = $2::bytea "
    "AND key = $3::bytea"};
inline constexpr PgStatement kOldestAnswer{
    "oldest_answer", "SELECT begun_at FROM epic.answers WHERE shard = $1::int4 ORDER BY begun_at LIMIT 1"};

// ---- reminders

/// $13 1: an equal one that recurs keeps its first time. kernel::is_equal says the same.
inline constexpr PgStatement kSetReminders{
    "set_reminders",
    "INSERT INTO epic.reminders AS r(type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, "
    "method, arguments) SELECT type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, "
    "method, arguments FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::int4[], $5::int8[], $6::int8[], "
    "$7::int8[], $8::int8[], $9::int8[], $10::int8[], $11::bytea[], $12::bytea[]) "
    "AS given(type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, method, arguments) "
    "ON CONFLICT(type, key, name) DO UPDATE SET shard = excluded.shard, due_at = excluded.due_at, "
    "starts_at = excluded.starts_at, every = excluded.every, schema = excluded.schema, checksum = excluded.checksum, "
    "due_checksum = excluded.due_checksum, method = excluded.method, arguments = excluded.arguments "
    "WHERE NOT (r.shard = excluded.shard AND r.every = excluded.every AND r.schema = excluded.schema "
    "AND r.method = excluded.method AND r.arguments = excluded.arguments "
    "AND (r.starts_at = excluded.starts_at OR ($13::int8 = 1 AND r.every > 0)))"};
inline constexpr PgStatement kForgetReminders{
    "forget_reminders",
    "DELETE FROM epic.reminders r USING unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS given(type, key, name) "
    "WHERE r.type = given.type AND r.key = given.key AND r.name = given.name"};
inline constexpr PgStatement kForgetAllReminders{
    "forget_all_reminders",
    "DELETE FROM epic.reminders r USING unnest($1::bytea[], $2::bytea[]) AS given(type, key) "
    "WHERE r.type = given.type AND r.key = given.key"};
inline constexpr PgStatement kEndReminders{
    "end_reminders",
    "WITH done AS (DELETE FROM epic.reminders r USING unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::int4[], "
    "$5::int8[]) AS given(type, key, name, shard, due_at) WHERE r.type = given.type AND r.key = given.key "
    "AND r.name = given.name AND r.shard = given.shard AND r.due_at = given.due_at RETURNING 1) "
    "SELECT 1 / (count(*) = cardinality($4))::int4 FROM done"};
inline constexpr PgStatement kAdvanceReminders{
    "advance_reminders",
    "WITH done AS (UPDATE epic.reminders r SET due_at = given.next_at, due_checksum = given.due_checksum "
    "FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::int4[], $5::int8[], $6::int8[], $7::int8[]) "
    "AS given(type, key, name, shard, due_at, next_at, due_checksum) WHERE r.type = given.type AND r.key = given.key "
    "AND r.name = given.name AND r.shard = given.shard AND r.due_at = given.due_at RETURNING 1) "
    "SELECT 1 / (count(*) = cardinality($4))::int4 FROM done"};

#define EPIC_PG_REMINDER_COLUMNS \
  "type, key, name, shard, due_at, starts_at, every, schema, checksum, due_checksum, method, arguments"
/// $1 shard, $2 to $5 the place to come after, $6 rows, $7 bytes at most. The last column: how many there are, as
/// above.
inline constexpr PgStatement kRemindersOf{
    "reminders_of",
    "SELECT " EPIC_PG_REMINDER_COLUMNS
    ", total FROM (SELECT picked.*, count(*) OVER () AS total, "
    "sum(octet_length(arguments)) OVER (ORDER BY due_at, type, key, name "
    "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (SELECT * FROM epic.reminders "
    "WHERE shard = $1::int4 AND (due_at, type, key, name) > ($2::int8, $3::bytea, $4::bytea, $5::bytea) "
    "ORDER BY due_at, type, key, name LIMIT $6::int8 + 1) AS picked) AS page "
    "WHERE coalesce(before, 0) < $7::int8 ORDER BY due_at, type, key, name LIMIT $6::int8"};
/// $1 to $3 the name to come after, $4 rows, $5 bytes at most; likewise.
inline constexpr PgStatement kListReminders{
    "list_reminders", "SELECT " EPIC_PG_REMINDER_COLUMNS
                      ", total FROM (SELECT picked.*, count(*) OVER () AS total, "
                      "sum(octet_length(arguments)) OVER (ORDER BY type, key, name "
                      "ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM (SELECT * FROM epic.reminders "
                      "WHERE (type, key, name) > ($1::bytea, $2::bytea, $3::bytea) ORDER BY type, key, name LIMIT "
                      "$4::int8 + 1) AS picked) "
                      "AS page WHERE coalesce(before, 0) < $5::int8 ORDER BY type, key, name LIMIT $4::int8"};
#undef EPIC_PG_REMINDER_COLUMNS
inline constexpr PgStatement kReminderNames{
    "reminder_names",
    "SELECT name FROM epic.reminders WHERE type = $1::bytea AND key = $2::bytea ORDER BY name LIMIT $3::int8"};
inline constexpr PgStatement kCountReminders{"", "SELECT count(*) FROM epic.reminders"};

// ---- the store itself

inline constexpr PgStatement kPutGroup{"",
                                       "INSERT INTO epic.placement_groups(type, name) VALUES($1::bytea, $2::bytea)"};

// ---- the mark of a store that has lost something

/// A number that no other history of any store has.
#define EPIC_PG_NEW_HISTORY \
  "('x' || left(md5(random()::text || clock_timestamp()::text || pg_backend_pid()::text), 16))::bit(64)::int8"
inline constexpr PgStatement kSetMark{"", "UPDATE epic.store SET mark = $1::text WHERE mark IS NULL"};
inline constexpr PgStatement kFindMark{"", "SELECT mark FROM epic.store"};
inline constexpr PgStatement kLiftMark{"", "UPDATE epic.store SET mark = NULL, history = " EPIC_PG_NEW_HISTORY};
/// A writer that has not seen the mark commits nothing after it was lifted.
inline constexpr PgStatement kCutOffWriters{"", "UPDATE epic.writers SET link = link + 1"};

// ---- the tables

/// Held while tables are made or migrated. Any number that only epic uses: it is of this database.
inline constexpr PgStatement kOneAtATime{"", "SELECT pg_advisory_xact_lock(7309453)"};

// ---- who uses the store: fabrics together, or one command. A session has this until it ends.

inline constexpr PgStatement kShareStore{"", "SELECT pg_try_advisory_lock_shared(7309455)"};
inline constexpr PgStatement kHoldStore{"", "SELECT pg_try_advisory_lock(7309455)"};

// ---- moments and trials

inline constexpr PgStatement kBegin{"", "BEGIN"};
inline constexpr PgStatement kBeginMoment{"", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"};
inline constexpr PgStatement kCommit{"", "COMMIT"};
inline constexpr PgStatement kRollback{"", "ROLLBACK"};

}  // namespace epic::storage::pg
