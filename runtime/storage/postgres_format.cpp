#include "storage/postgres_format.hpp"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/postgres_statements.hpp"

namespace epic::storage {

namespace {

/// The first release of epic that reads the present format.
constexpr std::string_view kPgNeedsEpic = "0.1.0";
constexpr std::string_view kPgHashName = "xxh64";
constexpr std::int64_t kPgHashSeed = 0;

/// Looks into the catalogs themselves: to_regclass() may answer from a cache of before the wait for another that makes
/// the tables.
constexpr PgStatement kIsThere{
    "",
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'epic' AND c.relname = 'store'), "
    "EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'epic'), "
    "pg_catalog.current_setting('server_version_num')::int4"};
constexpr PgStatement kDescription{
    "", "SELECT format, needs_epic, hash, hash_seed, shard_count, mark, history FROM epic.store"};
constexpr PgStatement kFormatOnly{"", "SELECT format, needs_epic FROM epic.store"};
constexpr PgStatement kGroups{"", "SELECT type, name FROM epic.placement_groups"};
constexpr PgStatement kMakeSchema{"", "CREATE SCHEMA epic"};
constexpr PgStatement kDescribe{
    "",
    "INSERT INTO epic.store(format, needs_epic, hash, hash_seed, shard_count, created_at, history) "
    "VALUES($1::int4, $2::text, $3::text, $4::int8, $5::int4, $6::int8, " EPIC_PG_NEW_HISTORY ")"};
constexpr PgStatement kRaiseFormat{"", "UPDATE epic.store SET format = $1::int4, needs_epic = $2::text"};

// A row that is changed in place leaves its page if there is no room, and needs new entries in each index: hence the
// fill factors. `is_only` keeps the description a single row.
constexpr PgStatement kPgTables[] = {
    {"",
     "CREATE TABLE epic.store(is_only bool PRIMARY KEY DEFAULT true CHECK (is_only), format int4 NOT NULL, "
     "needs_epic text NOT NULL, hash text NOT NULL, hash_seed int8 NOT NULL, shard_count int4 NOT NULL, "
     "created_at int8 NOT NULL, history int8 NOT NULL, mark text)"},
    {"", "CREATE TABLE epic.placement_groups(type bytea PRIMARY KEY, name bytea NOT NULL)"},
    {"",
     "CREATE TABLE epic.shards(shard int4 PRIMARY KEY, epoch int8 NOT NULL, node int4 NOT NULL, "
     "incarnation int8 NOT NULL, map_version int8 NOT NULL, term int8 NOT NULL) WITH (fillfactor = 50)"},
    {"", "CREATE TABLE epic.version_floors(shard int4 PRIMARY KEY, version int8 NOT NULL) WITH (fillfactor = 50)"},
    {"",
     "CREATE TABLE epic.writers(writer int8 PRIMARY KEY GENERATED ALWAYS AS IDENTITY, incarnation int8 NOT NULL, "
     "link int8 NOT NULL, number int8 NOT NULL, backend int4 NOT NULL, backend_start timestamptz NOT NULL) WITH "
     "(fillfactor = 25)"},
    {"", "CREATE TABLE epic.schemas(id int8 PRIMARY KEY, text bytea NOT NULL)"},
    {"",
     "CREATE TABLE epic.snapshots(type bytea NOT NULL, key bytea NOT NULL, shard int4 NOT NULL, version int8 NOT NULL, "
     "schema int8 NOT NULL, saved_at int8 NOT NULL, checksum int8 NOT NULL, bytes bytea NOT NULL, "
     "PRIMARY KEY(type, key)) WITH (fillfactor = 80)"},
    {"", "CREATE INDEX snapshots_by_shard ON epic.snapshots(shard)"},
    {"", "CREATE SEQUENCE epic.mail_places"},
    {"",
     "CREATE TABLE epic.mail(place int8 PRIMARY KEY DEFAULT nextval('epic.mail_places'), from_shard int4 NOT NULL, "
     "epoch int8 NOT NULL, number int8 NOT NULL, to_shard int4 NOT NULL, status int2 NOT NULL, schema int8 NOT NULL, "
     "sent_at int8 NOT NULL, checksum int8 NOT NULL, status_checksum int8 NOT NULL, sender bytea NOT NULL, "
     "receiver_type bytea NOT NULL, receiver_key bytea NOT NULL, method bytea NOT NULL, why bytea NOT NULL, "
     "arguments bytea NOT NULL, UNIQUE(from_shard, epoch, number)) WITH (fillfactor = 80)"},
    {"", "CREATE INDEX mail_by_receiver ON epic.mail(to_shard, place) WHERE status <> 2"},
    {"",
     "CREATE TABLE epic.answers(shard int4 NOT NULL, entity bytea NOT NULL, subject bytea NOT NULL, key bytea NOT "
     "NULL, "
     "method bytea NOT NULL, arguments_schema int8 NOT NULL, arguments_hash int8 NOT NULL, begun_at int8 NOT NULL, "
     "status int2 NOT NULL, schema int8 NOT NULL, error_code int2 NOT NULL, error_type bytea NOT NULL, "
     "checksum int8 NOT NULL, end_checksum int8 NOT NULL, bytes bytea NOT NULL, PRIMARY KEY(entity, subject, key)) "
     "WITH (fillfactor = 80)"},
    {"", "CREATE INDEX answers_by_age ON epic.answers(shard, begun_at)"},
    {"",
     "CREATE TABLE epic.reminders(type bytea NOT NULL, key bytea NOT NULL, name bytea NOT NULL, shard int4 NOT NULL, "
     "due_at int8 NOT NULL, starts_at int8 NOT NULL, every int8 NOT NULL, schema int8 NOT NULL, "
     "checksum int8 NOT NULL, due_checksum int8 NOT NULL, method bytea NOT NULL, arguments bytea NOT NULL, "
     "PRIMARY KEY(type, key, name))"},
    {"", "CREATE INDEX reminders_by_due ON epic.reminders(shard, due_at, type, key, name)"},
};

/// One statement of the step from a format to the next. It never changes once it was released.
struct PgMigration {
  std::uint32_t from;
  PgStatement statement;
};
constexpr std::array<PgMigration, 0> kPgMigrations{};

constexpr std::int32_t kServerVersionMin = 130'000;

/// What is read to decide, and the errors of that.
class FormatOpening {
 public:
  FormatOpening(PgConnection& connection, const std::string& url, const PgFormatOptions& options)
      : connection_(connection), url_(url), options_(options) {}

