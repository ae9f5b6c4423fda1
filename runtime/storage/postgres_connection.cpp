#include "storage/postgres_connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/postgres_library.hpp"

namespace epic::storage {

namespace {

using namespace std::chrono_literals;

// The server ends a statement of a writer before its client gives up, and then says why.
constexpr auto kWriterSilence = 30s;
constexpr auto kReaderSilence = 600s;
constexpr std::chrono::seconds kConnectTimeout = 5s;
constexpr std::chrono::seconds kConnectTimeoutMin = 2s;

/// Of a session. A plan must not depend on what the server knows of the tables: that is little about new ones, and each
/// statement has an index that fits. `synchronous_commit` is what the database has: with a synchronous standby it waits
/// for that.
struct PgSetting {
  std::string_view name;
  std::string_view value;
};
/// Whatever the database or the role has: a statement sees what was committed while it, or one before it, waited for a
/// lock. Otherwise the server would refuse it, each time.
constexpr PgSetting kPgReadCommitted{"default_transaction_isolation", "read committed"};
constexpr std::array kPgWriterSettings{
    kPgReadCommitted,
    PgSetting{"statement_timeout", "20s"},
    PgSetting{"lock_timeout", "5s"},
    PgSetting{"idle_in_transaction_session_timeout", "10s"},
    PgSetting{"plan_cache_mode", "force_generic_plan"},
    PgSetting{"enable_seqscan", "off"},
    PgSetting{"enable_hashjoin", "off"},
    PgSetting{"enable_mergejoin", "off"},
    PgSetting{"jit", "off"},
};
constexpr std::array kPgReaderSettings{
    kPgReadCommitted,
    PgSetting{"default_transaction_read_only", "on"},
    PgSetting{"lock_timeout", "5s"},
    PgSetting{"idle_in_transaction_session_timeout", "10min"},
    PgSetting{"jit", "off"},
};
/// The server closes a connection whose client is gone within 12 s, and with it goes what that keeps locked.
constexpr std::array kPgCoordinationSettings{
    kPgReadCommitted,
    PgSetting{"tcp_keepalives_idle", "4"},
    PgSetting{"tcp_keepalives_interval", "2"},
    PgSetting{"tcp_keepalives_count", "4"},
    PgSetting{"tcp_user_timeout", "10000"},
    PgSetting{"idle_in_transaction_session_timeout", "5s"},
    PgSetting{"jit", "off"},
};
constexpr PgStatement kPgSet{"", "SELECT set_config($1::text, $2::text, false)"};
constexpr PgStatement kPgServer{"",
                                "SELECT pg_is_in_recovery(), current_setting('synchronous_commit'), "
                                "current_setting('synchronous_standby_names') = ''"};

StoreErrorCode pg_code_of(const PgFailure& failure) {
  const std::string_view state = failure.state;
  if (failure.is_lost()) return StoreErrorCode::busy;
  if (state == "53100") return StoreErrorCode::full;  // disk_full
  if (state == "XX001" || state == "XX002") return StoreErrorCode::corrupt;
  if (state == "42P01" || state == "42703" || state == "3F000")
    return StoreErrorCode::corrupt;                        // no such table, column
  if (state == "3D000") return StoreErrorCode::not_found;  // no such database
  for (const std::string_view passing : {"08", "25", "28", "40", "42501", "53", "55", "57", "58"})
    if (state.starts_with(passing)) return StoreErrorCode::busy;
  return StoreErrorCode::io;
}

std::string_view pg_way_out(const PgFailure& failure) {
  const std::string_view state = failure.state;
  if (failure.is_lost()) return "Check that the database server runs and can be reached.";
  if (state == "53100") return "Nothing was written. Free some space on the database server's disk.";
  if (state == "53300") return "Nothing was written. Raise `max_connections` of the server, or run fewer nodes.";
  if (state == "25006")
    return "Nothing was written. The database is read-only: a standby, or one with `default_transaction_read_only`.";
  if (state == "42501")
    return "Nothing was written. Grant the role what it lacks: it has to own the schema `epic` of this database.";
  if (state == "55P03") return "Nothing was written. Another session keeps rows locked; `pg_locks` shows which.";
  if (state == "57014") return "Nothing was written. The database is too slow, or another session keeps rows locked.";
  if (state.starts_with("28")) return "Check the user, and the password in ~/.pgpass or PGPASSFILE.";
  if (state.starts_with("57P")) return "Nothing was written. The server is starting or stopping.";
  if (state == "3D000") return "Create it with `createdb`, or name another one under [fabric] in epic.toml.";
  if (pg_code_of(failure) == StoreErrorCode::corrupt)
    return "It is not what epic has made. Restore the database from a copy.";
  return "The server's log has more.";
}

/// The first line: what follows is its place in the statement, and context.
std::string pg_first_line(std::string_view text) {
  text = text.substr(0, text.find('\n'));
  while (text.ends_with('.') || text.ends_with(' ')) text.remove_suffix(1);
  return std::string(text);
}

/// Of a failed connection: what each host said, without libpq's hints.
std::string pg_hosts_text(std::string_view text) {
  std::string all;
  for (; !text.empty(); text.remove_prefix(std::min(text.size(), text.find('\n') + 1))) {
    const std::string line = pg_first_line(text);
    if (!line.empty() && !line.starts_with('\t')) all += (all.empty() ? "" : "; ") + line;
    if (!text.contains('\n')) break;
  }
  return all;
}

/// For PgAccess::coordinate it is what was asked for.
std::chrono::milliseconds pg_silence_of(PgAccess access, std::chrono::milliseconds asked) {
  switch (access) {
    case PgAccess::write:
      return kWriterSilence;
    case PgAccess::read:
      return kReaderSilence;
    case PgAccess::coordinate:
      break;
  }
  return asked;
}

/// For each host. libpq waits for 2 s at least.
std::chrono::seconds pg_connect_timeout_of(PgAccess access, std::chrono::milliseconds silence) {
  if (access != PgAccess::coordinate) return kConnectTimeout;
  return std::clamp(std::chrono::floor<std::chrono::seconds>(silence), kConnectTimeoutMin, kConnectTimeout);
}

/// What the database is for, and where.
std::string pg_place(PgAccess access, const std::string& url) {
  return fmt::format("the {} '{}'", access == PgAccess::coordinate ? "coordination database" : "store", url);
}

struct PgUrl {
  std::string for_libpq;
  bool has_several_hosts = false;
  bool is_lossy = false;  // a standby that takes over may lack something
};

/// Takes `lossy_failover` out of the URL, which libpq does not know.
std::expected<PgUrl, std::string> pg_split_url(const std::string& url) {
  constexpr std::string_view kLossyFailover = "lossy_failover=";
  PgUrl split{.for_libpq = url};
  const std::size_t begin = url.find(kLossyFailover, std::min(url.find('?'), url.size()));
  if (begin == std::string::npos || (url[begin - 1] != '?' && url[begin - 1] != '&')) return split;
  const std::size_t end = std::min(url.find('&', begin), url.size());
  const std::string value = url.substr(begin, end - begin).substr(kLossyFailover.size());
  if (value != "true" && value != "false") return std::unexpected("`lossy_failover` is neither true nor false");
  split.is_lossy = value == "true";
  if (end == url.size())
    split.for_libpq.erase(begin - 1);  // with the sign before it
  else
    split.for_libpq.erase(begin, end + 1 - begin);
  return split;
}

std::expected<PgUrl, std::string> pg_read_url(const std::string& url) {
  if (const auto loaded = load_libpq(); !loaded) return std::unexpected(loaded.error());
  auto read = pg_split_url(url);
  if (!read) return read;
  char* message = nullptr;
  PQconninfoOption* const options = libpq().PQconninfoParse(read->for_libpq.c_str(), &message);
  if (options == nullptr) {
    std::string why = message == nullptr ? "out of memory" : pg_first_line(message);
    libpq().PQfreemem(message);
    return std::unexpected(std::move(why));
  }
  std::optional<std::string> fault = "it names no database";
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option)
    if (std::string_view(option->keyword) == "dbname" && option->val != nullptr && *option->val != '\0') fault = {};
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    const std::string_view keyword = option->keyword;
    if (keyword == "password")
      fault = "it has a password, which belongs into ~/.pgpass, or the file that PGPASSFILE names";
    if (keyword == "host" || keyword == "hostaddr")
      read->has_several_hosts |= std::string_view(option->val).contains(',');
  }
  libpq().PQconninfoFree(options);
  if (fault) return std::unexpected(*std::move(fault));
  return read;
}

