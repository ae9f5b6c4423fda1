#pragma once
// A VFS for SQLite that writes the frames of a commit to the write-ahead log in one call, and lets another thread sync
// it.
//
// SQLite writes each page of a commit with two calls, a frame's header and the page. The writers of a store take turns,
// so all of them wait for those calls. This VFS buffers what is appended to a log until the frame that ends a commit is
// there, and then writes it at once. Any failure then is the result of SQLite's last call, so the commit fails.
// Everything else goes to the VFS below.
//
// Why this is invisible to others: SQLite publishes a commit (in shared memory) after its last frame is written. A
// connection must not write pages before the commit (PRAGMA cache_spill = OFF): then the buffered data belongs to the
// commit being written, and is never read before it is complete. If a log with unwritten frames gets another request,
// it fails with SQLITE_IOERR instead of writing them later, when they would no longer be the log's end.
//
// A log may be synced while the connection's thread writes to it. One sync at a time: the system reports a failed
// write-back only once, so after a failure every sync of that log fails.
//
// It also opens a database by a name below an open directory, for paths that are too long for SQLite.
//
// The format of a frame is in https://www.sqlite.org/fileformat2.html#walformat.

#include <string>
#include <string_view>

namespace epic::storage {

/// Where a process finds its open directories. What follows is a descriptor's number and the name of a file.
inline constexpr std::string_view kOpenDirectories = "/proc/self/fd/";

/// The name for sqlite3_open_v2 of such a VFS on top of `base` (empty: the default one). Registers it on the first
/// call, for the rest of the process. One that is such a VFS already is returned as it is. Any thread.
[[nodiscard]] std::string log_vfs_over(const std::string& base);

}  // namespace epic::storage
