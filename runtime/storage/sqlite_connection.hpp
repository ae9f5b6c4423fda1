#pragma once
// Connection, Statement: SQLite's C interface with owners, strong types and sentences for errors.
//
// The only place that knows how SQLite's result codes map to StoreErrorCode. The tables are in sqlite_format.hpp, their
// use in sqlite_store.hpp.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "storage/row_checksum.hpp"
#include "storage/store.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace epic::storage {

enum class Step : std::uint8_t { row, done, failed };

/// A prepared statement. Bound values must stay alive until reset().
class Statement {
 public:
  Statement() = default;
  explicit Statement(sqlite3_stmt* raw) : raw_(raw) {}

  Statement& set(int index, std::int64_t value);
  Statement& set(int index, std::string_view text);
  Statement& set(int index, std::span<const std::byte> blob);
  [[nodiscard]] Step step();
  void reset();

  /// Columns of the current row. Views end with the next step() or reset().
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string_view text(int column) const;
  [[nodiscard]] std::span<const std::byte> blob(int column) const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* raw) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> raw_;
};

/// Resets a statement at the end of a scope, so that no read transaction stays open behind it.
class ResetGuard {
 public:
  explicit ResetGuard(Statement& statement) : statement_(statement) {}
  ResetGuard(const ResetGuard&) = delete;
  ResetGuard& operator=(const ResetGuard&) = delete;
  ~ResetGuard() { statement_.reset(); }

 private:
  Statement& statement_;
};

enum class Access : std::uint8_t {
  create,     // reads and writes; creates the file if it is missing
  write,      // reads and writes
  read,       // reads, beside writers
  immutable,  // reads a file that nobody writes, and nothing beside it
};

/// How to read a database that another user may have made, in any directory: `read` or `immutable`. Refuses what others
/// may have put beside it.
[[nodiscard]] std::expected<Access, StoreError> access_to_read(const std::filesystem::path& path);

/// What the last connection to be closed does with the log.
enum class AtClose : std::uint8_t { copy_log, keep_log };

/// One thread at a time.
class Connection {
 public:
  static std::expected<Connection, StoreError> open(const std::filesystem::path& path, Access access,
                                                    const std::string& vfs, std::chrono::milliseconds timeout);

  /// Runs statements and ignores their rows; `doing` is for the error's sentence.
  [[nodiscard]] std::expected<void, StoreError> run(const char* sql, std::string_view doing);
  [[nodiscard]] std::expected<Statement, StoreError> prepare(std::string_view sql);
  /// The first column of the first row; 0 if there is none.
  [[nodiscard]] std::expected<std::int64_t, StoreError> integer(std::string_view sql);

  /// The error of the last call, as a sentence: "cannot <doing> in the store '<path>': …".
  [[nodiscard]] StoreError error(std::string_view doing) const;
  /// The same for a result code that did not come from the connection.
  [[nodiscard]] StoreError error(std::string_view doing, int result_code) const;

  void set_at_close(AtClose what);
  [[nodiscard]] bool in_transaction() const;
  /// Rows changed by the last statement.
  [[nodiscard]] std::int64_t changed_count() const;
  [[nodiscard]] bool is_read_only() const;
  [[nodiscard]] sqlite3* raw() const { return raw_.get(); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(sqlite3* raw) const;
  };
  Connection(std::filesystem::path path, sqlite3* raw) : path_(std::move(path)), raw_(raw) {}
  std::filesystem::path path_;
  std::unique_ptr<sqlite3, Close> raw_;
};

}  // namespace epic::storage