void pg_ignore_notice(void*, const PGresult*) {}

}  // namespace

// ---- rows ----

void PgRows::Clear::operator()(pg_result* raw) const { libpq().PQclear(raw); }

std::size_t PgRows::size() const { return static_cast<std::size_t>(libpq().PQntuples(raw_.get())); }

bool PgRows::is_null(std::size_t row, int column) const {
  return libpq().PQgetisnull(raw_.get(), static_cast<int>(row), column) != 0;
}

bool PgRows::boolean(std::size_t row, int column) const { return text(row, column) == std::string_view("\1", 1); }

std::int64_t PgRows::integer(std::size_t row, int column) const {
  const std::string_view bytes = text(row, column);
  EPIC_ASSERT(bytes.size() == 2 || bytes.size() == 4 || bytes.size() == 8, "a number of {} bytes in column {}",
              bytes.size(), column);
  std::int64_t number = static_cast<signed char>(bytes.front()) < 0 ? -1 : 0;
  for (const char byte : bytes)
    number = static_cast<std::int64_t>(static_cast<std::uint64_t>(number) << 8U) | static_cast<unsigned char>(byte);
  return number;
}

std::string_view PgRows::text(std::size_t row, int column) const {
  const int at = static_cast<int>(row);
  return {libpq().PQgetvalue(raw_.get(), at, column),
          static_cast<std::size_t>(libpq().PQgetlength(raw_.get(), at, column))};
}

