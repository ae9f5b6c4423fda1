#include "cluster/coordination/postgres_coordination_format.hpp"

#include <fmt/format.h>

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "cluster/coordination/postgres_coordination_sql.hpp"
#include "reflect/try.hpp"

namespace epic::cluster {

namespace {

using storage::PgCall;
using storage::PgConnection;
using storage::PgParams;
using storage::StoreError;
using storage::StoreErrorCode;

constexpr std::int32_t kServerVersionMin = 130'000;

std::expected<std::vector<storage::PgRows>, StoreError> run(PgConnection& connection, std::span<const PgCall> calls,
                                                            std::string_view doing) {
  auto rows = connection.run(calls);
  if (!rows) return std::unexpected(connection.error(doing, rows.error()));
  return *std::move(rows);
}

enum class Tables : std::uint8_t { missing, of_format_1, current };

/// `has_schema` is set in any case.
std::expected<Tables, StoreError> find_tables(PgConnection& connection, const std::string& url, bool& has_schema) {
  const std::array find{PgCall{&pg::kFindFormat}};
  const auto there = EPIC_TRY(run(connection, find, "look for the tables of coordination"));
  has_schema = there.front().boolean(0, 0);
  if (there.front().integer(0, 2) < kServerVersionMin)
    return std::unexpected(StoreError{StoreErrorCode::incompatible,
                                      fmt::format("the server of '{}' is PostgreSQL {}, and epic needs 13 or newer.",
                                                  url, there.front().integer(0, 2) / 10'000)});
  if (!there.front().boolean(0, 1)) return Tables::missing;
  const std::array read{PgCall{&pg::kReadFormat}};
  const auto format = EPIC_TRY(run(connection, read, "read the format of coordination's tables"));
  if (format.front().size() == 1 && format.front().integer(0, 0) == pg::kCoordinationFormat) return Tables::current;
  if (format.front().size() == 1 && format.front().integer(0, 0) == 1) return Tables::of_format_1;
  if (format.front().size() != 1)
    return std::unexpected(StoreError{
        StoreErrorCode::corrupt, fmt::format("`epic.coordination` in '{}' has {} rows instead of one. Drop the tables "
                                             "`epic.coordination*` while no fabric runs: they are made anew.",
                                             url, format.front().size())});
  return std::unexpected(StoreError{
      StoreErrorCode::incompatible,
      fmt::format("the tables of coordination in '{}' have format {}, and this epic knows format {}; epic {} or newer "
                  "knows it.",
                  url, format.front().integer(0, 0), pg::kCoordinationFormat, format.front().text(0, 1))});
}

/// Unless another does so meanwhile.
std::expected<void, StoreError> make_tables(PgConnection& connection, const std::string& url) {
  bool has_schema = false;
  if (EPIC_TRY(find_tables(connection, url, has_schema)) == Tables::current) return {};
  const std::array begin{PgCall{&storage::pg::kBegin}, PgCall{&storage::pg::kOneAtATime}};
  EPIC_TRY(run(connection, begin, "make the tables of coordination"));
  const Tables tables = EPIC_TRY(find_tables(connection, url, has_schema));
  std::vector<PgCall> calls;
  if (tables == Tables::of_format_1) calls = {{&pg::kAddAnsweredAt}, {&pg::kSetFormat}};
  if (tables == Tables::missing) {
    if (!has_schema) calls.push_back({&pg::kMakeSchema});
    for (const pg::PgStatement& table : pg::kMakeTables) calls.push_back({&table});
  }
  EPIC_TRY(run(connection, calls, "make the tables of coordination"));
  const std::array end{PgCall{&storage::pg::kCommit}};
  EPIC_TRY(run(connection, end, "make the tables of coordination"));
  return {};
}

}  // namespace

std::expected<PgConnection, StoreError> open_coordination(const std::string& url, std::int64_t client,
                                                          std::chrono::milliseconds silence) {
  auto connection = EPIC_TRY(PgConnection::open(url, storage::PgAccess::coordinate, silence));
  EPIC_TRY(make_tables(connection, url));
  const std::array former{PgCall{&pg::kEndFormerSession, PgParams().add(client)}};
  EPIC_TRY(run(connection, former, "end the session before"));
  const std::array hold{PgCall{&pg::kHoldClient, PgParams().add(client)}};
  EPIC_TRY(run(connection, hold, "wait for the end of the session before"));

  std::vector<std::string> texts{pg::kListen.sql};
  for (const pg::PgStatement* const statement : pg::kPrepared)
    texts.push_back(fmt::format("PREPARE {} AS {}", statement->name, statement->sql));
  std::vector<pg::PgStatement> statements;
  for (const std::string& text : texts) statements.push_back({"", text.c_str()});
  std::vector<PgCall> calls;
  for (const pg::PgStatement& statement : statements) calls.push_back({&statement});
  EPIC_TRY(run(connection, calls, "prepare statements"));
  return connection;
}

}  // namespace epic::cluster
