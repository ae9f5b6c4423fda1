#include "storage/postgres_store.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/batch_check.hpp"
#include "storage/postgres_batch.hpp"
#include "storage/postgres_format.hpp"
#include "storage/postgres_statements.hpp"
#include "storage/row_checksum.hpp"

namespace epic::storage {

namespace {

constexpr const char* kConfirmedName = "postgres.confirmed";
constexpr std::size_t kLossesNamedMax = 8;

/// "of node-2 (writer 5) the transactions 17 to 20 were confirmed, and are not there".
std::string loss_text(const PgConfirmedWriter& confirmed, std::optional<std::int64_t> there) {
  const std::string name = confirmed.node.value == 0
                               ? fmt::format("writer {}", confirmed.writer)
                               : fmt::format("node-{} (writer {})", confirmed.node, confirmed.writer);
  if (!there && confirmed.number == 0) return fmt::format("{}, which had begun to write, is not there", name);
  if (!there) return fmt::format("{}, whose transactions 1 to {} were confirmed, is not there", name, confirmed.number);
  if (*there + 1 == confirmed.number)
    return fmt::format("of {} transaction {} was confirmed, and is not there", name, confirmed.number);
  return fmt::format("of {} the transactions {} to {} were confirmed, and are not there", name, *there + 1,
                     confirmed.number);
}

/// What has happened to the server since `before` was noted; empty: nothing that shows.
std::string change_text(const PgServerName& before, const PgServerName& now) {
  if (before.timeline == 0 || before == now) return {};
  if (before.system != now.system)
    return fmt::format(" (it was kept by the server with the system identifier {}, and is now by that with {})",
                       before.system, now.system);
  return fmt::format(" (the server's timeline was {}, and is {}: a standby has taken over, or a copy was restored)",
                     before.timeline, now.timeline);
}

StoreError refuse_marked(const std::string& url, const std::string& mark) {
  return {StoreErrorCode::marked,
          fmt::format("the store '{}' may lack something that was acknowledged: {}. Nothing is written to it. Put a "
                      "copy of the database there, or go on with what is left: `epic snapshot verify --accept`.",
                      url, mark)};
}

PgColumn shards_of(std::span<const kernel::ShardId> shards) {
  PgColumn column(PgColumn::Type::int4);
  for (const kernel::ShardId shard : shards) column.add(shard.value);
  return column;
}

Store::ShardRow pg_shard_row(const PgRows& rows, std::size_t row) {
  return {.shard = kernel::ShardId{static_cast<std::uint32_t>(rows.integer(row, 0))},
          .epoch = kernel::Epoch{to_unsigned(rows.integer(row, 1))},
          .node = kernel::NodeId{static_cast<std::uint16_t>(rows.integer(row, 2))},
          .incarnation = kernel::Incarnation{to_unsigned(rows.integer(row, 3))},
          .map_version = kernel::MapVersion{to_unsigned(rows.integer(row, 4))},
          .term = kernel::Term{to_unsigned(rows.integer(row, 5))}};
}

}  // namespace

// ---- opening, and connections ----

std::expected<std::unique_ptr<PostgresStore>, StoreError> PostgresStore::open(const std::string& url,
                                                                              PostgresOptions options) {
  EPIC_ASSERT(options.mode != OpenMode::create || options.shard_count.value_or(0) > 0,
              "a new store needs a shard count");
  auto store = std::unique_ptr<PostgresStore>(new PostgresStore(url, std::move(options)));
  if (store->is_writing() && !store->options_.notes.empty())
    store->confirmed_.emplace(EPIC_TRY(PgConfirmed::open(store->options_.notes / kConfirmedName)));
  EPIC_TRY(store->open_connection());
  return store;
}

std::string PostgresStore::where() const { return fmt::format("the store '{}'", url_); }

std::expected<void, StoreError> PostgresStore::open_connection() {
  auto connection = EPIC_TRY(PgConnection::open(url_, is_writing() ? PgAccess::write : PgAccess::read));
  if (options_.is_of_fabric) {
    const auto shared = connection.run(pg::kShareStore);
    if (!shared) return std::unexpected(connection.error("use what is", shared.error()));
    if (!shared->boolean(0, 0))
      return std::unexpected(StoreError{
          StoreErrorCode::busy,
          fmt::format("a command that needs the store '{}' for itself is at work. Wait until it has ended.", url_)});
  }
  const bool is_first = shard_count() == 0;
  const auto opened =
      EPIC_TRY(open_format(connection, url_,
                           {.shard_count = is_first ? options_.shard_count : std::optional(shard_count()),
                            .groups = options_.groups,
                            .may_create = is_first && options_.mode == OpenMode::create,
                            .may_migrate = is_first && is_writing(),
                            .now = options_.wall_clock()}));
  if (opened.mark && is_writing()) return std::unexpected(note(refuse_marked(url_, *opened.mark)));
  if (is_first) {
    identity_ = opened.identity;
    history_ = opened.history;
  } else if (history_ != opened.history && is_writing()) {
    return std::unexpected(
        note({StoreErrorCode::lost_ownership,
              fmt::format("the store '{}' lacked something that was acknowledged, and somebody has accepted that. A "
                          "process that has written before cannot go on. Nothing was written.",
                          url_)}));
  }
  if (is_writing()) {
    EPIC_TRY(check_confirmed(connection));
    const std::array skip{PgCall{&pg::kOneSkipsPlaces}, PgCall{&pg::kSkipPlaces}};
    if (const auto skipped = connection.run(skip); !skipped)
      return std::unexpected(connection.error("skip the places of messages", skipped.error()));
  }
  connection_ = std::move(connection);
  writer_.must_move_on = writer_.id != 0;
  return {};
}

std::expected<std::optional<std::string>, StoreError> PostgresStore::find_mark(const std::string& url) {
  auto connection = EPIC_TRY(PgConnection::open(url, PgAccess::read));
  return EPIC_TRY(open_format(connection, url, {})).mark;
}

std::expected<void, StoreError> PostgresStore::lift_mark(const std::string& url) {
  auto connection = EPIC_TRY(PgConnection::open(url, PgAccess::write));
  EPIC_TRY(open_format(connection, url, {}));
  const std::array calls{PgCall{&pg::kLiftMark}, PgCall{&pg::kCutOffWriters}};
  if (const auto done = connection.run(calls); !done)
    return std::unexpected(connection.error("lift the mark", done.error()));
  return {};
}

StoreError PostgresStore::note(StoreError error) {
  const std::lock_guard lock(failure_mutex_);
  const bool is_final = error.code == StoreErrorCode::io || error.code == StoreErrorCode::marked ||
                        error.code == StoreErrorCode::lost_ownership;
  if (is_final && !failure_) failure_ = error;
  return error;
}

std::optional<StoreError> PostgresStore::failure() const {
  const std::lock_guard lock(failure_mutex_);
  return failure_;
}

std::expected<void, StoreError> PostgresStore::get_ready() {
  EPIC_ASSERT(is_writing(), "a store that was opened for reading is written");
  if (const auto failed = failure()) return std::unexpected(*failed);
  if (!connection_ || !connection_->is_open()) EPIC_TRY(open_connection());
  if (writer_.must_move_on) EPIC_TRY(move_on());
  if (writer_.id != 0) return {};
  const auto made = connection_->run(pg::kNewWriter);
  if (!made) return std::unexpected(note(connection_->error("begin to write", made.error())));
  writer_ = {.id = made->integer(0, 0)};
  note_confirmed();
  remove_dead_writers();
  return {};
}

/// First from the notes, which would miss them in the database. If this fails, another one does it, or they stay.
void PostgresStore::remove_dead_writers() {
  if (!confirmed_) return;
  const auto dead = confirmed_->dead_writers();
  if (dead.empty()) return;
  const auto column_of = [](const std::vector<std::int64_t>& writers) {
    PgColumn column(PgColumn::Type::int8);
    for (const std::int64_t writer : writers) column.add(writer);
    return column;
  };
  const auto idle = connection_->run(pg::kIdleWriters, PgParams().add(column_of(dead)));
  if (!idle) return;
  std::vector<std::int64_t> removed;
  for (std::size_t i = 0; i < idle->size(); ++i) removed.push_back(idle->integer(i, 0));
  if (!confirmed_->forget(removed)) return;
  static_cast<void>(connection_->run(pg::kRemoveWriters, PgParams().add(column_of(removed))));
}

/// Before anybody hears of it.
void PostgresStore::note_confirmed() {
  if (confirmed_) confirmed_->note({.writer = writer_.id, .node = writer_.node, .number = writer_.number});
}

std::expected<void, StoreError> PostgresStore::check_confirmed(PgConnection& connection) {
  if (!confirmed_) return {};
  EPIC_TRY(confirmed_->begin(history_));
  const auto noted = confirmed_->all();
  PgColumn writers(PgColumn::Type::int8);
  for (const PgConfirmedWriter& one : noted) writers.add(one.writer);
  const auto rows = connection.run(pg::kNumbers, PgParams().add(writers));
  if (!rows) return std::unexpected(connection.error("read what was confirmed", rows.error()));
  const auto name = connection.run(pg::kServerName);
  if (!name) return std::unexpected(connection.error("read which server it is", name.error()));
  const PgServerName server{.system = name->integer(0, 0), .timeline = name->integer(0, 1)};
  std::map<std::int64_t, std::int64_t> numbers;
  for (std::size_t i = 0; i < rows->size(); ++i) numbers.emplace(rows->integer(i, 0), rows->integer(i, 1));

  // Another process of this machine may have removed writers meanwhile, and has forgotten them before.
  const auto still = confirmed_->all();
  std::vector<std::string> losses;
  for (const PgConfirmedWriter& one : noted) {
    const auto found = numbers.find(one.writer);
    const auto there = found == numbers.end() ? std::nullopt : std::optional(found->second);
    const bool is_noted = std::ranges::find(still, one.writer, &PgConfirmedWriter::writer) != still.end();
    if (is_noted && there.value_or(-1) < one.number) losses.push_back(loss_text(one, there));
  }
  if (losses.empty()) {
    confirmed_->set_server(server);
    return {};
  }
  const std::size_t named = std::min(losses.size(), kLossesNamedMax);
  std::string text =
      fmt::format("{}", fmt::join(losses.begin(), losses.begin() + static_cast<std::ptrdiff_t>(named), "; "));
  if (named < losses.size()) text += fmt::format("; so are those of {} more", losses.size() - named);
  text += change_text(confirmed_->server(), server);
  return std::unexpected(mark_lost(connection, text));
}

/// The connection before can commit nothing from here on, and what it has committed is known. This is a commit itself,
/// which comes after that: if it is on every standby that has to have it, so is that.
std::expected<void, StoreError> PostgresStore::move_on() {
  const auto moved = connection_->run(pg::kMoveOn, PgParams().add(writer_.id));
  if (!moved) return std::unexpected(connection_->error("find out what the last connection did", moved.error()));
  const bool is_there = moved->size() == 1;
  const std::int64_t number = is_there ? moved->integer(0, 1) : 0;
  if (!is_there || number < writer_.number)
    return std::unexpected(
        mark_lost(*connection_, loss_text({.writer = writer_.id, .node = writer_.node, .number = writer_.number},
                                          is_there ? std::optional(number) : std::nullopt)));
  const bool is_open = writer_.open != Writer::Open::nothing;
  if (number > writer_.number + (is_open ? 1 : 0))
    return std::unexpected(mark_lost(*connection_, fmt::format("writer {} is at transaction {}, and has come to {}",
                                                               writer_.id, number, writer_.number)));
  if (writer_.open == Writer::Open::batch && number > writer_.number) writer_.has_written_batch = true;
  writer_.open = Writer::Open::nothing;
  writer_.number = number;
  writer_.link = moved->integer(0, 0);
  writer_.must_move_on = false;
  note_confirmed();
  return {};
}

/// For everybody who opens the store, or has it open.
StoreError PostgresStore::mark_lost(PgConnection& connection, const std::string& what) {
  static_cast<void>(connection.run(pg::kSetMark, PgParams().add(what)));
  return note(refuse_marked(url_, what));
}

std::expected<std::vector<PgRows>, PgFailure> PostgresStore::write(std::vector<PgCall> calls, Writer::Open kind) {
  calls.insert(calls.begin(), {&pg::kMark, PgParams().add(writer_.id).add(writer_.number + 1).add(writer_.link)});
  auto done = connection_->run(calls);
  if (done)
    ++writer_.number;
  else if (done.error().is_lost())
    writer_.open = kind;
  return done;
}

StoreError PostgresStore::failed_write(std::string_view doing, const PgFailure& failure) {
  if (failure.is_lost())
    return {
        StoreErrorCode::unsure,
        fmt::format("the connection to the store '{}' broke while it was to {} ({}). Whether that was done is found "
                    "out when the database can be reached again; it is tried again.",
                    url_, doing, failure.message)};
  if (failure.call == 0 && failure.is_refused()) {
    if (const auto mark = connection_->run(pg::kFindMark); mark && mark->size() == 1 && !mark->is_null(0, 0))
      return note(refuse_marked(url_, std::string(mark->text(0, 0))));
    return note({StoreErrorCode::lost_ownership,
                 fmt::format("another process has ended the session of writer {} in the store '{}'. Nothing was "
                             "written.",
                             writer_.id, url_)});
  }
  return note(connection_->error(doing, failure));
}

std::expected<std::vector<PgRows>, StoreError> PostgresStore::read(std::span<const PgCall> calls,
                                                                   std::string_view doing) {
  for (bool is_last_try : {false, true}) {
    if (!connection_ || !connection_->is_open()) {
      if (is_in_moment_)
        return std::unexpected(StoreError{
            StoreErrorCode::io,
            fmt::format("the connection to the store '{}' broke, and the moment that was read is gone with it. Try "
                        "again.",
                        url_)});
      EPIC_TRY(open_connection());
      is_last_try = true;
    }
    auto rows = connection_->run(calls);
    if (rows) return *std::move(rows);
    if (!rows.error().is_lost() || is_last_try) return std::unexpected(connection_->error(doing, rows.error()));
  }
  std::unreachable();
}

std::expected<PgRows, StoreError> PostgresStore::read(const PgStatement& statement, PgParams params,
                                                      std::string_view doing) {
  const PgCall call{&statement, std::move(params)};
  auto rows = EPIC_TRY(read({&call, 1}, doing));
  return std::move(rows.front());
}

std::expected<void, StoreError> PostgresStore::sync() {
  if (const auto failed = failure()) return std::unexpected(*failed);
  return {};
}

// ---- whose shards they are ----

std::expected<void, StoreError> PostgresStore::grant(const Grants& grants) {
  EPIC_TRY(get_ready());
  PgColumn shards(PgColumn::Type::int4);
  PgColumn nodes(PgColumn::Type::int4);
  PgColumn incarnations(PgColumn::Type::int8);
  PgColumn formers(PgColumn::Type::int8);
  for (const Grant& grant : grants.list) {
    EPIC_ASSERT(grant.shard.value < shard_count(), "shard {} of {}", grant.shard, shard_count());
    shards.add(grant.shard.value);
    nodes.add(std::uint32_t{grant.node.value});
    incarnations.add(to_signed(grant.incarnation.value));
    formers.add(to_signed(grant.former.value));
  }
  std::vector<PgCall> calls;
  calls.push_back({&pg::kShortLocks});
  calls.push_back({&pg::kMakeShards, PgParams().add(shards)});
  calls.push_back({&pg::kLockShards, PgParams().add(shards)});
  calls.push_back({&pg::kGrant, PgParams()
                                    .add(shards)
                                    .add(nodes)
                                    .add(incarnations)
                                    .add(formers)
                                    .add(to_signed(grants.map_version.value))
                                    .add(to_signed(grants.term.value))});
  if (const auto done = write(std::move(calls), Writer::Open::other); !done)
    return std::unexpected(explain_refused(grants, done.error()));
  note_confirmed();
  return {};
}

StoreError PostgresStore::explain_refused(const Grants& grants, const PgFailure& failure) {
  if (failure.is_lock_timeout()) end_sessions(grants);
  if (!failure.is_refused() || failure.call == 0) return failed_write("grant shards", failure);
  std::vector<kernel::ShardId> shards;
  for (const Grant& grant : grants.list) shards.push_back(grant.shard);
  const auto rows = rows_of(std::move(shards));
  if (!rows) return rows.error();
  for (const Grant& grant : grants.list) {
    const auto row = std::ranges::find(*rows, grant.shard, &ShardRow::shard);
    const ShardRow found = row == rows->end() ? ShardRow{.shard = grant.shard} : *row;
    if (!may_grant(grant, grants.term, found)) return not_granted(grant, grants.term, found, where());
  }
  return {StoreErrorCode::busy,
          fmt::format("the owners of shards in {} change meanwhile. Nothing was written.", where())};
}

/// Those of the former owners, one of which keeps a row locked: the grant is tried again.
void PostgresStore::end_sessions(const Grants& grants) {
  PgColumn formers(PgColumn::Type::int8);
  for (const Grant& grant : grants.list)
    if (grant.former != grant.incarnation) formers.add(to_signed(grant.former.value));
  static_cast<void>(connection_->run(pg::kEndSessions, PgParams().add(formers)));
}

std::expected<std::vector<ShardEpoch>, StoreError> PostgresStore::take(std::span<const kernel::ShardId> shards,
                                                                       kernel::NodeId node,
                                                                       kernel::Incarnation incarnation) {
  EPIC_TRY(get_ready());
  for (const kernel::ShardId shard : shards)
    EPIC_ASSERT(shard.value < shard_count(), "shard {} of {}", shard, shard_count());
  const PgColumn column = shards_of(shards);
  std::vector<PgCall> calls;
  if (writer_.incarnation != incarnation)
    calls.push_back({&pg::kNameWriter, PgParams().add(writer_.id).add(to_signed(incarnation.value))});
  calls.push_back({&pg::kLockShards, PgParams().add(column)});
  calls.push_back(
      {&pg::kCheckGranted, PgParams().add(column).add(std::uint32_t{node.value}).add(to_signed(incarnation.value))});
  calls.push_back({&pg::kTake, PgParams().add(column)});
  const auto done = write(std::move(calls), Writer::Open::other);
  if (!done && done.error().is_refused() && done.error().call > 0) {
    const auto rows = EPIC_TRY(rows_of({shards.begin(), shards.end()}));
    for (const kernel::ShardId shard : shards) {
      const auto row = std::ranges::find(rows, shard, &ShardRow::shard);
      const ShardRow found = row == rows.end() ? ShardRow{.shard = shard} : *row;
      if (found.node != node || found.incarnation != incarnation)
        return std::unexpected(not_granted(node, incarnation, found, where()));
    }
    return std::unexpected(
        StoreError{StoreErrorCode::busy,
                   fmt::format("the owners of shards in {} change meanwhile. Nothing was changed.", where())});
  }
  if (!done) return std::unexpected(failed_write("take shards", done.error()));
  writer_.incarnation = incarnation;
  writer_.node = node;
  note_confirmed();
  std::map<std::uint32_t, kernel::Epoch> epochs;
  const PgRows& rows = done->back();
  for (std::size_t i = 0; i < rows.size(); ++i)
    epochs[static_cast<std::uint32_t>(rows.integer(i, 0))] = kernel::Epoch{to_unsigned(rows.integer(i, 1))};
  std::vector<ShardEpoch> taken;
  taken.reserve(shards.size());
  for (const kernel::ShardId shard : shards) taken.push_back({shard, epochs.at(shard.value)});
  return taken;
}

std::expected<std::vector<Store::ShardRow>, StoreError> PostgresStore::rows_of(std::vector<kernel::ShardId> shards) {
  const auto rows = EPIC_TRY(read(pg::kShardRows, PgParams().add(shards_of(shards)), "read the shards' owners"));
  std::vector<ShardRow> all;
  all.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) all.push_back(pg_shard_row(rows, i));
  return all;
}

