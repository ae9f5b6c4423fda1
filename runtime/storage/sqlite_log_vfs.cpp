#include "storage/sqlite_log_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <vector>

#include "kernel/assert.hpp"

namespace epic::storage {

namespace {

constexpr int kFrameHeaderBytes = 24;
constexpr int kPagesInDatabaseAt = 4;  // in a frame's header, big-endian: non-zero in the last frame of a commit
// Then the buffer is written. With one more page it is below 128 KiB, the most that SQLite's own VFS for UNIX writes in
// one call (seekAndWriteFd in os_unix.c).
constexpr std::size_t kKeptBytesMax = 60u << 10;

constexpr std::string_view kPrefix = "epic-log-";  // of a VFS's name

/// A log, in the memory that SQLite reserves for our files. The file of the VFS below follows it.
struct LogFile {
  sqlite3_file base;
  std::vector<std::byte> kept;
  sqlite3_int64 kept_at = 0;
  bool ends_commit = false;  // the header of a commit's last frame has arrived, and its page comes next
  std::mutex sync_mutex;
  int sync_result = SQLITE_OK;

  [[nodiscard]] sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
  /// A log has no holes: one that ends before `kept_at` was cut off by somebody else.
  int write_kept() {
    sqlite3_int64 end = 0;
    int result = kept.empty() ? SQLITE_OK : below()->pMethods->xFileSize(below(), &end);
    if (result == SQLITE_OK && end < kept_at) result = SQLITE_IOERR_TRUNCATE;
    if (result == SQLITE_OK && !kept.empty())
      result = below()->pMethods->xWrite(below(), kept.data(), static_cast<int>(kept.size()), kept_at);
    kept_at += static_cast<sqlite3_int64>(kept.size());
    kept.clear();
    ends_commit = false;
    return result;
  }
};

LogFile& log_of(sqlite3_file* file) { return *reinterpret_cast<LogFile*>(file); }

bool is_end_of_commit(const void* frame_header) {
  std::uint32_t pages = 0;
  std::memcpy(&pages, static_cast<const std::byte*>(frame_header) + kPagesInDatabaseAt, sizeof pages);
  return pages != 0;
}

int write(sqlite3_file* file, const void* data, int bytes, sqlite3_int64 at) {
  LogFile& log = log_of(file);
  const bool continues = !log.kept.empty() && at == log.kept_at + static_cast<sqlite3_int64>(log.kept.size());
  if (!log.kept.empty() && !continues) return SQLITE_IOERR_WRITE;
  const bool is_header = bytes == kFrameHeaderBytes;
  if (!is_header && !continues) return log.below()->pMethods->xWrite(log.below(), data, bytes, at);
  if (!continues) log.kept_at = at;
  const auto* first = static_cast<const std::byte*>(data);
  log.kept.insert(log.kept.end(), first, first + bytes);
  if (is_header) {
    log.ends_commit = is_end_of_commit(data);
    return SQLITE_OK;
  }
  return log.ends_commit || log.kept.size() >= kKeptBytesMax ? log.write_kept() : SQLITE_OK;
}

/// A call that is passed on, if nothing is buffered.
template <auto Method, class... Arguments>
int pass(sqlite3_file* file, Arguments... arguments) {
  LogFile& log = log_of(file);
  if (!log.kept.empty()) return SQLITE_IOERR;
  return (log.below()->pMethods->*Method)(log.below(), arguments...);
}

/// Any thread. The system reports a failed write-back once, to the first who asks; here every caller learns of it.
int sync(sqlite3_file* file, int flags) {
  LogFile& log = log_of(file);
  const std::lock_guard lock(log.sync_mutex);
  if (log.sync_result == SQLITE_OK) log.sync_result = log.below()->pMethods->xSync(log.below(), flags);
  return log.sync_result;
}

int close(sqlite3_file* file) {
  LogFile& log = log_of(file);
  const int result = log.below()->pMethods->xClose(log.below());
  log.~LogFile();
  return result;
}

int sector_size(sqlite3_file* file) {
  LogFile& log = log_of(file);
  return log.below()->pMethods->xSectorSize(log.below());
}

int device_characteristics(sqlite3_file* file) {
  LogFile& log = log_of(file);
  return log.below()->pMethods->xDeviceCharacteristics(log.below());
}

constexpr sqlite3_io_methods make_log_methods() {
  using Methods = sqlite3_io_methods;
  Methods methods{};
  methods.iVersion = 1;  // a log is neither shared nor mapped
  methods.xClose = &close;
  methods.xRead = &pass<&Methods::xRead, void*, int, sqlite3_int64>;
  methods.xWrite = &write;
  methods.xTruncate = &pass<&Methods::xTruncate, sqlite3_int64>;
  methods.xSync = &sync;
  methods.xFileSize = &pass<&Methods::xFileSize, sqlite3_int64*>;
  methods.xLock = &pass<&Methods::xLock, int>;
  methods.xUnlock = &pass<&Methods::xUnlock, int>;
  methods.xCheckReservedLock = &pass<&Methods::xCheckReservedLock, int*>;
  methods.xFileControl = &pass<&Methods::xFileControl, int, void*>;
  methods.xSectorSize = &sector_size;
  methods.xDeviceCharacteristics = &device_characteristics;
  return methods;
}

constexpr sqlite3_io_methods kLogMethods = make_log_methods();

struct LogVfs {
  std::string name;
  sqlite3_vfs vfs;
  sqlite3_vfs* below;
};

int open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  sqlite3_vfs* const below = static_cast<LogVfs*>(vfs->pAppData)->below;
  if ((flags & SQLITE_OPEN_WAL) == 0) return below->xOpen(below, name, file, flags, flags_out);
  auto* const log = new (file) LogFile();
  const int result = below->xOpen(below, name, log->below(), flags, flags_out);
  if (result == SQLITE_OK) {
    log->base.pMethods = &kLogMethods;
    return result;
  }
  log->~LogFile();
  file->pMethods = nullptr;  // otherwise SQLite closes it
  return result;
}

/// Like `below`, except for opening. Its other functions receive the VFS that is called, and expect themselves.
template <auto Function>
struct Forward;
template <class Result, class... Arguments, Result (*sqlite3_vfs::*Function)(sqlite3_vfs*, Arguments...)>
struct Forward<Function> {
  static Result call(sqlite3_vfs* vfs, Arguments... arguments) {
    sqlite3_vfs* const below = static_cast<LogVfs*>(vfs->pAppData)->below;
    return (below->*Function)(below, arguments...);
  }
};

/// Followed, a name below an open directory would be the directory's own again, and too long.
int full_path_name(sqlite3_vfs* vfs, const char* name, int out_bytes, char* out) {
  const std::string_view text = name;
  if (!text.starts_with(kOpenDirectories)) return Forward<&sqlite3_vfs::xFullPathname>::call(vfs, name, out_bytes, out);
  if (text.size() >= static_cast<std::size_t>(out_bytes)) return SQLITE_CANTOPEN;
  std::memcpy(out, name, text.size() + 1);
  return SQLITE_OK;
}

std::unique_ptr<LogVfs> make_vfs(const std::string& name, sqlite3_vfs* below) {
  auto made = std::make_unique<LogVfs>();
  made->name = name;
  made->below = below;
  sqlite3_vfs& vfs = made->vfs;
  vfs = *below;
  vfs.pNext = nullptr;
  vfs.zName = made->name.c_str();
  vfs.pAppData = made.get();
  vfs.szOsFile = below->szOsFile + static_cast<int>(sizeof(LogFile));
  vfs.iVersion = std::min(below->iVersion, 2);
  vfs.xOpen = &open;
  vfs.xDelete = &Forward<&sqlite3_vfs::xDelete>::call;
  vfs.xAccess = &Forward<&sqlite3_vfs::xAccess>::call;
  vfs.xFullPathname = &full_path_name;
  vfs.xDlOpen = &Forward<&sqlite3_vfs::xDlOpen>::call;
  vfs.xDlError = &Forward<&sqlite3_vfs::xDlError>::call;
  vfs.xDlClose = &Forward<&sqlite3_vfs::xDlClose>::call;
  vfs.xRandomness = &Forward<&sqlite3_vfs::xRandomness>::call;
  vfs.xSleep = &Forward<&sqlite3_vfs::xSleep>::call;
  vfs.xCurrentTime = &Forward<&sqlite3_vfs::xCurrentTime>::call;
  vfs.xGetLastError = &Forward<&sqlite3_vfs::xGetLastError>::call;
  vfs.xCurrentTimeInt64 = &Forward<&sqlite3_vfs::xCurrentTimeInt64>::call;
  return made;
}

}  // namespace

std::string log_vfs_over(const std::string& base) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<LogVfs>> registered;
  const std::lock_guard lock(mutex);
  if (base.starts_with(kPrefix)) return base;
  sqlite3_vfs* const below = sqlite3_vfs_find(base.empty() ? nullptr : base.c_str());
  EPIC_ASSERT(below != nullptr, "there is no VFS '{}'", base);
  std::unique_ptr<LogVfs>& vfs = registered[below->zName];
  if (vfs == nullptr || vfs->below != below) {
    vfs = make_vfs(std::string(kPrefix) + below->zName, below);
    const int result = sqlite3_vfs_register(&vfs->vfs, /*makeDflt=*/0);
    EPIC_ASSERT(result == SQLITE_OK, "registering the VFS '{}' gives {}", vfs->name, result);
  }
  return vfs->name;
}

}  // namespace epic::storage