std::span<const std::byte> PgRows::blob(std::size_t row, int column) const {
  const std::string_view bytes = text(row, column);
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

// ---- opening ----

void PgConnection::Finish::operator()(pg_conn* raw) const { libpq().PQfinish(raw); }

std::expected<void, std::string> PgConnection::check_url(const std::string& url) {
  if (const auto read = pg_read_url(url); !read) return std::unexpected(read.error());
  return {};
}

std::expected<PgConnection, StoreError> PgConnection::open(const std::string& url, PgAccess access,
                                                           std::chrono::milliseconds silence) {
  if (const auto loaded = load_libpq(); !loaded)
    return std::unexpected(StoreError{StoreErrorCode::incompatible,
                                      fmt::format("cannot open {}: {}.", pg_place(access, url), loaded.error())});
  const auto read = pg_read_url(url);
  if (!read)
    return std::unexpected(
        StoreError{StoreErrorCode::incompatible,
                   fmt::format("{} is not the URL of a database: {}. Set `store` under [fabric] in epic.toml.",
                               pg_place(access, url), read.error())});
  // What comes before `dbname` may be set in the URL, too. With a single host set_up() says why it cannot be written.
  const std::array keywords{"connect_timeout",
                            "tcp_user_timeout",
                            "keepalives_idle",
                            "keepalives_interval",
                            "keepalives_count",
                            "fallback_application_name",
                            "dbname",
                            read->has_several_hosts ? "target_session_attrs" : nullptr,
                            static_cast<const char*>(nullptr)};
  silence = pg_silence_of(access, silence);
  const std::string connect_timeout = fmt::format("{}", pg_connect_timeout_of(access, silence).count());
  const std::array values{
      connect_timeout.c_str(),          "10000", "5", "2", "3", "epic", read->for_libpq.c_str(), "read-write",
      static_cast<const char*>(nullptr)};
  PGconn* const raw = libpq().PQconnectdbParams(keywords.data(), values.data(), /*expand_dbname=*/1);
  if (raw == nullptr) return std::unexpected(StoreError{StoreErrorCode::busy, "no memory to connect to a database"});
  PgConnection connection(url, access, silence, raw);
  libpq().PQsetNoticeReceiver(raw, &pg_ignore_notice, nullptr);
  if (libpq().PQstatus(raw) != CONNECTION_OK) {
    // libpq keeps no SQLSTATE of a refused connection.
    const std::string message = libpq().PQerrorMessage(raw);
    PgFailure failure{.message = message};
    if (message.contains("does not exist") && message.contains("database")) failure.state = "3D000";
    if (message.contains("authentication") || message.contains("password") || message.contains("role \""))
      failure.state = "28000";
    return std::unexpected(
        StoreError{pg_code_of(failure), fmt::format("cannot connect to {}: {}. {}", pg_place(access, url),
                                                    pg_hosts_text(message), pg_way_out(failure))});
  }
  libpq().PQsetnonblocking(raw, 1);
  if (libpq().PQenterPipelineMode(raw) != 1)
    return std::unexpected(connection.error("set up the session", connection.lost()));
  EPIC_TRY(connection.set_up(access, read->has_several_hosts && !read->is_lossy ? Failover::lossless : Failover::any));
  return connection;
}

std::expected<void, StoreError> PgConnection::set_up(PgAccess access, Failover failover) {
  std::vector<PgCall> calls;
  const auto add = [&](const PgSetting& setting) {
    calls.push_back({&kPgSet, PgParams().add(setting.name).add(setting.value)});
  };
  switch (access) {
    case PgAccess::write:
      std::ranges::for_each(kPgWriterSettings, add);
      break;
    case PgAccess::read:
      std::ranges::for_each(kPgReaderSettings, add);
      break;
    case PgAccess::coordinate: {
      std::ranges::for_each(kPgCoordinationSettings, add);
      // Well below the silence, so that the server says why.
      const std::string statement = fmt::format("{}ms", (silence_ * 3 / 5).count());
      const std::string lock = fmt::format("{}ms", (silence_ * 2 / 5).count());
      add({"statement_timeout", statement});
      add({"lock_timeout", lock});
      break;
    }
  }
  if (const auto done = run(calls); !done) return std::unexpected(error("set up the session", done.error()));
  if (access == PgAccess::read) return {};
  const auto server = run(kPgServer);
  if (!server) return std::unexpected(error("set up the session", server.error()));
  // This session would go on when the standby takes over, and nobody would look at what is missing there.
  if (server->boolean(0, 0))
    return std::unexpected(error("write", {.state = "25006", .message = "the server is a standby"}));
  if (failover == Failover::lossless && access == PgAccess::write && server->boolean(0, 2))
    return std::unexpected(StoreError{
        StoreErrorCode::busy,
        fmt::format("the store '{}' has several hosts, and `synchronous_standby_names` is not set on the server, so a "
                    "standby that takes over may lack acknowledged results. Nothing was written. Set it, or add "
                    "`lossy_failover=true` to the URL if that may happen.",
                    url_)});
  // The role or the database may have it switched off for others; a commit of epic is durable.
  if (server->text(0, 1) != "off" && server->text(0, 1) != "local") return {};
  PgCall durable{&kPgSet, PgParams().add("synchronous_commit").add("on")};
  if (const auto done = run({&durable, 1}); !done) return std::unexpected(error("set up the session", done.error()));
  return {};
}

// ---- running statements ----

std::expected<PgRows, PgFailure> PgConnection::run(const PgStatement& statement, PgParams params) {
  const PgCall call{&statement, std::move(params)};
  auto rows = EPIC_TRY(run({&call, 1}));
  return std::move(rows.front());
}

std::expected<std::vector<PgRows>, PgFailure> PgConnection::run(std::span<const PgCall> calls) {
  if (!is_open()) return std::unexpected(lost("the connection is closed"));
  std::vector<const PgStatement*> preparing;  // for each thing sent: what it prepares; null: it is a call
  for (const PgCall& call : calls)
    if (!send(call, preparing)) return std::unexpected(lost());
  if (libpq().PQpipelineSync(raw_.get()) != 1) return std::unexpected(lost());

  std::vector<PgRows> all;
  std::optional<PgFailure> failure;
  for (const PgStatement* const prepared : preparing) {
    const auto raw = EPIC_TRY(next_of_statement());
    PgRows rows(raw);
    const ExecStatusType status = libpq().PQresultStatus(raw);
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK) {
      if (prepared != nullptr)
        prepared_.insert(prepared);
      else
        all.push_back(std::move(rows));
    } else if (status != PGRES_PIPELINE_ABORTED && !failure) {
      const char* const state = libpq().PQresultErrorField(raw, PG_DIAG_SQLSTATE);
      const char* const message = libpq().PQresultErrorField(raw, PG_DIAG_MESSAGE_PRIMARY);
      failure = {.call = all.size(),
                 .state = state == nullptr ? "" : state,
                 .message = message == nullptr ? libpq().PQresultErrorMessage(raw) : message};
      if (failure->is_lost()) return std::unexpected(lost(failure->message));
    }
  }
  // A commit that fails does so before the end is confirmed.
  for (;;) {
    const auto raw = EPIC_TRY(next_result());
    if (raw == nullptr) continue;
    const PgRows rows(raw);
    if (libpq().PQresultStatus(raw) == PGRES_PIPELINE_SYNC) break;
    const char* const state = libpq().PQresultErrorField(raw, PG_DIAG_SQLSTATE);
    if (state == nullptr) return std::unexpected(lost(libpq().PQresultErrorMessage(raw)));
    if (!failure)
      failure = {.call = all.size(), .state = state, .message = pg_first_line(libpq().PQresultErrorMessage(raw))};
  }
  if (failure) return std::unexpected(*std::move(failure));
  return all;
}

