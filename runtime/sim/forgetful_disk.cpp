#include "sim/forgetful_disk.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <utility>

namespace epic::sim {

namespace {

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

/// SQLite's view of an open file. The system's own file object follows it in the same memory.
struct ForgetfulDisk::File {
  sqlite3_file base;
  ForgetfulDisk* disk;
  const std::string* path;
  Contents* contents;  // null for files that are not tracked

  sqlite3_file* system() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

struct ForgetfulDisk::Methods {
  static File& file(sqlite3_file* raw) { return *reinterpret_cast<File*>(raw); }
  static const sqlite3_io_methods& system(sqlite3_file* raw) { return *file(raw).system()->pMethods; }

  static int close(sqlite3_file* raw) { return system(raw).xClose(file(raw).system()); }

  static int read(sqlite3_file* raw, void* to, int size, sqlite3_int64 offset) {
    const int result = system(raw).xRead(file(raw).system(), to, size, offset);
    const File& source = file(raw);
    if (result == SQLITE_OK && source.disk->after_read && source.path != nullptr)
      source.disk->after_read(*source.path, std::span(static_cast<char*>(to), static_cast<std::size_t>(size)));
    return result;
  }

  static int write(sqlite3_file* raw, const void* from, int size, sqlite3_int64 offset) {
    File& target = file(raw);
    if (const int refused = target.disk->ask_to_write(target.path); refused != SQLITE_OK) {
      const std::size_t torn = target.disk->draw_torn ? target.disk->draw_torn(static_cast<std::size_t>(size)) : 0;
      if (torn > 0) do_write(raw, from, static_cast<int>(torn), offset);
      return refused;
    }
    return do_write(raw, from, size, offset);
  }

  static int do_write(sqlite3_file* raw, const void* from, int size, sqlite3_int64 offset) {
    File& target = file(raw);
    const int result = system(raw).xWrite(target.system(), from, size, offset);
    if (result == SQLITE_OK && target.contents != nullptr) {
      target.contents->uncertain.push_back(
          {Change::Kind::write, static_cast<std::uint64_t>(offset),
           std::string(static_cast<const char*>(from), static_cast<std::size_t>(size))});
    }
    return result;
  }

  static int truncate(sqlite3_file* raw, sqlite3_int64 size) {
    File& target = file(raw);
    if (const int refused = target.disk->ask_to_write(target.path); refused != SQLITE_OK) return refused;
    const int result = system(raw).xTruncate(target.system(), size);
    if (result == SQLITE_OK && target.contents != nullptr) {
      target.contents->uncertain.push_back({Change::Kind::truncate, static_cast<std::uint64_t>(size), {}});
    }
    return result;
  }

  static int sync(sqlite3_file* raw, int) {
    File& target = file(raw);
    if (target.contents == nullptr) return SQLITE_OK;
    if (target.disk->before_sync) {
      if (const int result = target.disk->before_sync(*target.path); result != SQLITE_OK) return result;
    }
    for (const Change& change : target.contents->uncertain) change.apply(target.contents->durable);
    target.contents->uncertain.clear();
    return SQLITE_OK;
  }

  static int size(sqlite3_file* raw, sqlite3_int64* out) { return system(raw).xFileSize(file(raw).system(), out); }
  static int lock(sqlite3_file* raw, int level) { return system(raw).xLock(file(raw).system(), level); }
  static int unlock(sqlite3_file* raw, int level) { return system(raw).xUnlock(file(raw).system(), level); }
  static int is_reserved(sqlite3_file* raw, int* out) {
    return system(raw).xCheckReservedLock(file(raw).system(), out);
  }
  static int control(sqlite3_file* raw, int what, void* argument) {
    return system(raw).xFileControl(file(raw).system(), what, argument);
  }
  static int sector_size(sqlite3_file* raw) { return system(raw).xSectorSize(file(raw).system()); }
  static int traits(sqlite3_file* raw) { return system(raw).xDeviceCharacteristics(file(raw).system()); }
  static int map_shared(sqlite3_file* raw, int page, int page_size, int extend, void volatile** out) {
    return system(raw).xShmMap(file(raw).system(), page, page_size, extend, out);
  }
  static int lock_shared(sqlite3_file* raw, int offset, int count, int flags) {
    return system(raw).xShmLock(file(raw).system(), offset, count, flags);
  }
  static void shared_barrier(sqlite3_file* raw) { system(raw).xShmBarrier(file(raw).system()); }
  static int unmap_shared(sqlite3_file* raw, int remove) { return system(raw).xShmUnmap(file(raw).system(), remove); }