  std::expected<PgIdentity, StoreError> open() {
    const auto found = EPIC_TRY(find());
    const bool is_missing = !found;
    const bool is_old = found && found->identity.is_old_format;
    if (is_missing && !options_.may_create) return std::unexpected(no_tables());
    if ((is_missing && options_.may_create) || (is_old && options_.may_migrate)) return change();
    return *found;
  }

 private:
  /// Empty: there are no tables.
  std::expected<std::optional<PgIdentity>, StoreError> find() {
    const auto there = EPIC_TRY(run(kIsThere, "look for the tables"));
    if (there.integer(0, 2) < kServerVersionMin)
      return std::unexpected(
          StoreError{StoreErrorCode::incompatible,
                     fmt::format("the server of the store '{}' is PostgreSQL {}, and epic needs 13 or newer.", url_,
                                 there.integer(0, 2) / 10'000)});
    has_schema_ = there.boolean(0, 1);
    if (!there.boolean(0, 0)) return std::nullopt;
    const auto format = EPIC_TRY(run(kFormatOnly, "read the store's description"));
    if (format.size() != 1)
      return std::unexpected(StoreError{
          StoreErrorCode::corrupt,
          fmt::format("the store '{}' does not describe itself: `epic.store` has {} rows. Restore the database from a "
                      "copy.",
                      url_, format.size())});
    if (format.integer(0, 0) > kPgFormatVersion)
      return std::unexpected(
          StoreError{StoreErrorCode::incompatible,
                     fmt::format("the store '{}' has format {}, and this epic reads formats up to {}. It was left as "
                                 "it is; epic {} or newer reads it.",
                                 url_, format.integer(0, 0), kPgFormatVersion, format.text(0, 1))});
    const auto row = EPIC_TRY(run(kDescription, "read the store's description"));
    const auto shard_count = row.integer(0, 4);
    if (row.text(0, 2) != kPgHashName || row.integer(0, 3) != kPgHashSeed)
      return std::unexpected(StoreError{
          StoreErrorCode::incompatible,
          fmt::format("the store '{}' places entities by another hash than {} with seed {}. Export with the epic that "
                      "wrote it and import with this one.",
                      url_, kPgHashName, kPgHashSeed)});
    if (options_.shard_count && shard_count != std::int64_t{*options_.shard_count})
      return std::unexpected(StoreError{
          StoreErrorCode::incompatible,
          fmt::format("the store '{}' was made with {} shards, and the project asks for {}. Set `shards = {}` in "
                      "epic.toml, or use another database.",
                      url_, shard_count, *options_.shard_count, shard_count)});
    const auto groups = EPIC_TRY(run(kGroups, "read the groups of classes"));
    kernel::PlacementGroups placement_groups;
    for (std::size_t i = 0; i < groups.size(); ++i) placement_groups.emplace(groups.text(i, 0), groups.text(i, 1));
    const auto format_version = static_cast<std::uint32_t>(row.integer(0, 0));
    return PgIdentity{.identity = {.format_version = format_version,
                                   .placement = {static_cast<std::uint32_t>(shard_count), std::move(placement_groups)},
                                   .is_old_format = format_version < kPgFormatVersion},
                      .mark = row.is_null(0, 5) ? std::nullopt : std::optional(std::string(row.text(0, 5))),
                      .history = row.integer(0, 6)};
  }

  /// Makes or migrates, unless another has done so meanwhile. An error ends the connection's transaction with it.
  std::expected<PgIdentity, StoreError> change() {
    const std::array begin{PgCall{&pg::kBegin}, PgCall{&pg::kOneAtATime}};
    if (const auto begun = connection_.run(begin); !begun)
      return std::unexpected(fail("change the tables", begun.error()));
    auto changed = change_alone();
    const auto ended = connection_.run(changed ? pg::kCommit : pg::kRollback);
    if (changed && !ended) return std::unexpected(fail("make the tables", ended.error()));
    return changed;
  }

  std::expected<PgIdentity, StoreError> change_alone() {
    const auto found = EPIC_TRY(find());
    if (found && !found->identity.is_old_format) return *found;
    if (!found) {
      EPIC_ASSERT(options_.shard_count.value_or(0) > 0, "a new store needs a shard count");
      std::vector<PgCall> calls;
      if (!has_schema_) calls.push_back({&kMakeSchema});
      for (const PgStatement& table : kPgTables) calls.push_back({&table});
      const auto created_at_ns =
          std::chrono::duration_cast<std::chrono::nanoseconds>(options_.now.time_since_epoch()).count();
      calls.push_back({&kDescribe, PgParams()
                                       .add(kPgFormatVersion)
                                       .add(kPgNeedsEpic)
                                       .add(kPgHashName)
                                       .add(kPgHashSeed)
                                       .add(*options_.shard_count)
                                       .add(std::int64_t{created_at_ns})});
      for (const auto& [type, name] : options_.groups)
        calls.push_back({&pg::kPutGroup, PgParams().add(type).add(name)});
      EPIC_TRY(run(calls, "make the tables"));
    } else {
      std::vector<PgCall> calls;
      for (const PgMigration& step : kPgMigrations)
        if (step.from >= found->identity.format_version) calls.push_back({&step.statement});
      calls.push_back({&kRaiseFormat, PgParams().add(kPgFormatVersion).add(kPgNeedsEpic)});
      EPIC_TRY(run(calls, "migrate to the present format"));
    }
    auto made = EPIC_TRY(find());
    EPIC_ASSERT(made, "the tables of '{}' are not there after they were made", url_);
    if (found) made->identity.migrated_from = found->identity.format_version;
    return *std::move(made);
  }

  std::expected<PgRows, StoreError> run(const PgStatement& statement, std::string_view doing) {
    auto rows = connection_.run(statement);
    if (!rows) return std::unexpected(fail(doing, rows.error()));
    return *std::move(rows);
  }
  std::expected<void, StoreError> run(std::span<const PgCall> calls, std::string_view doing) {
    if (const auto done = connection_.run(calls); !done) return std::unexpected(fail(doing, done.error()));
    return {};
  }
  [[nodiscard]] StoreError fail(std::string_view doing, const PgFailure& failure) const {
    return connection_.error(doing, failure);
  }
  [[nodiscard]] StoreError no_tables() const {
    return {StoreErrorCode::not_found,
            fmt::format("there is no store in the database '{}'. `epic run` makes one.", url_)};
  }

  PgConnection& connection_;
  const std::string& url_;
  const PgFormatOptions& options_;
  bool has_schema_ = false;
};

}  // namespace

std::expected<PgIdentity, StoreError> open_format(PgConnection& connection, const std::string& url,
                                                  const PgFormatOptions& options) {
  return FormatOpening(connection, url, options).open();
}

}  // namespace epic::storage
