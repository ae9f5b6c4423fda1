#include "storage/sqlite_files.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <sstream>

#include "kernel/assert.hpp"

namespace epic::storage {

namespace fs = std::filesystem;

namespace {

constexpr int kIndexBytes = 32768;               // a region of the shared memory; the header is in the first
constexpr std::size_t kHeaderWords = 12;         // of the header, which is there twice
constexpr std::uint64_t kLogHeaderBytes = 32;    // of the log, then frames:
constexpr std::uint64_t kFrameHeaderBytes = 24;  // … and a page
constexpr int kReadLockFirst = 123;              // bytes of the shared memory that readers lock, one a read mark
constexpr int kReadLockLast = 127;
constexpr int kReadingAttemptsMax = 8;

/// Empty if there is none.
std::optional<std::uint64_t> size_of(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

std::string text_of(const std::optional<files::Identity>& identity) {
  return identity ? fmt::format("{}:{}", identity->device, identity->inode) : "-";
}

}  // namespace

// ---- the log as the shared memory has it ----

WalIndex::WalIndex(Connection& connection) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(connection.raw(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (file == nullptr || file->pMethods == nullptr || file->pMethods->iVersion < 2) return;
  volatile void* region = nullptr;
  if (file->pMethods->xShmMap(file, 0, kIndexBytes, /*extend=*/0, &region) != SQLITE_OK) return;
  words_ = static_cast<const volatile std::uint32_t*>(region);
}

std::optional<WalIndex::Header> WalIndex::read() const {
  if (words_ == nullptr) return std::nullopt;
  std::array<std::uint32_t, 2 * kHeaderWords> words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = words_[i];
  std::atomic_thread_fence(std::memory_order_acquire);
  if (!std::equal(words.begin(), words.begin() + kHeaderWords, words.begin() + kHeaderWords)) return std::nullopt;
  constexpr std::size_t kChanges = 2, kInitialised = 3, kFrames = 4, kPages = 5;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&words[kInitialised]);
  if (bytes[0] == 0) return std::nullopt;
  std::uint16_t page_bytes = 0;
  std::memcpy(&page_bytes, bytes + 2, sizeof page_bytes);
  return Header{.frames = words[kFrames],
                .pages = words[kPages],
                .page_bytes = (page_bytes & 0xfe00u) + ((page_bytes & 1u) << 16),
                .changes = words[kChanges]};
}

// ---- which files they are ----

fs::path StoreFiles::path_of(const fs::path& database, Part part) {
  constexpr std::array<const char*, kPartCount> kSuffixes{"", "-wal", "-shm", ".lock"};
  return database.string() + kSuffixes[static_cast<std::size_t>(part)];
}

StoreFiles::Identities StoreFiles::identify(const fs::path& database) {
  Identities identities;
  for (std::size_t i = 0; i < kPartCount; ++i)
    if (const auto found = files::identify(path_of(database, static_cast<Part>(i)))) identities[i] = *found;
  return identities;
}

std::string StoreFiles::record_of(const Identities& identities) {
  std::vector<std::string> texts;
  for (const auto& identity : identities) texts.push_back(text_of(identity));
  return fmt::format("{}\n", fmt::join(texts, " "));
}

std::expected<void, StoreError> StoreFiles::compare(const fs::path& database, const std::string& record) {
  const Identities found = identify(database);
  std::istringstream words(record);
  std::string recorded;
  for (std::size_t i = 0; i < kPartCount && words >> recorded; ++i)
    if (recorded != "-" && recorded != text_of(found[i]))
      return std::unexpected(displaced(database, static_cast<Part>(i)));
  return {};
}

std::expected<void, StoreError> StoreFiles::check_before_opening(const fs::path& database, const FileLock& writers) {
  return writers.is_shared_by_others() ? compare(database, writers.read_note()) : std::expected<void, StoreError>();
}

std::expected<void, StoreError> StoreFiles::check_before_reading(const fs::path& database) {
  const auto writers = FileLock::open_existing(path_of(database, Part::lock));
  return writers ? check_before_opening(database, *writers) : std::expected<void, StoreError>();
}

StoreFiles::StoreFiles(Connection& connection, const FileLock& writers)
    : database_(connection.path()), index_(connection), opened_(identify(database_)) {
  if (!writers.is_shared_by_others()) writers.write_note(record_of(opened_));
  writers.share();
}

StoreError StoreFiles::displaced(const fs::path& database, Part part) {
  const std::string path = path_of(database, part).string();
  const std::string happened = fmt::format("'{}' was {} while the fabric ran, so nothing more can be saved", path,
                                           size_of(path) ? "replaced" : "deleted or moved away");
  const std::string restart = "Restart the fabric: `epic stop`, then `epic run`.";
  switch (part) {
    case Part::database:
      return {StoreErrorCode::displaced,
              fmt::format("{}. If it was moved, move the former file back, and the fabric goes on. Otherwise stop the "
                          "fabric with `epic stop` and put a copy of the store there.",
                          happened)};
    case Part::log:
      return {StoreErrorCode::displaced,
              fmt::format("{}. What was acknowledged is being copied into '{}'. If it was moved, move the former file "
                          "back, and the fabric goes on. Otherwise restart it: `epic stop`, then `epic run`.",
                          happened, database.string())};
    case Part::index:
    case Part::lock:
      return {StoreErrorCode::displaced, fmt::format("{}. Nothing acknowledged is lost. {}", happened, restart)};
  }
  EPIC_ASSERT(false, "a store has no part {}", static_cast<int>(part));
}

std::expected<void, StoreError> StoreFiles::check() {
  const Identities found = identify(database_);
  for (std::size_t i = 0; i < kPartCount; ++i)
    if (opened_[i] && found[i] != opened_[i]) return std::unexpected(displaced(database_, static_cast<Part>(i)));
  return check_sizes();
}

bool StoreFiles::is_only_log_gone() const {
  const Identities found = identify(database_);
  constexpr auto kLog = static_cast<std::size_t>(Part::log);
  for (std::size_t i = 0; i < kPartCount; ++i)
    if (i != kLog && found[i] != opened_[i]) return false;
  return size_of(path_of(database_, Part::log)).value_or(0) == 0;  // a reader may have made an empty one
}

/// A size and the shared memory belong together only if the latter was the same before and after.
std::expected<void, StoreError> StoreFiles::check_sizes() {
  for (int attempt = 0; attempt < kReadingAttemptsMax; ++attempt) {
    const auto before = index_.read();
    const auto log_bytes = size_of(path_of(database_, Part::log));
    const auto database_bytes = size_of(database_);
    if (!before || before != index_.read() || !log_bytes || !database_bytes) continue;
    const auto cut_off = [](const fs::path& path, std::uint64_t bytes, const std::string& way_out) {
      return std::unexpected(
          StoreError{StoreErrorCode::displaced,
                     fmt::format("'{}' was cut off at {} bytes while the fabric ran, so nothing more can be saved. {}",
                                 path.string(), bytes, way_out)});
    };
    const std::string copy =
        "What it held beyond that is no longer on disk. Stop the fabric with `epic stop`, look at what is left with "
        "`epic snapshot verify`, and put a copy of the store there if something is missing.";
    const std::uint64_t frames_bytes = before->frames * (kFrameHeaderBytes + before->page_bytes);
    if (before->frames > 0 && *log_bytes < kLogHeaderBytes + frames_bytes)
      return cut_off(path_of(database_, Part::log), *log_bytes, copy);
    // It never shrinks, but for another program's VACUUM; then it has exactly as many pages as it should have.
    const std::uint64_t should_bytes = std::uint64_t{before->pages} * before->page_bytes;
    const std::uint64_t most_bytes = database_bytes_;
    if (*database_bytes < most_bytes && (before->pages == 0 || *database_bytes < should_bytes))
      return cut_off(database_, *database_bytes, copy);
    database_bytes_ = *database_bytes;
    return {};
  }
  return {};  // commits follow each other closely; the next one is looked at again
}

// ---- who reads ----

std::vector<std::string> find_readers(const fs::path& path) {
  const auto index = files::identify(path.string() + "-shm");
  if (!index) return {};
  std::set<pid_t> pids;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {  // 7: POSIX ADVISORY READ 4711 08:01:131085 123 123
    std::istringstream words(line);
    std::string number, kind, mode, access, file;
    pid_t pid = 0;
    int first = 0, last = 0;
    if (!(words >> number >> kind >> mode >> access >> pid >> file >> first >> last)) continue;
    if (first > kReadLockLast || last < kReadLockFirst || access != "READ" || pid <= 0) continue;
    if (file.substr(file.rfind(':') + 1) == fmt::format("{}", index->inode)) pids.insert(pid);
  }
  std::vector<std::string> readers;
  for (const pid_t pid : pids) {
    std::ifstream names(fmt::format("/proc/{}/comm", pid));
    std::string name;
    std::getline(names, name);
    readers.push_back(fmt::format("process {} ({})", pid, name));
  }
  return readers;
}

}  // namespace epic::storage
