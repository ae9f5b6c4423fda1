-- A store as epic 0.1.0 of format 4 has left it, which had migrated it from format 3. Never changed: migrations start from here.
PRAGMA page_size = 2048;
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1701865827;
BEGIN TRANSACTION;
CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('checkpoints',0);
INSERT INTO "meta" VALUES('created_at',1700000000123000000);
INSERT INTO "meta" VALUES('format_version',4);
INSERT INTO "meta" VALUES('hash','xxh64');
INSERT INTO "meta" VALUES('hash_seed',0);
INSERT INTO "meta" VALUES('needs_epic','0.1.0');
INSERT INTO "meta" VALUES('owner_changes',4);
INSERT INTO "meta" VALUES('shard_count',8);
CREATE TABLE shards(
  shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, node INTEGER NOT NULL, incarnation INTEGER NOT NULL,
  map_version INTEGER NOT NULL DEFAULT 0, term INTEGER NOT NULL DEFAULT 0, version_floor INTEGER NOT NULL DEFAULT 0);
INSERT INTO "shards" VALUES(1,2,2,2000,4,2,0);
INSERT INTO "shards" VALUES(3,2,2,2000,4,2,6);
INSERT INTO "shards" VALUES(7,1,1,1000,1,1,0);
CREATE TABLE schemas(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
INSERT INTO "schemas" VALUES(-81985529216486896,'record Player { score: int64 }');
CREATE TABLE snapshots(
  type TEXT NOT NULL, key TEXT NOT NULL, shard INTEGER NOT NULL, version INTEGER NOT NULL, schema INTEGER NOT NULL,
  saved_at INTEGER NOT NULL, checksum INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(type, key));
INSERT INTO "snapshots" VALUES('Player','Bob: Slayer',3,12,-81985529216486896,1700000000123000000,-9108461677063048129,X'73636f72652037');
INSERT INTO "snapshots" VALUES('Player','Zoë ''x''',1,1,-81985529216486896,1700000000123000000,-6148582800117916195,X'000102');
INSERT INTO "snapshots" VALUES('Barrel','0',3,3,-81985529216486896,1700000000123000000,1553705987463875551,X'');
CREATE INDEX snapshots_by_shard ON snapshots(shard);
CREATE TABLE mail(
  place INTEGER PRIMARY KEY AUTOINCREMENT, from_shard INTEGER NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL,
  to_shard INTEGER NOT NULL, status INTEGER NOT NULL, schema INTEGER NOT NULL, sent_at INTEGER NOT NULL,
  checksum INTEGER NOT NULL, status_checksum INTEGER NOT NULL, sender TEXT NOT NULL, receiver_type TEXT NOT NULL,
  receiver_key TEXT NOT NULL, method TEXT NOT NULL, why TEXT NOT NULL, arguments BLOB NOT NULL,
  UNIQUE(from_shard, epoch, number));
INSERT INTO "mail" VALUES(4,0,1,7,1,0,-81985529216486896,1700000000000000000,-6812573838091868285,2893095662244747421,'Sender/s','T','a','deposit','',X'616d6f756e74');
CREATE INDEX mail_by_receiver ON mail(to_shard) WHERE status <> 2;
CREATE TABLE answers(
  shard INTEGER NOT NULL, entity TEXT NOT NULL, subject TEXT NOT NULL, key TEXT NOT NULL, method TEXT NOT NULL,
  arguments_schema INTEGER NOT NULL, arguments_hash INTEGER NOT NULL, begun_at INTEGER NOT NULL,
  status INTEGER NOT NULL, schema INTEGER NOT NULL, error_code INTEGER NOT NULL, error_type TEXT NOT NULL,
  checksum INTEGER NOT NULL, end_checksum INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY(entity, subject, key));
CREATE INDEX answers_by_age ON answers(shard, begun_at);
CREATE TABLE reminders(
  type TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL, shard INTEGER NOT NULL, due_at INTEGER NOT NULL,
  starts_at INTEGER NOT NULL, every INTEGER NOT NULL, schema INTEGER NOT NULL, checksum INTEGER NOT NULL,
  due_checksum INTEGER NOT NULL, method TEXT NOT NULL, arguments BLOB NOT NULL, PRIMARY KEY(type, key, name));
CREATE INDEX reminders_by_due ON reminders(shard, due_at, type, key, name);
COMMIT;
