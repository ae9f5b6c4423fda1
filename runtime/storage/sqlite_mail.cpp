// Mail in a SqliteStore: writing it with a batch, and reading it a page at a time, as in sqlite_list.cpp.

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "reflect/try.hpp"
#include "storage/mail.hpp"
#include "storage/row_check.hpp"
#include "storage/row_checksum.hpp"
#include "storage/sqlite_rows.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

// As in the tables: dead letters are not in the index by receiver's shard.
static_assert(static_cast<int>(MailStatus::waiting) == 0 && static_cast<int>(MailStatus::begun) == 1 &&
              static_cast<int>(MailStatus::dead) == 2);

/// A message, or what is wrong with it.
struct MailRow {
  std::uint64_t place;
  Mail mail;
  std::optional<StoreError> damage;
};

struct MailRows {
  std::vector<MailRow> list;
  bool is_last = false;
};

MailRow read_mail_row(const Statement& statement, const Connection& connection) {
  MailRow row{.place = to_unsigned(statement.integer(0)), .mail = read_mail(statement), .damage = {}};
  row.damage = find_damage(row.mail, to_unsigned(statement.integer(kMailChecksum)),
                           to_unsigned(statement.integer(kMailStatusChecksum)),
                           fmt::format("the store '{}'", connection.path().string()));
  return row;
}

/// As many rows as a page holds.
std::expected<MailRows, StoreError> read_mail_rows(Statement& statement, const Connection& connection) {
  MailRows rows;
  for (std::size_t bytes = 0;;) {
    const Step step = statement.step();
    if (step == Step::failed) return std::unexpected(connection.error("read mail"));
    rows.is_last = step == Step::done;
    if (rows.is_last || rows.list.size() == kPageRowsMax || bytes >= kPageBytesMax) return rows;
    rows.list.push_back(read_mail_row(statement, connection));
    bytes += rows.list.back().mail.arguments.size();
  }
}

Statement& set_id(Statement& statement, const kernel::MailId& id) {
  return statement.set(1, std::int64_t{id.shard.value}).set(2, to_signed(id.epoch.value)).set(3, to_signed(id.number));
}

}  // namespace

std::expected<void, StoreError> SqliteStore::prepare_mail_reading() {
  return prepare({
      {&statements_.mail_of,
       "SELECT place, from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, sender, "
       "receiver_type, receiver_key, method, why, arguments FROM mail WHERE to_shard = ?1 AND place > ?2 AND status <> "
       "2 "
       "ORDER BY place"},
      {&statements_.list_mail,
       "SELECT place, from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, sender, "
       "receiver_type, receiver_key, method, why, arguments FROM mail WHERE place > ?1 "
       "AND (?2 < 0 OR status = ?2) AND (?3 = '' OR receiver_type = ?3) AND (?4 = '' OR receiver_key = ?4) "
       "ORDER BY place"},
      {&statements_.find_mail,
       "SELECT place, from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, sender, "
       "receiver_type, receiver_key, method, why, arguments FROM mail "
       "WHERE from_shard = ?1 AND epoch = ?2 AND number = ?3"},
  });
}

std::expected<void, StoreError> SqliteStore::prepare_mail_writing() {
  return prepare({
      {&statements_.put_mail,
       "INSERT INTO mail(from_shard, epoch, number, to_shard, status, schema, sent_at, checksum, status_checksum, "
       "sender, receiver_type, receiver_key, method, why, arguments) "
       "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15) "
       "ON CONFLICT(from_shard, epoch, number) DO NOTHING"},
      {&statements_.mark_mail,
       "UPDATE mail SET status = ?5, why = ?6, status_checksum = ?7 "
       "WHERE from_shard = ?1 AND epoch = ?2 AND number = ?3 AND to_shard = ?4"},
      {&statements_.end_mail,
       "DELETE FROM mail WHERE from_shard = ?1 AND epoch = ?2 AND number = ?3 "
       "AND (to_shard = ?4 OR to_shard NOT BETWEEN 0 AND ?5 - 1)"},
  });
}

std::expected<bool, StoreError> SqliteStore::apply(const PutMail& put, std::int64_t) {
  const Mail& mail = put.mail;
  const std::string_view to = mail.to;
  const std::size_t slash = to.find('/');
  set_id(statements_.put_mail, mail.id)
      .set(4, std::int64_t{mail.to_shard.value})
      .set(5, static_cast<std::int64_t>(mail.status))
      .set(6, to_signed(mail.schema.value))
      .set(7, mail.sent_at_ns)
      .set(8, to_signed(mail_checksum(mail)))
      .set(9, to_signed(mail_status_checksum(mail.id, mail.status, mail.why)))
      .set(10, std::string_view(mail.from))
      .set(11, to.substr(0, slash))
      .set(12, to.substr(slash + 1))
      .set(13, std::string_view(mail.method))
      .set(14, std::string_view(mail.why))
      .set(15, std::span<const std::byte>(mail.arguments));
  return change_mail(statements_.put_mail, "write", mail.id);
}

