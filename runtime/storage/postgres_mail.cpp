// Mail in a PostgresStore: reading it, a page at a time, as in postgres_list.cpp.

#include <fmt/format.h>

#include <array>
#include <set>
#include <utility>

#include "reflect/try.hpp"
#include "storage/mail.hpp"
#include "storage/postgres_statements.hpp"
#include "storage/postgres_store.hpp"
#include "storage/row_check.hpp"
#include "storage/row_checksum.hpp"

namespace epic::storage {

namespace {

/// A message, or what is wrong with it.
struct PgMailRow {
  std::uint64_t place;
  Mail mail;
  std::optional<StoreError> damage;
};

/// A number that cannot be a shard's is not taken for another's.
kernel::ShardId read_pg_shard(const PgRows& rows, std::size_t row, int column) {
  const std::int64_t number = rows.integer(row, column);
  return kernel::ShardId{std::in_range<std::uint32_t>(number) ? static_cast<std::uint32_t>(number) : UINT32_MAX};
}

PgMailRow read_pg_mail(const PgRows& rows, std::size_t row, const std::string& where) {
  const std::span<const std::byte> arguments = rows.blob(row, 15);
  PgMailRow read{.place = to_unsigned(rows.integer(row, 0)),
                 .mail = {.id = {.shard = read_pg_shard(rows, row, 1),
                                 .epoch = kernel::Epoch{to_unsigned(rows.integer(row, 2))},
                                 .number = to_unsigned(rows.integer(row, 3))},
                          .to_shard = read_pg_shard(rows, row, 4),
                          .from = std::string(rows.text(row, 10)),
                          .to = fmt::format("{}/{}", rows.text(row, 11), rows.text(row, 12)),
                          .method = std::string(rows.text(row, 13)),
                          .schema = kernel::SchemaId{to_unsigned(rows.integer(row, 6))},
                          .arguments = {arguments.begin(), arguments.end()},
                          .sent_at_ns = rows.integer(row, 7),
                          .status = static_cast<MailStatus>(rows.integer(row, 5)),
                          .why = std::string(rows.text(row, 14))},
                 .damage = {}};
  read.damage = find_damage(read.mail, to_unsigned(rows.integer(row, 8)), to_unsigned(rows.integer(row, 9)), where);
  return read;
}

bool is_last_page(const PgRows& rows, int total_column) {
  return rows.size() == 0 || static_cast<std::size_t>(rows.integer(0, total_column)) == rows.size();
}

}  // namespace

std::expected<MailPage, StoreError> PostgresStore::mail_of(kernel::ShardId shard, std::uint64_t after) {
  const PgMailPlaces::Place& place = places_.find(shard, after);
  PgColumn known(PgColumn::Type::int8);
  for (const std::int64_t one : place.known) known.add(one);
  const std::array calls{PgCall{&pg::kLastPlace}, PgCall{&pg::kRunning},
                         PgCall{&pg::kMailOf, PgParams()
                                                  .add(shard.value)
                                                  .add(place.from)
                                                  .add(known)
                                                  .add(std::int64_t{kPageRowsMax})
                                                  .add(std::int64_t{kPageBytesMax})}};
  const auto answers = EPIC_TRY(read(calls, "read mail"));
  if (!is_in_moment_) places_.note(answers[0].integer(0, 0), answers[1].integer(0, 0), answers[1].integer(0, 1));
  const PgRows& rows = answers[2];
  MailPage page{.last_place = after, .is_last = is_last_page(rows, 16)};
  std::set<std::int64_t> read_places;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    PgMailRow row = read_pg_mail(rows, i, where());
    read_places.insert(to_signed(row.place));
    if (row.damage)
      page.damaged.push_back(std::move(row.damage->message));
    else
      page.rows.push_back({.place = row.place, .mail = std::move(row.mail)});
  }
  page.last_place = places_.on_read(shard, read_places, /*has_more=*/!page.is_last);
  return page;
}

std::expected<void, StoreError> PostgresStore::list_mail(const MailFilter& filter,
                                                         const std::function<Visit(const Mail&)>& visit,
                                                         const std::function<void(const DamagedMail&)>& on_corrupt) {
  std::uint64_t left = filter.limit;
  std::uint64_t place = 0;
  for (bool is_last = false; !is_last && left > 0;) {
    const auto rows =
        EPIC_TRY(read(pg::kListMail,
                      PgParams()
                          .add(to_signed(place))
                          .add(filter.status ? static_cast<std::int64_t>(*filter.status) : std::int64_t{-1})
                          .add(std::string_view(filter.type))
                          .add(std::string_view(filter.key))
                          .add(std::int64_t{kPageRowsMax})
                          .add(std::int64_t{kPageBytesMax}),
                      "read mail"));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const PgMailRow row = read_pg_mail(rows, i, where());
      place = row.place;
      if (row.damage) {
        on_corrupt({*row.damage, row.place});
        continue;
      }
      if (left-- == 0 || visit(row.mail) == Visit::stop) return {};
    }
    is_last = is_last_page(rows, 16);
  }
  return {};
}

std::expected<std::optional<FoundMail>, StoreError> PostgresStore::find_mail(const kernel::MailId& id) {
  const auto rows = EPIC_TRY(
      read(pg::kFindMail, PgParams().add(id.shard.value).add(to_signed(id.epoch.value)).add(to_signed(id.number)),
           fmt::format("read message {}", mail_id_text(id))));
  if (rows.size() == 0) return std::nullopt;
  PgMailRow row = read_pg_mail(rows, 0, where());
  FoundMail found{.mail = std::move(row.mail)};
  if (row.damage) found.damage = std::move(row.damage->message);
  return found;
}

std::expected<MailCounts, StoreError> PostgresStore::count_mail() {
  const auto rows = EPIC_TRY(read(pg::kCountMail, {}, "count mail"));
  return MailCounts{.waiting = to_unsigned(rows.integer(0, 0)),
                    .begun = to_unsigned(rows.integer(0, 1)),
                    .dead = to_unsigned(rows.integer(0, 2))};
}

}  // namespace epic::storage