bool PgConnection::send(const PgCall& call, std::vector<const PgStatement*>& preparing) {
  const PgStatement& statement = *call.statement;
  const bool has_name = *statement.name != '\0';
  if (has_name && !prepared_.contains(&statement) && std::ranges::find(preparing, &statement) == preparing.end()) {
    if (libpq().PQsendPrepare(raw_.get(), statement.name, statement.sql, 0, nullptr) != 1) return false;
    preparing.push_back(&statement);
  }
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (int i = 0; i < call.params.size(); ++i) {
    const std::string& value = call.params.value(static_cast<std::size_t>(i));
    values.push_back(value.data());
    lengths.push_back(static_cast<int>(value.size()));
  }
  const std::vector<int> formats(values.size(), 1);
  preparing.push_back(nullptr);
  if (has_name)
    return libpq().PQsendQueryPrepared(raw_.get(), statement.name, call.params.size(), values.data(), lengths.data(),
                                       formats.data(), /*resultFormat=*/1) == 1;
  return libpq().PQsendQueryParams(raw_.get(), statement.sql, call.params.size(), nullptr, values.data(),
                                   lengths.data(), formats.data(), /*resultFormat=*/1) == 1;
}

std::expected<pg_result*, PgFailure> PgConnection::next_of_statement() {
  const auto first = EPIC_TRY(next_result());
  if (first == nullptr) return std::unexpected(lost("the server's answer has no result"));
  PgRows rest(nullptr);
  for (;;) {
    auto more = next_result();
    if (!more) {
      libpq().PQclear(first);
      return std::unexpected(std::move(more).error());
    }
    if (*more == nullptr) return first;
    rest = PgRows(*more);
  }
}

