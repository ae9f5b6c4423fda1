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
#include "reflect/try.hpp"
#include "storage/sqlite_format.hpp"
#include "storage/store_mark.hpp"

namespace epic::storage {

namespace fs = std::filesystem;

namespace {

constexpr int kIndexBytes = 32768;                  // a region of the shared memory; the header is in the first
constexpr std::size_t kHeaderWords = 12;            // of the header, which is there twice
constexpr std::size_t kCopied = 2 * kHeaderWords;   // how many frames are copied; the word behind
constexpr std::uint64_t kLogHeaderBytes = 32;       // of the log, then frames:
constexpr std::uint64_t kLogFrameHeaderBytes = 24;  // … and a page
constexpr std::uint64_t kLogSaltAt = 16;            // in the log's header
constexpr int kReadLockFirst = 123;                 // bytes of the shared memory that readers lock, one a read mark
constexpr int kReadLockLast = 127;
constexpr int kAnyLockFirst = 120;  // who has it open locks one of these
constexpr int kAnyLockLast = 128;
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

/// What shared memory says was written by a process of this boot: a power cut keeps files as they were at various
/// times.
std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id.empty() ? "-" : id;
}

using IndexWords = std::array<std::uint32_t, kCopied + 1>;

std::optional<WalIndex::Header> header_of(const IndexWords& words) {
  if (!std::equal(words.begin(), words.begin() + kHeaderWords, words.begin() + kHeaderWords)) return std::nullopt;
  constexpr std::size_t kChanges = 2, kInitialised = 3, kFrames = 4, kPages = 5, kSalt = 8;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&words[kInitialised]);
  if (bytes[0] == 0) return std::nullopt;
  std::uint16_t page_bytes = 0;
  std::memcpy(&page_bytes, bytes + 2, sizeof page_bytes);
  return WalIndex::Header{.frames = words[kFrames],
                          .pages = words[kPages],
                          .page_bytes = (page_bytes & 0xfe00u) + ((page_bytes & 1u) << 16),
                          .changes = words[kChanges],
                          .copied = words[kCopied],
                          .salt = {words[kSalt], words[kSalt + 1]}};
}

/// Who holds a lock of one of the bytes. Empty if that cannot be found out.
std::optional<std::set<pid_t>> find_lockers(ino_t inode, int first_byte, int last_byte, std::string_view wanted) {
  std::ifstream locks("/proc/locks");
  if (!locks) return std::nullopt;
  std::set<pid_t> pids;
  for (std::string line; std::getline(locks, line);) {  // 7: POSIX ADVISORY READ 4711 08:01:131085 123 123
    std::istringstream words(line);
    std::string number, kind, mode, access, file;
    pid_t pid = 0;
    int first = 0, last = 0;
    if (!(words >> number >> kind >> mode >> access >> pid >> file >> first >> last)) continue;
    if (first > last_byte || last < first_byte || !access.starts_with(wanted) || pid <= 0) continue;
    if (file.substr(file.rfind(':') + 1) == fmt::format("{}", inode)) pids.insert(pid);
  }
  return pids;
}

}  // namespace

// ---- the log as the shared memory has it ----

