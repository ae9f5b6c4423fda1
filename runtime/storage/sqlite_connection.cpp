#include "storage/sqlite_connection.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <vector>

#include "files/private_files.hpp"
#include "kernel/assert.hpp"
#include "reflect/try.hpp"
#include "storage/file_lock.hpp"
#include "storage/sqlite_log_vfs.hpp"

namespace epic::storage {

namespace {

StoreErrorCode code_of(int result_code, int system_error) {
  switch (result_code & 0xff) {
    case SQLITE_FULL:
      return StoreErrorCode::full;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
      return StoreErrorCode::busy;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return StoreErrorCode::corrupt;
    case SQLITE_CANTOPEN:
      return system_error == ENOENT ? StoreErrorCode::not_found : StoreErrorCode::io;
    // SQLite has an error code for a full disk, but not for an exhausted quota.
    case SQLITE_IOERR:
      return result_code == SQLITE_IOERR_WRITE && system_error == EDQUOT ? StoreErrorCode::full : StoreErrorCode::io;
    default:
      return StoreErrorCode::io;
  }
}

std::string_view way_out(StoreErrorCode code) {
  switch (code) {
    case StoreErrorCode::full:
      return "Nothing was written. Free some space on its file system.";
    case StoreErrorCode::busy:
      return "Nothing was written. Another program keeps the database locked; `fuser -v` on the file shows which.";
    case StoreErrorCode::corrupt:
      return "If the fabric runs, restart it; if that does not help, put a copy of the file there, or move it away.";
    case StoreErrorCode::not_found:
      return "Check the path; `epic run` makes the store.";
    default:
      return "Check the disk (`dmesg`) and that the directory and the file are writable by this user.";
  }
}

/// A path in SQLite's URI form.
std::string uri_of(const std::filesystem::path& path) {
  std::string uri = "file:";
  for (const char c : std::filesystem::absolute(path).string()) {
    if (c == '%' || c == '?' || c == '#')
      uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    else
      uri += c;
  }
  return uri + "?immutable=1";
}

/// SQLite refuses paths of more than 504 bytes, whatever the system takes. Then this is a shorter one, through the
/// descriptor of the directory, which stays open for the rest of the process: SQLite uses the name until its last
/// statement has gone, and another directory must not get the number before. Otherwise it is the path.
std::filesystem::path opened_name(const std::filesystem::path& path) {
  constexpr std::size_t kPathBytesMax = 480;
  const std::filesystem::path full = std::filesystem::absolute(path);
  if (full.string().size() <= kPathBytesMax) return path;
  static std::mutex mutex;
  static std::map<std::string, std::vector<files::Directory>> opened;
  const std::lock_guard lock(mutex);
  std::vector<files::Directory>& directories = opened[full.parent_path().string()];
  if (directories.empty() || !directories.back().is_in_place()) {
    auto directory = files::Directory::open(full.parent_path());
    if (!directory) return path;  // then SQLite says what is wrong with it
    directories.push_back(std::move(*directory));
  }
  return fmt::format("{}{}/{}", kOpenDirectories, directories.back().descriptor(), full.filename().string());
}

int flags_of(Access access) {
  constexpr int kCommon = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (access) {
    case Access::create:
      return kCommon | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    case Access::write:
      return kCommon | SQLITE_OPEN_READWRITE;
    case Access::read:
      return kCommon | SQLITE_OPEN_READONLY;
    case Access::immutable:
      return kCommon | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
  }
  return kCommon;
}

}  // namespace

std::expected<Access, StoreError> access_to_read(const std::filesystem::path& path) {
  const auto beside = files::refuse_strangers(path, {"-wal", "-shm", "-journal"});
  if (!beside) return std::unexpected(store_error(beside.error()));
  return *beside == files::Beside::is_trusted ? Access::read : Access::immutable;
}

void Statement::Finalize::operator()(sqlite3_stmt* raw) const { sqlite3_finalize(raw); }

Statement& Statement::set(int index, std::int64_t value) {
  const int result = sqlite3_bind_int64(raw_.get(), index, value);
  EPIC_ASSERT(result == SQLITE_OK, "binding parameter {} gives {}", index, result);
  return *this;
}

// A null pointer would bind NULL, and an empty view may have one.
Statement& Statement::set(int index, std::string_view text) {
  const char* data = text.data() == nullptr ? "" : text.data();
  const int result = sqlite3_bind_text64(raw_.get(), index, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
  EPIC_ASSERT(result == SQLITE_OK, "binding parameter {} gives {}", index, result);
  return *this;
}

Statement& Statement::set(int index, std::span<const std::byte> blob) {
  const void* data = blob.empty() ? static_cast<const void*>("") : blob.data();
  const int result = sqlite3_bind_blob64(raw_.get(), index, data, blob.size(), SQLITE_STATIC);
  EPIC_ASSERT(result == SQLITE_OK, "binding parameter {} gives {}", index, result);
  return *this;
}

Step Statement::step() {
  const int result = sqlite3_step(raw_.get());
  return result == SQLITE_ROW ? Step::row : result == SQLITE_DONE ? Step::done : Step::failed;
}

void Statement::reset() {
  sqlite3_reset(raw_.get());
  sqlite3_clear_bindings(raw_.get());
}

std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(raw_.get(), column); }

std::string_view Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(raw_.get(), column));
  return data == nullptr ? std::string_view()
                         : std::string_view(data, static_cast<std::size_t>(sqlite3_column_bytes(raw_.get(), column)));
}

