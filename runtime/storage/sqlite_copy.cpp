#include "storage/sqlite_copy.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <memory>
#include <system_error>

#include "reflect/try.hpp"
#include "storage/open_store.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_files.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::storage {

namespace {

namespace fs = std::filesystem;

constexpr int kCopyPages = 4096;               // in one step: 8 MiB
constexpr std::uint64_t kRowsPerReport = 256;  // of what is checked
constexpr std::chrono::seconds kCopyTimeout{10};

struct FinishCopy {
  void operator()(sqlite3_backup* copy) const { sqlite3_backup_finish(copy); }
};

/// Ends it with the scope.
class ReadMoment {
 public:
  static std::expected<std::unique_ptr<ReadMoment>, StoreError> begin(Connection& connection) {
    EPIC_TRY(connection.run("BEGIN", "begin to read"));
    auto moment = std::make_unique<ReadMoment>(connection);
    // SQLite picks the state with the first read.
    if (auto read = connection.integer("SELECT count(*) FROM sqlite_schema"); !read)
      return std::unexpected(read.error());
    return moment;
  }
  explicit ReadMoment(Connection& connection) : connection_(connection) {}
  ReadMoment(const ReadMoment&) = delete;
  ReadMoment& operator=(const ReadMoment&) = delete;
  ~ReadMoment() { static_cast<void>(connection_.run("COMMIT", "end reading")); }

 private:
  Connection& connection_;
};

/// Beside a fabric or, if no file can be made beside it, or others could, as it lies.
std::expected<Connection, StoreError> open_to_copy(const fs::path& path) {
  const Access access = EPIC_TRY(access_to_read(path));
  auto connection = Connection::open(path, access, "", kCopyTimeout);
  if (connection && connection->integer("SELECT count(*) FROM sqlite_schema")) return connection;
  const auto log = find_log(path);
  if (log && log->bytes > 0) return connection;
  return Connection::open(path, Access::immutable, "", kCopyTimeout);
}

/// The log must have room for what the fabric writes (WalLimits::frames_max); half of it is left to the end of the
/// copy.
std::expected<void, StoreError> check_log_room(const WalIndex& log, std::uint32_t frames_before,
                                               const WalLimits& limits, const fs::path& path) {
  const auto now = log.read();
  if (!now || now->frames < limits.frames_max / 2 || now->frames < frames_before + limits.frames_max / 8) return {};
  return std::unexpected(StoreError{
      StoreErrorCode::busy,
      fmt::format("the fabric has written so much meanwhile that the log of the store '{}' would become full. What is "
                  "written during a backup stays in the log, and a full log stops the fabric. Back it up while the "
                  "fabric writes less, or after `epic stop`.",
                  path.string())});
}

/// The copy has the source's journal mode, and with it would want a log beside it.
std::expected<void, StoreError> make_single_file(const fs::path& file) {
  auto connection = EPIC_TRY(Connection::open(file, Access::write, "", kCopyTimeout));
  EPIC_TRY(connection.run("PRAGMA synchronous = OFF", "set up writing"));
  auto statement = EPIC_TRY(connection.prepare("PRAGMA journal_mode = DELETE"));
  if (statement.step() != Step::row || statement.text(0) != "delete")
    return std::unexpected(connection.error("leave the write-ahead log"));
  return {};
}

std::expected<void, StoreError> check_structure(const fs::path& file) {
  auto connection = EPIC_TRY(Connection::open(file, Access::read, "", kCopyTimeout));
  auto statement = EPIC_TRY(connection.prepare("PRAGMA integrity_check(1)"));
  if (statement.step() != Step::row) return std::unexpected(connection.error("check the structure"));
  if (statement.text(0) == "ok") return {};
  return std::unexpected(StoreError{StoreErrorCode::corrupt, std::string(statement.text(0))});
}

}  // namespace

std::expected<void, StoreError> copy_database(const fs::path& from, const fs::path& file,
                                              const OnBackupProgress& on_progress, const WalLimits& limits) {
  {
    auto source = EPIC_TRY(open_to_copy(from));
    auto target = EPIC_TRY(Connection::open(file, Access::create, "", kCopyTimeout));
    EPIC_TRY(target.run("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", "set up a copy"));  // all of it, or none
    const auto moment = EPIC_TRY(ReadMoment::begin(source));
    const WalIndex log(source);
    const std::uint32_t frames_before = log.read().value_or(WalIndex::Header()).frames;
    const std::unique_ptr<sqlite3_backup, FinishCopy> copy(
        sqlite3_backup_init(target.raw(), "main", source.raw(), "main"));
    if (!copy) return std::unexpected(target.error("begin a copy"));
    for (int result = SQLITE_OK; result != SQLITE_DONE;) {
      result = sqlite3_backup_step(copy.get(), kCopyPages);
      if (result != SQLITE_OK && result != SQLITE_DONE) return std::unexpected(target.error("write a copy", result));
      const auto total = static_cast<std::uint64_t>(sqlite3_backup_pagecount(copy.get()));
      on_progress(BackupStep::copying, total - static_cast<std::uint64_t>(sqlite3_backup_remaining(copy.get())), total);
      EPIC_TRY(check_log_room(log, frames_before, limits, from));
    }
  }
  return make_single_file(file);
}

std::expected<StoreContent, StoreError> check_database(const fs::path& file, const BackupWatcher& watcher) {
  EPIC_TRY(check_structure(file));
  const auto store = EPIC_TRY(SqliteStore::open(file, {.mode = OpenMode::read_only}));
  StoreContent content{.identity = store->identity()};
  const auto mail = EPIC_TRY(store->count_mail());
  std::uint64_t total = mail.waiting + mail.begun + mail.dead;
  total += EPIC_TRY(store->count_reminders());
  total += EPIC_TRY(store->count_answers());
  for (const TypeCount& type : EPIC_TRY(store->count_by_type())) total += type.entities;

  std::uint64_t done = 0;
  const auto count_row = [&] {
    if (++done % kRowsPerReport == 0 || done == total) watcher.on_progress(BackupStep::checking, done, total);
    return Visit::go_on;
  };
  const auto count_damage = [&](const StoreError& damage) {
    ++content.damaged;
    watcher.on_damage(damage.message);
    count_row();
  };
  EPIC_TRY(store->list(
      {},
      [&](const Snapshot& snapshot) {
        ++content.entities;
        content.bytes += snapshot.bytes.size();
        return count_row();
      },
      count_damage));
  EPIC_TRY(store->list_mail(
      {},
      [&](const Mail& one) {
        ++(one.status == MailStatus::waiting ? content.mail.waiting
           : one.status == MailStatus::begun ? content.mail.begun
                                             : content.mail.dead);
        return count_row();
      },
      count_damage));
  EPIC_TRY(store->list_reminders(
      {},
      [&](const Reminder&) {
        ++content.reminders;
        return count_row();
      },
      count_damage));
  EPIC_TRY(store->list_answers(
      [&](const Answer&) {
        ++content.answers;
        count_row();
      },
      count_damage));
  return content;
}

}  // namespace epic::storage