WalIndex::WalIndex(Connection& connection) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(connection.raw(), "main", SQLITE_FCNTL_JOURNAL_POINTER, &file);
  if (file == nullptr || file->pMethods == nullptr) return;  // without a log, asking would make a file beside it
  sqlite3_file_control(connection.raw(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (file == nullptr || file->pMethods == nullptr || file->pMethods->iVersion < 2) return;
  volatile void* region = nullptr;
  if (file->pMethods->xShmMap(file, 0, kIndexBytes, /*extend=*/0, &region) != SQLITE_OK) return;
  words_ = static_cast<const volatile std::uint32_t*>(region);
}

std::optional<WalIndex::Header> WalIndex::read() const {
  if (words_ == nullptr) return std::nullopt;
  IndexWords words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = words_[i];
  std::atomic_thread_fence(std::memory_order_acquire);
  return header_of(words);
}

/// To close a descriptor of it would drop the locks that SQLite has on it for this process.
std::optional<WalIndex::Header> WalIndex::read_left_behind(const fs::path& index) {
  const auto identity = files::identify(index);
  if (!identity) return std::nullopt;
  const auto users = find_lockers(identity->inode, kAnyLockFirst, kAnyLockLast, "");
  if (!users || !users->empty()) return std::nullopt;
  const auto file = files::open_file(index, files::Use::read);
  IndexWords words;
  if (!file || ::pread(file->get(), words.data(), sizeof words, 0) != sizeof words) return std::nullopt;
  return header_of(words);
}

std::uint64_t WalIndex::Header::log_bytes() const {
  return kLogHeaderBytes + frames * (kLogFrameHeaderBytes + page_bytes);
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
  return fmt::format("{} {}\n", fmt::join(texts, " "), boot_id());
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

/// The store is where it was recorded. After an end in order it has no log.
bool StoreFiles::is_back(const fs::path& database, const std::string& record) {
  const Identities found = identify(database);
  std::istringstream words(record);
  std::string recorded_database, recorded_log;
  if (!(words >> recorded_database >> recorded_log) || recorded_database != text_of(found[0])) return false;
  const auto& log = found[static_cast<std::size_t>(Part::log)];
  return !log || recorded_log == text_of(log);
}

/// SQLite would make a new database of it, and delete the log.
std::expected<void, StoreError> StoreFiles::check_not_emptied(const fs::path& database, const std::string& record) {
  const auto bytes = size_of(database);
  if (bytes.value_or(0) > 0) return {};
  const fs::path log = path_of(database, Part::log);
  const bool has_log = size_of(log).value_or(0) > 0;
  if (!has_log && (!bytes || record.empty())) return {};  // new, or removed on purpose
  return std::unexpected(StoreError{
      StoreErrorCode::corrupt,
      fmt::format(
          "'{0}' is {1}, but '{2}' shows that a store was there. Put a copy of the store there. To start with an "
          "empty one, move away what is left of it: {3}.",
          database.string(), bytes ? "empty" : "missing", (has_log ? log : path_of(database, Part::lock)).string(),
          move_away(database, "damaged"))});
}

/// After a crash the shared memory lies there as the last process has left it, until the next one opens the database.
std::optional<std::string> StoreFiles::find_lost_log(const fs::path& database, const std::string& record) {
  std::istringstream words(record);
  std::array<std::string, kPartCount> recorded;
  for (std::string& word : recorded) words >> word;
  std::string boot;
  if (!(words >> boot) || boot == "-" || boot != boot_id()) return std::nullopt;
  const Identities found = identify(database);
  for (const Part part : {Part::database, Part::index}) {  // one that came from elsewhere has lost nothing
    const auto at = static_cast<std::size_t>(part);
    if (recorded[at] != text_of(found[at])) return std::nullopt;
  }
  const auto left_behind = WalIndex::read_left_behind(path_of(database, Part::index));
  if (!left_behind || !left_behind->has_uncopied()) return std::nullopt;
  const fs::path log = path_of(database, Part::log);
  const std::uint64_t bytes = size_of(log).value_or(0);
  if (bytes >= left_behind->log_bytes()) return std::nullopt;
  std::array<std::uint32_t, 2> salt{};
  if (bytes >= kLogHeaderBytes) {
    const auto file = files::open_file(log, files::Use::read);
    if (!file || ::pread(file->get(), salt.data(), sizeof salt, kLogSaltAt) != sizeof salt) return std::nullopt;
    if (salt != left_behind->salt) return std::nullopt;  // another log, put there with its database
  }
  return fmt::format("'{}' has {} bytes, and had {} when the fabric died", log.string(), bytes,
                     left_behind->log_bytes());
}

std::expected<void, StoreError> StoreFiles::check_before_opening(const fs::path& database, const FileLock& writers,
                                                                 const WallClock& wall_clock) {
  const std::string record = writers.read_note();
  const bool is_open = writers.is_shared_by_others();
  if (is_open) {
    EPIC_TRY(compare(database, record));
  } else if (auto lost = find_lost_log(database, record)) {
    write_mark(database, {.kind = StoreMark::Kind::lost, .what = *std::move(lost)}, wall_clock());
  }
  if (const auto mark = read_mark(database)) {
    if (mark->kind == StoreMark::Kind::lost || !is_back(database, record))
      return std::unexpected(marked(database, *mark));
    EPIC_TRY(remove_mark(database, StoreMark::Kind::away));
  }
  return is_open ? std::expected<void, StoreError>() : check_not_emptied(database, record);
}

std::expected<void, StoreError> StoreFiles::check_before_reading(const fs::path& database,
                                                                 const WallClock& wall_clock) {
  const auto writers = FileLock::open_existing(path_of(database, Part::lock));
  const std::string record = writers ? writers->read_note() : std::string();
  if (writers && writers->is_shared_by_others()) return compare(database, record);
  EPIC_TRY(check_not_emptied(database, record));
  if (auto lost = find_lost_log(database, record))  // reading would wipe out the traces
    write_mark(database, {.kind = StoreMark::Kind::lost, .what = *std::move(lost)}, wall_clock());
  return {};
}

std::expected<void, StoreError> StoreFiles::accept_loss(const fs::path& database) {
  auto writers = EPIC_TRY(FileLock::open(path_of(database, Part::lock)));
  const auto hold = EPIC_TRY(writers.lock());
  if (writers.is_shared_by_others())
    return std::unexpected(StoreError{
        StoreErrorCode::busy,
        fmt::format("another process has the store '{}' open for writing. Stop it first.", database.string())});
  writers.write_note({});  // shared memory that a crash has left there may still say that the log was longer
  return remove_marks(database);
}

/// Each page that the database should have and does not must still be in the log.
std::expected<void, StoreError> StoreFiles::check_length(Connection& connection) {
  const WalIndex index(connection);
  const auto header = index.read();
  const auto bytes = size_of(connection.path());
  if (!header || header->frames == 0 || header != index.read() || !bytes) return {};
  const std::uint64_t pages = *bytes / header->page_bytes;
  if (pages + header->frames >= header->pages) return {};
  return std::unexpected(
      StoreError{StoreErrorCode::corrupt,
                 fmt::format("'{}' was cut off: it has {} pages of {}. Put a copy of the store there; `epic snapshot "
                             "export --output rest.jsonl` saves what can still be read.",
                             connection.path().string(), pages, header->pages)});
}

StoreFiles::StoreFiles(Connection& connection, const FileLock& writers, WallClock wall_clock)
    : database_(connection.path()),
      index_(connection),
      wall_clock_(std::move(wall_clock)),
      opened_(identify(database_)) {
  if (!writers.is_shared_by_others()) writers.write_note(record_of(opened_));
  writers.share();
}

std::string StoreFiles::happened_to(const fs::path& database, Part part) {
  const std::string path = path_of(database, part).string();
  return fmt::format("'{}' was {} while the fabric ran", path, size_of(path) ? "replaced" : "deleted or moved away");
}

StoreError StoreFiles::displaced(const fs::path& database, Part part) {
  const std::string happened = happened_to(database, part) + ", so nothing more can be saved";
  const std::string restart = "Restart the fabric: `epic stop`, then `epic run`.";
  switch (part) {
    case Part::database:
      return {StoreErrorCode::displaced,
              fmt::format("{}. If it was moved, move the former file back, and the fabric goes on. Otherwise stop the "
                          "fabric with `epic stop`; the next `epic run` says how to go on with a copy.",
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
  const auto mark = read_mark(database_);
  if (mark && mark->kind == StoreMark::Kind::lost) return std::unexpected(marked(database_, *mark));
  EPIC_TRY(check_places());
  EPIC_TRY(check_sizes());
  if (mark && has_marked_away_.exchange(false)) return remove_mark(database_, StoreMark::Kind::away);
  return {};
}

std::expected<void, StoreError> StoreFiles::check_places() {
  const Identities found = identify(database_);
  for (std::size_t i = 0; i < kPartCount; ++i) {
    if (!opened_[i] || found[i] == opened_[i]) continue;
    const auto part = static_cast<Part>(i);
    // What is in a log that is gone can be copied, and the rest holds nothing.
    const bool may_lose =
        part == Part::database || (part == Part::log && size_of(path_of(database_, part)).value_or(0) > 0);
    constexpr auto kLock = static_cast<std::size_t>(Part::lock);
    // With another lock it is another directory, whose store has lost nothing.
    if (may_lose && found[kLock] == opened_[kLock]) mark_away(part);
    return std::unexpected(displaced(database_, part));
  }
  return {};
}

bool StoreFiles::is_only_log_gone() const {
  const Identities found = identify(database_);
  constexpr auto kLog = static_cast<std::size_t>(Part::log);
  for (std::size_t i = 0; i < kPartCount; ++i)
    if ((i == kLog) == (found[i] == opened_[i])) return false;
  return size_of(path_of(database_, Part::log)).value_or(0) == 0;  // a reader may have made an empty one
}

void StoreFiles::mark_log_gone() { mark_away(Part::log); }

void StoreFiles::mark_away(Part part) {
  write_mark(database_, {.kind = StoreMark::Kind::away, .what = happened_to(database_, part)}, wall_clock_());
  has_marked_away_ = true;
}

/// A size and the shared memory belong together only if the latter was the same before and after.
std::expected<void, StoreError> StoreFiles::check_sizes() {
  for (int attempt = 0; attempt < kReadingAttemptsMax; ++attempt) {
    const auto before = index_.read();
    const auto log_bytes = size_of(path_of(database_, Part::log));
    const auto database_bytes = size_of(database_);
    if (!before || before != index_.read() || !log_bytes || !database_bytes) continue;
    const auto cut_off = [this](const fs::path& path, std::uint64_t bytes) -> std::expected<void, StoreError> {
      EPIC_TRY(check_places());  // the size may be that of a file which has come in its place meanwhile
      const StoreMark mark{
          .kind = StoreMark::Kind::lost,
          .what = fmt::format("'{}' was cut off at {} bytes while the fabric ran", path.string(), bytes)};
      write_mark(database_, mark, wall_clock_());
      return std::unexpected(marked(database_, read_mark(database_).value_or(mark)));  // with the time
    };
    if (before->has_uncopied() && *log_bytes < before->log_bytes())
      return cut_off(path_of(database_, Part::log), *log_bytes);
    // It never shrinks, but for another program's VACUUM; then it had at one moment exactly as many pages as it should
    // have, and those that were added since are in the log.
    std::uint64_t should_bytes = std::uint64_t{before->pages} * before->page_bytes;
    const std::uint64_t most_bytes = database_bytes_;
    if (should_bytes < most_bytes)
      should_bytes -= std::min(should_bytes, std::uint64_t{before->frames} * before->page_bytes);
    if (*database_bytes < most_bytes && (before->pages == 0 || *database_bytes < should_bytes))
      return cut_off(database_, *database_bytes);
    database_bytes_ = *database_bytes;
    return {};
  }
  return {};  // commits follow each other closely; the next one is looked at again
}

// ---- who reads ----

namespace {

std::vector<std::string> name_lockers(const fs::path& database, int first_byte, int last_byte,
                                      std::string_view wanted) {
  const auto index = files::identify(database.string() + "-shm");
  if (!index) return {};
  const auto pids = find_lockers(index->inode, first_byte, last_byte, wanted);
  if (!pids) return {};
  std::vector<std::string> lockers;
  for (const pid_t pid : *pids) {
    std::ifstream names(fmt::format("/proc/{}/comm", pid));
    std::string name;
    std::getline(names, name);
    lockers.push_back(fmt::format("process {} ({})", pid, name));
  }
  return lockers;
}

}  // namespace

std::vector<std::string> find_readers(const fs::path& path) {
  return name_lockers(path, kReadLockFirst, kReadLockLast, "READ");
}

std::vector<std::string> find_users(const fs::path& path) {
  return name_lockers(path, kAnyLockFirst, kAnyLockLast, "");
}

}  // namespace epic::storage