std::expected<std::vector<Store::ShardRow>, StoreError> PostgresStore::shards() { return rows_of({}); }

// ---- batches ----

std::expected<void, StoreError> PostgresStore::write_next(const NextBatch& next) {
  EPIC_TRY(get_ready());
  if (std::exchange(writer_.has_written_batch, false)) return {};
  const Batch& batch = next();
  check_batch(batch, shard_count());
  const std::int64_t saved_at_ns = to_nanoseconds(options_.wall_clock());
  std::vector<PgCall> calls{fence_of(batch)};
  std::ranges::move(calls_of(batch, {.shard_count = shard_count(), .saved_at_ns = saved_at_ns}),
                    std::back_inserter(calls));
  const auto done = write(std::move(calls), Writer::Open::batch);
  if (done) {
    note_confirmed();
    return {};
  }
  const PgFailure& failure = done.error();
  if (!failure.is_refused() || failure.call == 0)
    return std::unexpected(failed_write(fmt::format("write commit {}", batch.number), failure));
  if (failure.call == 1) return std::unexpected(explain_lost_ownership(batch));
  return std::unexpected(find_conflict(batch, saved_at_ns));
}

StoreError PostgresStore::explain_lost_ownership(const Batch& batch) {
  std::vector<kernel::ShardId> shards;
  for (const ShardEpoch& held : batch.epochs) shards.push_back(held.shard);
  const auto rows = rows_of(shards);
  if (!rows) return rows.error();
  for (const ShardEpoch& held : batch.epochs) {
    const auto row = std::ranges::find(*rows, held.shard, &ShardRow::shard);
    const ShardRow found = row == rows->end() ? ShardRow{.shard = held.shard} : *row;
    if (found.epoch != held.epoch || found.incarnation != batch.writer)
      return lost_ownership(batch, held, found, where());
  }
  return {StoreErrorCode::lost_ownership,
          fmt::format("a shard of commit {} was another's for a moment, in {}. Nothing was written.", batch.number,
                      where())};
}