std::expected<pg_result*, PgFailure> PgConnection::next_result() {
  while (libpq().PQisBusy(raw_.get()) != 0)
    if (!wait()) return std::unexpected(lost());
  PGresult* const raw = libpq().PQgetResult(raw_.get());
  if (libpq().PQstatus(raw_.get()) == CONNECTION_BAD) {
    const PgRows rows(raw);
    const std::string message = raw == nullptr ? "" : libpq().PQresultErrorMessage(raw);
    return std::unexpected(lost(message));
  }
  return raw;
}

/// Until there is something to read, or room to write. False: there has been nothing for too long, or the connection is
/// broken.
bool PgConnection::wait() {
  const int unsent = libpq().PQflush(raw_.get());
  if (unsent < 0) return false;
  pollfd ready{.fd = libpq().PQsocket(raw_.get()),
               .events = static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN),
               .revents = 0};
  const int count = ::poll(&ready, 1, static_cast<int>(silence_.count()));
  if (count < 0) return errno == EINTR;
  if (count == 0) return false;
  return (ready.revents & ~POLLOUT) == 0 || libpq().PQconsumeInput(raw_.get()) == 1;
}

PgFailure PgConnection::lost(std::string_view why) {
  std::string message(why);
  if (message.empty() && raw_) message = libpq().PQerrorMessage(raw_.get());
  if (message.empty()) message = silence_text(silence_);
  raw_.reset();
  prepared_.clear();
  return {.message = pg_first_line(message)};
}

std::string PgConnection::silence_text(std::chrono::milliseconds silence) {
  return fmt::format("no answer for {:.3g} s", std::chrono::duration<double>(silence).count());
}

StoreError PgConnection::error(const std::string& url, PgAccess access, std::string_view doing,
                               const PgFailure& failure) {
  return {pg_code_of(failure), fmt::format("cannot {} in {}: {}. {}", doing, pg_place(access, url),
                                           pg_first_line(failure.message), pg_way_out(failure))};
}

}  // namespace epic::storage
