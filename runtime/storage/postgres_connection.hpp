#pragma once
// PgConnection: libpq with owners, strong types and sentences for errors.
//
// The only file that knows libpq (beside cluster/coordination/postgres_session.hpp, which does not block), and which
// StoreErrorCode an error of PostgreSQL becomes.
//
// run() sends statements as one transaction in one round trip (libpq's pipeline mode), unless one was begun before. The
// server confirms it by its answer to the end of the pipeline, and by nothing else: if the connection breaks before,
// it is unknown whether the transaction was committed, now or later; the server may still have it in its buffers.
// A statement is prepared when the connection first uses it, within the same round trip.
//
// A condition is checked by the server: its statement divides by zero if it does not hold, which fails the transaction.
// A condition that the client checks comes too late, since the end of the transaction is already under way.
//
// Invariant: nothing waits for longer than Limits::silence without hearing from the server. A connection that is silent
//            is closed, and is as broken as one that the server has closed.
// Not here:  the statements (postgres_statements.hpp), the format of parameters (postgres_params.hpp).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "storage/postgres_params.hpp"
#include "storage/store.hpp"

struct pg_conn;
struct pg_result;

namespace epic::storage {

/// A text with $1, $2, … for its parameters. Each is an object that stays where it is.
struct PgStatement {
  const char* name;  // on the server; empty: it is used so rarely that it is not prepared
  const char* sql;
};

struct PgCall {
  const PgStatement* statement;
  PgParams params = {};
};

/// The rows of one statement.
class PgRows {
 public:
  explicit PgRows(pg_result* raw) : raw_(raw) {}

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool is_null(std::size_t row, int column) const;
  [[nodiscard]] bool boolean(std::size_t row, int column) const;
  /// Of 2, 4 or 8 bytes.
  [[nodiscard]] std::int64_t integer(std::size_t row, int column) const;
  [[nodiscard]] std::string_view text(std::size_t row, int column) const;
  [[nodiscard]] std::span<const std::byte> blob(std::size_t row, int column) const;

 private:
  struct Clear {
    void operator()(pg_result* raw) const;
  };
  std::unique_ptr<pg_result, Clear> raw_;
};

/// Why nothing has changed; or, if the connection is lost, that nobody knows.
struct PgFailure {
  std::size_t call = 0;      // its place among the calls
  std::string state = {};    // SQLSTATE; empty: the connection is lost
  std::string message = {};  // the server's, or libpq's

  [[nodiscard]] bool is_lost() const { return state.empty(); }
  [[nodiscard]] bool is_lock_timeout() const { return state == "55P03"; }
  /// The condition of a statement does not hold.
  [[nodiscard]] bool is_refused() const { return state == "22012"; }
};

enum class PgAccess : std::uint8_t {
  write,
  read,        // the server refuses to write; a statement may take long
  coordinate,  // writes little, and has to know soon whether it was done
};

/// A connection to coordinate is given up after at most this time without an answer.
inline constexpr std::chrono::milliseconds kCoordinationSilenceMax{5'000};

/// One thread at a time.
class PgConnection {
 public:
  /// `silence`: after which a connection to coordinate is given up. Connecting to one host takes as long, but whole
  /// seconds, and 2 s at least, and the server ends a statement earlier.
  static std::expected<PgConnection, StoreError> open(const std::string& url, PgAccess access,
                                                      std::chrono::milliseconds silence = kCoordinationSilenceMax);
  /// Refuses what is no URL of a database, or one that epic cannot use.
  static std::expected<void, std::string> check_url(const std::string& url);

  [[nodiscard]] std::expected<std::vector<PgRows>, PgFailure> run(std::span<const PgCall> calls);
  [[nodiscard]] std::expected<PgRows, PgFailure> run(const PgStatement& statement, PgParams params = {});

  /// Gives the connection away, in pipeline mode and without anything under way; PQfinish() closes it.
  [[nodiscard]] pg_conn* release() && { return raw_.release(); }

  /// After which it counts as lost.
  [[nodiscard]] std::chrono::milliseconds silence() const { return silence_; }
  /// "no answer for 5 s"
  [[nodiscard]] static std::string silence_text(std::chrono::milliseconds silence);

  /// After it was lost, every run() fails at once.
  [[nodiscard]] bool is_open() const { return raw_ != nullptr; }
  /// "cannot <doing> in the store '<url>': …", with what to do; coordination is named as such.
  [[nodiscard]] StoreError error(std::string_view doing, const PgFailure& failure) const {
    return error(url_, access_, doing, failure);
  }
  [[nodiscard]] static StoreError error(const std::string& url, PgAccess access, std::string_view doing,
                                        const PgFailure& failure);

 private:
  struct Finish {
    void operator()(pg_conn* raw) const;
  };
  using Result = std::unique_ptr<pg_result, void (*)(pg_result*)>;
  PgConnection(std::string url, PgAccess access, std::chrono::milliseconds silence, pg_conn* raw)
      : url_(std::move(url)), access_(access), silence_(silence), raw_(raw) {}

  enum class Failover : std::uint8_t { any, lossless };
  std::expected<void, StoreError> set_up(PgAccess access, Failover failover);
  bool send(const PgCall& call, std::vector<const PgStatement*>& preparing);
  std::expected<pg_result*, PgFailure> next_result();
  /// The result of one statement, and the end of its results.
  std::expected<pg_result*, PgFailure> next_of_statement();
  bool wait();
  PgFailure lost(std::string_view why = {});

  std::string url_;
  PgAccess access_;
  std::chrono::milliseconds silence_;
  std::unordered_set<const PgStatement*> prepared_;
  std::unique_ptr<pg_conn, Finish> raw_;
};

}  // namespace epic::storage
