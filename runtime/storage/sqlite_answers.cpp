// Answers in a SqliteStore: written with a batch, read one at a time; all of them for a backup.

#include <fmt/format.h>

#include "reflect/try.hpp"
#include "storage/row_check.hpp"
#include "storage/row_checksum.hpp"
#include "storage/sqlite_rows.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

// As in the tables, and in the statement that ends an answer.
static_assert(static_cast<int>(AnswerStatus::begun) == 0 && static_cast<int>(AnswerStatus::returned) == 1 &&
              static_cast<int>(AnswerStatus::threw) == 2);

Statement& set_id(Statement& statement, const AnswerId& id) {
  return statement.set(1, std::string_view(id.entity))
      .set(2, std::string_view(id.subject))
      .set(3, std::string_view(id.key));
}

/// From the fourth parameter on.
Statement& set_end(Statement& statement, const AnswerId& id, const AnswerEnd& end) {
  return statement.set(4, static_cast<std::int64_t>(end.status))
      .set(5, to_signed(end.schema.value))
      .set(6, std::int64_t{end.error_code})
      .set(7, std::string_view(end.error_type))
      .set(8, to_signed(answer_end_checksum(id, end)))
      .set(9, std::span<const std::byte>(end.bytes));
}

std::string describe(const AnswerId& id) { return fmt::format("the answer to key '{}' of {}", id.key, id.entity); }

}  // namespace

std::expected<void, StoreError> SqliteStore::prepare_answers_reading() {
  return prepare({
      {&statements_.answer,
       "SELECT shard, method, arguments_schema, arguments_hash, begun_at, status, schema, error_code, error_type, "
       "checksum, end_checksum, bytes, entity, subject, key FROM answers WHERE entity = ?1 AND subject = ?2 AND key = "
       "?3"},
      {&statements_.oldest_answer, "SELECT begun_at FROM answers WHERE shard = ?1 ORDER BY begun_at LIMIT 1"},
  });
}

std::expected<void, StoreError> SqliteStore::prepare_answers_writing() {
  return prepare({
      {&statements_.put_answer,
       "INSERT INTO answers(entity, subject, key, status, schema, error_code, error_type, end_checksum, bytes, shard, "
       "method, arguments_schema, arguments_hash, begun_at, checksum) "
       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) "
       "ON CONFLICT(entity, subject, key) DO NOTHING"},
      {&statements_.end_answer,
       "UPDATE answers SET status = ?4, schema = ?5, error_code = ?6, error_type = ?7, end_checksum = ?8, bytes = ?9 "
       "WHERE entity = ?1 AND subject = ?2 AND key = ?3 AND shard = ?10 AND status = 0"},
      {&statements_.sweep_answers,
       "DELETE FROM answers WHERE rowid IN "
       "(SELECT rowid FROM answers WHERE shard = ?1 AND begun_at < ?2 ORDER BY begun_at LIMIT ?3)"},
  });
}

std::expected<bool, StoreError> SqliteStore::apply(const PutAnswer& put, std::int64_t) {
  const Answer& answer = put.answer;
  Statement& statement = statements_.put_answer;
  set_end(set_id(statement, answer.id), answer.id, answer.end)
      .set(10, std::int64_t{answer.id.shard.value})
      .set(11, std::string_view(answer.method))
      .set(12, to_signed(answer.arguments_schema.value))
      .set(13, to_signed(answer.arguments_hash))
      .set(14, answer.begun_at_ns)
      .set(15, to_signed(answer_checksum(answer)));
  EPIC_TRY(execute(statement, "write " + describe(answer.id)));
  return connection_.changed_count() == 1;
}

std::expected<bool, StoreError> SqliteStore::apply(const EndAnswer& end, std::int64_t) {
  Statement& statement = statements_.end_answer;
  set_end(set_id(statement, end.id), end.id, end.end).set(10, std::int64_t{end.id.shard.value});
  EPIC_TRY(execute(statement, "write " + describe(end.id)));
  return connection_.changed_count() == 1;
}

std::expected<bool, StoreError> SqliteStore::apply(const SweepAnswers& sweep, std::int64_t) {
  statements_.sweep_answers.set(1, std::int64_t{sweep.shard.value})
      .set(2, sweep.begun_before_ns)
      .set(3, std::int64_t{sweep.rows_max});
  EPIC_TRY(execute(statements_.sweep_answers, "remove old answers"));
  return true;
}

std::expected<std::optional<Answer>, StoreError> SqliteStore::answer(const AnswerId& id) {
  if (!has_answers()) return std::nullopt;
  Statement& statement = statements_.answer;
  const ResetGuard guard(statement);
  switch (set_id(statement, id).step()) {
    case Step::done:
      return std::nullopt;
    case Step::failed:
      return std::unexpected(connection_.error("read " + describe(id)));
    case Step::row:
      break;
  }
  return read_whole_answer(statement);
}

/// `corrupt` if it is damaged.
std::expected<Answer, StoreError> SqliteStore::read_whole_answer(const Statement& statement) const {
  Answer answer = read_answer(statement);
  if (auto damage = find_damage(answer, to_unsigned(statement.integer(kAnswerChecksum)),
                                to_unsigned(statement.integer(kAnswerEndChecksum)), where()))
    return std::unexpected(*std::move(damage));
  return answer;
}

std::expected<std::uint64_t, StoreError> SqliteStore::count_answers() {
  if (!has_answers()) return std::uint64_t{0};
  const auto count = EPIC_TRY(connection_.integer("SELECT count(*) FROM answers"));
  return to_unsigned(count);
}

std::expected<void, StoreError> SqliteStore::list_answers(const std::function<void(const Answer&)>& visit,
                                                          const std::function<void(const StoreError&)>& on_corrupt) {
  if (!has_answers()) return {};
  auto statement = EPIC_TRY(connection_.prepare(fmt::format("SELECT {} FROM answers", kAnswerColumns)));
  for (Step step = statement.step(); step != Step::done; step = statement.step()) {
    if (step == Step::failed) return std::unexpected(connection_.error("read answers"));
    const auto answer = read_whole_answer(statement);
    if (answer)
      visit(*answer);
    else
      on_corrupt(answer.error());
  }
  return {};
}

std::expected<std::optional<std::int64_t>, StoreError> SqliteStore::oldest_answer(kernel::ShardId shard) {
  if (!has_answers()) return std::nullopt;
  Statement& statement = statements_.oldest_answer;
  const ResetGuard guard(statement);
  switch (statement.set(1, std::int64_t{shard.value}).step()) {
    case Step::row:
      return statement.integer(0);
    case Step::done:
      return std::nullopt;
    case Step::failed:
      break;
  }
  return std::unexpected(connection_.error("read how old answers are"));
}

}  // namespace epic::storage