std::expected<bool, StoreError> SqliteStore::apply(const MarkMail& mark, std::int64_t) {
  set_id(statements_.mark_mail, mark.id)
      .set(4, std::int64_t{mark.to_shard.value})
      .set(5, static_cast<std::int64_t>(mark.status))
      .set(6, std::string_view(mark.why))
      .set(7, to_signed(mail_status_checksum(mark.id, mark.status, mark.why)));
  return change_mail(statements_.mark_mail, "mark", mark.id);
}

std::expected<bool, StoreError> SqliteStore::apply(const EndMail& end, std::int64_t) {
  set_id(statements_.end_mail, end.id)
      .set(4, std::int64_t{end.to_shard.value})
      .set(5, std::int64_t{identity_.placement.shard_count()});
  return change_mail(statements_.end_mail, "remove", end.id);
}

std::expected<bool, StoreError> SqliteStore::change_mail(Statement& statement, std::string_view verb,
                                                         const kernel::MailId& id) {
  const ResetGuard guard(statement);
  if (statement.step() == Step::done) return connection_.changed_count() == 1;
  return std::unexpected(connection_.error(fmt::format("{} message {}", verb, mail_id_text(id))));
}

std::expected<MailPage, StoreError> SqliteStore::mail_of(kernel::ShardId shard, std::uint64_t after) {
  MailPage page{.last_place = after};
  if (!has_mail()) return page;
  const ResetGuard guard(statements_.mail_of);
  statements_.mail_of.set(1, std::int64_t{shard.value}).set(2, to_signed(after));
  auto rows = EPIC_TRY(read_mail_rows(statements_.mail_of, connection_));
  page.is_last = rows.is_last;
  for (MailRow& row : rows.list) {
    page.last_place = row.place;
    if (row.damage)
      page.damaged.push_back(std::move(row.damage->message));
    else
      page.rows.push_back({.place = row.place, .mail = std::move(row.mail)});
  }
  return page;
}

std::expected<void, StoreError> SqliteStore::list_mail(const MailFilter& filter,
                                                       const std::function<Visit(const Mail&)>& visit,
                                                       const std::function<void(const DamagedMail&)>& on_corrupt) {
  if (!has_mail()) return {};
  const auto read_after = [&](std::uint64_t place) {
    const ResetGuard guard(statements_.list_mail);
    statements_.list_mail.set(1, to_signed(place))
        .set(2, filter.status ? static_cast<std::int64_t>(*filter.status) : std::int64_t{-1})
        .set(3, std::string_view(filter.type))
        .set(4, std::string_view(filter.key));
    return read_mail_rows(statements_.list_mail, connection_);
  };
  std::uint64_t left = filter.limit;
  std::uint64_t place = 0;
  for (bool is_last = false; !is_last && left > 0;) {
    const auto rows = EPIC_TRY(read_after(place));
    for (const MailRow& row : rows.list) {
      place = row.place;
      if (row.damage) {
        on_corrupt({*row.damage, row.place});
        continue;
      }
      if (left-- == 0 || visit(row.mail) == Visit::stop) return {};
    }
    is_last = rows.is_last;
  }
  return {};
}

std::expected<std::optional<FoundMail>, StoreError> SqliteStore::find_mail(const kernel::MailId& id) {
  if (!has_mail()) return std::nullopt;
  Statement& statement = statements_.find_mail;
  const ResetGuard guard(statement);
  const Step step = set_id(statement, id).step();
  if (step == Step::failed) return std::unexpected(connection_.error(fmt::format("read message {}", mail_id_text(id))));
  if (step == Step::done) return std::nullopt;
  MailRow row = read_mail_row(statement, connection_);
  FoundMail found{.mail = std::move(row.mail)};
  if (row.damage) found.damage = std::move(row.damage->message);
  return found;
}

/// From the indexes: the rows are long.
std::expected<MailCounts, StoreError> SqliteStore::count_mail() {
  if (!has_mail()) return MailCounts{};
  auto statement =
      EPIC_TRY(connection_.prepare("SELECT (SELECT count(*) FROM mail), (SELECT count(*) FROM mail WHERE status <> 2), "
                                   "(SELECT count(*) FROM mail WHERE status = 1 AND status <> 2)"));
  if (statement.step() != Step::row) return std::unexpected(connection_.error("count mail"));
  const std::uint64_t all = to_unsigned(statement.integer(0));
  const std::uint64_t alive = to_unsigned(statement.integer(1));
  const std::uint64_t begun = to_unsigned(statement.integer(2));
  return MailCounts{.waiting = alive - begun, .begun = begun, .dead = all - alive};
}

}  // namespace epic::storage