/// Tries the operations one by one, in a transaction that is taken back.
StoreError PostgresStore::find_conflict(const Batch& batch, std::int64_t saved_at_ns) {
  const PgBatchContext context{.shard_count = shard_count(), .saved_at_ns = saved_at_ns};
  std::vector<PgCall> calls{{&pg::kBegin}, fence_of(batch)};
  const std::size_t before = calls.size();
  std::vector<std::size_t> operations;  // of each call behind those
  for (std::size_t i = 0; i < batch.operations.size(); ++i) {
    std::vector<PgCall> more = calls_of(batch.operations[i], context);
    operations.insert(operations.end(), more.size(), i);
    std::ranges::move(more, std::back_inserter(calls));
  }
  const auto tried = connection_->run(calls);
  const auto ended = connection_->run(pg::kRollback);
  if (!ended) return connection_->error("take back a trial", ended.error());
  if (!tried && !tried.error().is_refused()) return connection_->error("look for a conflict", tried.error());
  if (tried || tried.error().call < before)
    return {StoreErrorCode::conflict,
            fmt::format("an operation of commit {} did not find in {} what it states, and does now. Nothing was "
                        "written. Does another program write to the store?",
                        batch.number, where())};
  const std::size_t operation = operations[tried.error().call - before];
  const auto found = find_version(batch.operations[operation]);
  if (!found) return found.error();
  return conflict(batch, operation, *found, where());
}

/// Of the entity that it changes; 0 if there is none, or it changes none.
std::expected<kernel::Version, StoreError> PostgresStore::find_version(const Operation& operation) {
  const auto find = [this](std::string_view type, std::string_view key) -> std::expected<kernel::Version, StoreError> {
    const auto rows = EPIC_TRY(read(pg::kLoad, PgParams().add(type).add(key), fmt::format("find {}/{}", type, key)));
    return rows.size() == 0 ? kernel::Version{0} : kernel::Version{to_unsigned(rows.integer(0, 3))};
  };
  if (const auto* const put = std::get_if<PutSnapshot>(&operation)) return find(put->type, put->key);
  if (const auto* const erase = std::get_if<EraseSnapshot>(&operation)) return find(erase->type, erase->key);
  return kernel::Version{0};
}

}  // namespace epic::storage
