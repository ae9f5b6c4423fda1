#pragma once
// WalKeeper: makes commits durable, and moves the write-ahead log into the database, both outside the writers' lock.
//
// A COMMIT with synchronous=NORMAL only appends to the log. sync() then flushes it to disk, while the next writer is
// already working; one sync covers everything appended before it, by any process. It uses SQLite's own file handle,
// which also syncs the directory entry of a new log the first time. No descriptor of ours ever touches the files
// (closing one would drop SQLite's locks on the database). sqlite_log_vfs.hpp makes that handle one that another thread
// may sync, and that does not forget a failed sync.
//
// Why a commit is durable once sync() has returned, whatever other processes do in between:
//  1. The log is not deleted or replaced: only the last connection to close does that, and ours is open.
//  2. If its frames are still in the log, the sync reaches them: they were written before it started.
//  3. If they are not, the log was restarted over them. SQLite restarts it only when all of it has been copied into the
//     database, and records that (nBackfill) only after syncing first the log, then the database file. So they were
//     durable, in the database, before they were overwritten; the header of a restarted log is synced, too.
//  4. A log that is cut at any point recovers to a complete commit (frames carry chained checksums), and a later commit
//     is found only after all earlier ones. So a durable take() makes everything that its taker has read durable.
//
// Checkpoints run only here (autocheckpoint is off), one process at a time, in two parts: the bulk beside the writers,
// then the rest while they wait, so that the log can be reused from its start. A checkpoint that starts while another
// connection restarts the log can lose frames (SQLite 3.7.0 to 3.51.2, "WAL-reset bug"). Neither part can: the first
// starts after a commit of ours that no checkpoint has copied, so nobody may restart the log; the second holds the
// writers' lock.
//
// A reader that stays at one moment keeps later frames from being copied, so the log grows. At frames_max, commits are
// refused like on a full disk until a checkpoint has copied everything; the error names who reads.

#include <cstdint>
#include <expected>

#include "storage/file_lock.hpp"
#include "storage/sqlite_connection.hpp"

struct sqlite3_file;

namespace epic::storage {

struct WalLimits {
  std::uint32_t checkpoint_frames = 8192;  // pages of 2 KiB: wants_checkpoint() from here on
  std::uint32_t frames_wait = 131072;      // must_checkpoint() from here on
  std::uint32_t frames_max = 524288;       // is_full() from here on: 1 GiB
};

/// Lives beside its connection, on the same thread.
class WalKeeper {
 public:
  WalKeeper(Connection& connection, FileLock& writers, FileLock& checkpointers, WalLimits limits);
  WalKeeper(const WalKeeper&) = delete;
  WalKeeper& operator=(const WalKeeper&) = delete;

  /// Returns when every commit of this connection is durable. After an error the outcome is unknown, and a retry may
  /// succeed without having written: the caller must end the process. Any thread.
  [[nodiscard]] std::expected<void, StoreError> sync();

  /// Before the first commit, with the writers' lock.
  ///
  /// After a failed sync, the system treats the unwritten data as written: later syncs succeed although the log has a
  /// gap, and a recovery finds nothing after the gap. So a failed sync sets the mark of the checkpointers' lock, and
  /// the next process to open the store rewrites the log, as it can still be read, byte for byte in place, and syncs
  /// it. Others see no difference, and a power cut meanwhile finds the log as it was, or better. Processes that have
  /// the log open learn of the failure from their own next sync.
  [[nodiscard]] std::expected<void, StoreError> recover_after_failed_sync();

  /// There is something to copy, however little.
  [[nodiscard]] bool has_frames() const { return frames_ > 0; }
  [[nodiscard]] bool wants_checkpoint() const { return frames_ >= checkpoint_at_; }
  /// The log exceeds its limit: the next commit must wait for a checkpoint.
  [[nodiscard]] bool must_checkpoint() const { return frames_ >= limits_.frames_wait && wants_checkpoint(); }

  /// The log has reached its limit, and could not be copied even with the writers waiting.
  [[nodiscard]] std::expected<bool, StoreError> is_full();
  /// Copies the whole log with the writers waiting. False if a reader prevents it.
  [[nodiscard]] std::expected<bool, StoreError> copy_all();

  /// Copies the log into the database. Does nothing if a neighbour is doing it. Leaves some behind if a reader needs
  /// it; the next try comes after another `checkpoint_frames`.
  [[nodiscard]] std::expected<void, StoreError> checkpoint();

 private:
  [[nodiscard]] std::expected<void, StoreError> append_marker();
  /// True if everything that was in the log at the start is now in the database.
  [[nodiscard]] std::expected<bool, StoreError> copy();
  [[nodiscard]] std::expected<void, StoreError> sync_file(sqlite3_file* file, const char* doing);
  static int on_commit(void* self, sqlite3*, const char*, int frames);

  Connection& connection_;
  FileLock& writers_;
  FileLock& checkpointers_;
  WalLimits limits_;
  sqlite3_file* log_;         // open as long as the connection
  sqlite3_file* database_;    // likewise
  std::uint32_t frames_ = 0;  // in the log after our newest commit
  std::uint32_t checkpoint_at_;
};

}  // namespace epic::storage