std::span<const std::byte> Statement::blob(int column) const {
  const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(raw_.get(), column));
  if (data == nullptr) return {};
  return {data, static_cast<std::size_t>(sqlite3_column_bytes(raw_.get(), column))};
}

void Connection::Close::operator()(sqlite3* raw) const { sqlite3_close_v2(raw); }

std::expected<Connection, StoreError> Connection::open(const std::filesystem::path& path, Access access,
                                                       const std::string& vfs, std::chrono::milliseconds timeout) {
  const std::filesystem::path opened = opened_name(path);
  const std::string name = access == Access::immutable ? uri_of(opened) : opened.string();
  const std::string used_vfs = opened.string().starts_with(kOpenDirectories) ? log_vfs_over(vfs) : vfs;
  sqlite3* raw = nullptr;
  const int result =
      sqlite3_open_v2(name.c_str(), &raw, flags_of(access), used_vfs.empty() ? nullptr : used_vfs.c_str());
  if (raw == nullptr) {
    return std::unexpected(
        StoreError{StoreErrorCode::io, fmt::format("no memory to open the store '{}'", path.string())});
  }
  Connection connection(path, raw);
  if (result != SQLITE_OK) return std::unexpected(connection.error("open the database"));
  // Nobody's but ours runs with a change; what a file has of them when it is opened refuses it (sqlite_format.cpp).
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_busy_timeout(raw, static_cast<int>(timeout.count()));
  return connection;
}

std::expected<void, StoreError> Connection::run(const char* sql, std::string_view doing) {
  if (sqlite3_exec(raw(), sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(error(doing));
}

std::expected<Statement, StoreError> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* raw_statement = nullptr;
  const int result = sqlite3_prepare_v3(raw(), sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                        &raw_statement, nullptr);
  if (result != SQLITE_OK) return std::unexpected(error(fmt::format("prepare '{}'", sql)));
  return Statement(raw_statement);
}

std::expected<std::int64_t, StoreError> Connection::integer(std::string_view sql) {
  auto statement = EPIC_TRY(prepare(sql));
  switch (statement.step()) {
    case Step::row:
      return statement.integer(0);
    case Step::done:
      return 0;
    case Step::failed:
      break;
  }
  return std::unexpected(error(fmt::format("run '{}'", sql)));
}

StoreError Connection::error(std::string_view doing) const {
  const int result_code = sqlite3_extended_errcode(raw());
  // SQLite keeps the last errno forever; it belongs to this error only if that came from a system call.
  const int primary_code = result_code & 0xff;
  const bool from_system = primary_code == SQLITE_IOERR || primary_code == SQLITE_CANTOPEN;
  const int system_error = from_system ? sqlite3_system_errno(raw()) : 0;
  const StoreErrorCode code = code_of(result_code, system_error);
  std::string why = sqlite3_errmsg(raw());
  if (system_error != 0) why += fmt::format(" ({})", std::strerror(system_error));
  return {code, fmt::format("cannot {} in the store '{}': {}. {}", doing, path_.string(), why, way_out(code))};
}

StoreError Connection::error(std::string_view doing, int result_code) const {
  const StoreErrorCode code = code_of(result_code, 0);
  return {code, fmt::format("cannot {} in the store '{}': {}. {}", doing, path_.string(), sqlite3_errstr(result_code),
                            way_out(code))};
}

std::int64_t Connection::changed_count() const { return sqlite3_changes64(raw()); }
void Connection::set_at_close(AtClose what) {
  sqlite3_db_config(raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, what == AtClose::keep_log ? 1 : 0, nullptr);
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(raw()) == 0; }

bool Connection::is_read_only() const { return sqlite3_db_readonly(raw(), "main") == 1; }

}  // namespace epic::storage