  static const sqlite3_io_methods& table() {
    static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = &close,
        .xRead = &read,
        .xWrite = &write,
        .xTruncate = &truncate,
        .xSync = &sync,
        .xFileSize = &size,
        .xLock = &lock,
        .xUnlock = &unlock,
        .xCheckReservedLock = &is_reserved,
        .xFileControl = &control,
        .xSectorSize = &sector_size,
        .xDeviceCharacteristics = &traits,
        .xShmMap = &map_shared,
        .xShmLock = &lock_shared,
        .xShmBarrier = &shared_barrier,
        .xShmUnmap = &unmap_shared,
        .xFetch = nullptr,
        .xUnfetch = nullptr,
    };
    return methods;
  }
};

void ForgetfulDisk::Change::apply(std::string& content) const {
  if (kind == Kind::truncate) {
    if (offset < content.size()) content.resize(offset);
    return;
  }
  if (content.size() < offset + bytes.size()) content.resize(offset + bytes.size());
  content.replace(offset, bytes.size(), bytes);
}

ForgetfulDisk::ForgetfulDisk()
    : name_(fmt::format("forgetful-{}", fmt::ptr(this))), system_(sqlite3_vfs_find(nullptr)), vfs_(*system_) {
  vfs_.zName = name_.c_str();
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(File)) + system_->szOsFile;
  vfs_.xOpen = &open;
  vfs_.xDelete = &remove;
  vfs_.xSleep = [](sqlite3_vfs*, int microseconds) { return microseconds; };  // nobody else could go on meanwhile
  sqlite3_vfs_register(&vfs_, /*makeDflt=*/0);
}

ForgetfulDisk::~ForgetfulDisk() { sqlite3_vfs_unregister(&vfs_); }

int ForgetfulDisk::open(sqlite3_vfs* self, const char* path, sqlite3_file* raw, int flags, int* flags_out) {
  auto* disk = static_cast<ForgetfulDisk*>(self->pAppData);
  auto& file = *reinterpret_cast<File*>(raw);
  file.base.pMethods = nullptr;
  const int result = disk->system_->xOpen(disk->system_, path, file.system(), flags, flags_out);
  if (result != SQLITE_OK) return result;
  file.base.pMethods = &Methods::table();
  file.disk = disk;
  file.path = nullptr;
  file.contents = nullptr;
  if (path != nullptr && (flags & SQLITE_OPEN_DELETEONCLOSE) == 0) {
    const auto [entry, is_new] = disk->contents_.try_emplace(path);
    if (is_new) entry->second.durable = read_file(path);
    file.path = &entry->first;
    file.contents = &entry->second;
  }
  return SQLITE_OK;
}

int ForgetfulDisk::remove(sqlite3_vfs* self, const char* path, int sync_directory) {
  auto* disk = static_cast<ForgetfulDisk*>(self->pAppData);
  const std::string name(path);
  if (const int refused = disk->ask_to_write(&name); refused != SQLITE_OK) return refused;
  const int result = disk->system_->xDelete(disk->system_, path, sync_directory);
  if (result == SQLITE_OK) disk->contents_[path] = {};
  return result;
}

void ForgetfulDisk::cut_power(const std::filesystem::path& directory, std::mt19937_64& coin) const {
  for (const auto& [path, contents] : contents_) {
    std::string left = contents.durable;
    for (Change change : contents.uncertain) {
      const auto luck = coin() % 4;
      if (luck == 0) continue;
      if (luck == 1) change.bytes.resize(coin() % (change.bytes.size() + 1));
      change.apply(left);
    }
    if (left.empty()) continue;
    std::ofstream(directory / std::filesystem::path(path).filename(), std::ios::binary) << left;
  }
}

void ForgetfulDisk::forget_files() { forgotten_.push_back(std::exchange(contents_, {})); }

}  // namespace epic::sim
