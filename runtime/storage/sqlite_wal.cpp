#include "storage/sqlite_wal.hpp"

#include <sqlite3.h>

#include <vector>

#include "kernel/assert.hpp"
#include "reflect/try.hpp"

namespace epic::storage {

namespace {

constexpr sqlite3_int64 kMendBytes = 64 << 10;
constexpr sqlite3_int64 kMendBytesMin = 64;

sqlite3_file* file_of(const Connection& connection, int which) {
  sqlite3_file* file = nullptr;
  const int found = sqlite3_file_control(connection.raw(), "main", which, &file);
  EPIC_ASSERT(found == SQLITE_OK && file != nullptr && file->pMethods != nullptr,
              "the database '{}' is open but has no file", connection.path().string());
  return file;
}

}  // namespace

WalKeeper::WalKeeper(Connection& connection, FileLock& writers, FileLock& checkpointers, WalLimits limits)
    : connection_(connection),
      writers_(writers),
      checkpointers_(checkpointers),
      limits_(limits),
      log_(file_of(connection, SQLITE_FCNTL_JOURNAL_POINTER)),
      database_(file_of(connection, SQLITE_FCNTL_FILE_POINTER)),
      checkpoint_at_(limits.checkpoint_frames) {
  // Our own hook replaces SQLite's automatic checkpoints.
  sqlite3_wal_hook(connection.raw(), &WalKeeper::on_commit, this);
}

int WalKeeper::on_commit(void* self, sqlite3*, const char*, int frames) {
  auto& keeper = *static_cast<WalKeeper*>(self);
  const auto count = static_cast<std::uint32_t>(frames);
  if (count < keeper.frames_)
    keeper.checkpoint_at_ = keeper.limits_.checkpoint_frames;  // another connection restarted the log
  keeper.frames_ = count;
  return SQLITE_OK;
}

std::expected<void, StoreError> WalKeeper::sync() {
  auto done = sync_file(log_, "sync the write-ahead log");
  if (!done) checkpointers_.mark();
  return done;
}

std::expected<void, StoreError> WalKeeper::recover_after_failed_sync() {
  if (!checkpointers_.is_marked()) return {};
  constexpr const char* kDoing = "rewrite the write-ahead log after a failed sync";
  sqlite3_int64 size_bytes = 0;
  if (const int result = log_->pMethods->xFileSize(log_, &size_bytes); result != SQLITE_OK)
    return std::unexpected(connection_.error(kDoing, result));
  if (size_bytes <= kMendBytesMin) size_bytes = 0;  // less than a frame
  std::vector<std::byte> piece;
  for (sqlite3_int64 at = 0; at < size_bytes; at += static_cast<sqlite3_int64>(piece.size())) {
    // The last piece includes a short rest: the log's VFS would take 24 bytes for the header of a frame.
    const sqlite3_int64 left = size_bytes - at;
    piece.resize(static_cast<std::size_t>(left <= kMendBytes + kMendBytesMin ? left : kMendBytes));
    const int bytes = static_cast<int>(piece.size());
    int result = log_->pMethods->xRead(log_, piece.data(), bytes, at);
    if (result == SQLITE_OK) result = log_->pMethods->xWrite(log_, piece.data(), bytes, at);
    if (result != SQLITE_OK) return std::unexpected(connection_.error(kDoing, result));
  }
  EPIC_TRY(sync());
  checkpointers_.unmark();
  return {};
}

std::expected<void, StoreError> WalKeeper::sync_file(sqlite3_file* file, const char* doing) {
  const int result = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
  if (result == SQLITE_OK) return {};
  StoreError error = connection_.error(doing, result);
  error.code = StoreErrorCode::io;  // also if the disk was full: what was written before may be lost
  return std::unexpected(std::move(error));
}

std::expected<void, StoreError> WalKeeper::checkpoint() {
  auto turn = EPIC_TRY(checkpointers_.try_lock());
  if (!turn) return {};

  EPIC_TRY(append_marker());
  // The bulk, beside the writers. It goes to the disk before any writer has to wait for the rest.
  static_cast<void>(EPIC_TRY(copy()));
  EPIC_TRY(sync_file(database_, "sync the database"));

  EPIC_TRY(writers_.lock());
  const auto is_complete = EPIC_TRY(copy());
  if (is_complete) frames_ = 0;
  checkpoint_at_ = frames_ + limits_.checkpoint_frames;
  return {};
}

std::expected<bool, StoreError> WalKeeper::is_full() {
  if (frames_ < limits_.frames_max) return false;
  const auto is_complete = copy_all();
  if (!is_complete) return is_complete;
  return !*is_complete;
}

std::expected<bool, StoreError> WalKeeper::copy_all() {
  auto turn = checkpointers_.lock();
  if (!turn) return std::unexpected(turn.error());
  auto hold = writers_.lock();
  if (!hold) return std::unexpected(hold.error());
  const auto is_complete = copy();
  if (is_complete && *is_complete) frames_ = 0;
  return is_complete;
}

std::expected<void, StoreError> WalKeeper::append_marker() {
  EPIC_TRY(writers_.lock());
  return connection_.run("UPDATE meta SET value = value + 1 WHERE name = 'checkpoints'", "mark a checkpoint");
}

std::expected<bool, StoreError> WalKeeper::copy() {
  int frames_in_log = -1;
  int frames_copied = -1;
  const int result =
      sqlite3_wal_checkpoint_v2(connection_.raw(), "main", SQLITE_CHECKPOINT_PASSIVE, &frames_in_log, &frames_copied);
  if ((result & 0xff) == SQLITE_BUSY) return false;
  if ((result & 0xff) == SQLITE_IOERR) checkpointers_.mark();  // it syncs the log, too
  if (result != SQLITE_OK) return std::unexpected(connection_.error("checkpoint the write-ahead log"));
  return frames_in_log == frames_copied;
}

}  // namespace epic::storage
