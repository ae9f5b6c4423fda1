#include "storage/store_replacement.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <system_error>
#include <utility>
#include <vector>

#include "reflect/try.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_copy.hpp"
#include "storage/sqlite_files.hpp"
#include "storage/sqlite_store.hpp"
#include "storage/store_mark.hpp"

namespace epic::storage {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFormerName = "replaced-{}";      // the directories that former stores are kept in
constexpr const char* kWorkFile = "state.sqlite";       // for a store in a database
constexpr std::array kLogSuffixes{"-wal", "-journal"};  // what SQLite would write into the database beside it
constexpr std::uint64_t kReplacingSteps = 4;
constexpr std::chrono::seconds kUserTimeout{2};

/// The same with a store's error.
template <class T>
std::expected<T, StoreError> with_store_error(std::expected<T, files::Refusal> result) {
  if (!result) return std::unexpected(store_error(result.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(result);
}

std::expected<void, StoreError> sync_names(const fs::path& directory) {
  const int system_error = files::sync_directory(directory);
  if (system_error == 0) return {};
  return std::unexpected(
      StoreError{StoreErrorCode::io, fmt::format("cannot sync the directory '{}': {}. Check the "
                                                 "disk (`dmesg`).",
                                                 directory.string(), std::generic_category().message(system_error))});
}

StoreError being_read(const fs::path& database, const std::vector<std::string>& users) {
  return {
      StoreErrorCode::busy,
      fmt::format("the store '{}' is being read by {}. Nothing was changed. End it, and run the command again.",
                  database.string(), users.empty() ? "another process" : fmt::format("{}", fmt::join(users, ", ")))};
}

/// Copies the log into the database and removes it. A database that is none keeps its log. `busy` if another process
/// has it open.
std::expected<void, StoreError> fold_log(const fs::path& database) {
  bool is_corrupt = false;
  {
    auto connection = EPIC_TRY(Connection::open(database, Access::write, "", kUserTimeout));
    // The first takes back what a crash has left half done.
    for (const char* sql : {"SELECT count(*) FROM sqlite_schema", "PRAGMA wal_checkpoint(TRUNCATE)"}) {
      auto statement = connection.prepare(sql);
      if (statement && statement->step() != Step::failed) continue;
      StoreError error = connection.error("copy the log into the database");
      if (error.code != StoreErrorCode::corrupt && error.code != StoreErrorCode::busy)
        return std::unexpected(std::move(error));
      is_corrupt = is_corrupt || error.code == StoreErrorCode::corrupt;
    }
  }  // the last connection to close removes the log
  if (is_corrupt || !files::identify(database.string() + kLogSuffixes[0])) return {};
  return std::unexpected(being_read(database, find_readers(database)));
}

/// For a store whose log must stay as it is: of one that was cut off, pages of various times would be copied, and one
/// that belongs to another database would be written into this one. A process that has it open may remove the log by
/// name when it ends.
std::expected<void, StoreError> check_unused(const fs::path& database) {
  const auto users = find_users(database);
  if (users.empty()) return {};
  return std::unexpected(being_read(database, users));
}

}  // namespace

fs::path StoreReplacement::copy() const { return location_.parent_path() / work_name_ / location_.filename(); }

std::expected<StoreReplacement, StoreError> StoreReplacement::begin(const StoreAddress& of, std::string work_name,
                                                                    Former former, BackupWatcher watcher) {
  const fs::path location = of.has_file() ? of.location : of.directory / kWorkFile;
  StoreReplacement replacement(of, location, std::move(work_name), former,
                               EPIC_TRY(with_store_error(files::Directory::open(location.parent_path()))),
                               std::move(watcher));
  if (former == Former::is_carried && of.has_file()) {
    EPIC_TRY(replacement.lock_former());
    EPIC_TRY(StoreFiles::check_before_opening(of.location, *replacement.writers_, OpenOptions{}.wall_clock));
  }
  replacement.directory_.remove_tree(replacement.work_name_);  // of one that was interrupted
  const fs::path copy = replacement.copy();
  EPIC_TRY(with_store_error(files::make_directory(copy.parent_path())));
  EPIC_TRY(with_store_error(files::secure_file(copy, files::Missing::created)));
  return replacement;
}

StoreReplacement::~StoreReplacement() {
  if (!location_.empty()) directory_.remove_tree(work_name_);
}

/// Nobody else can write to it, or open it for that, until the end.
std::expected<void, StoreError> StoreReplacement::lock_former() {
  EPIC_TRY(with_store_error(files::refuse_link(location_)));
  writers_.emplace(EPIC_TRY(FileLock::open(location_.string() + ".lock")));
  turn_.emplace(EPIC_TRY(writers_->lock()));
  if (!writers_->is_shared_by_others()) return {};
  turn_.reset();
  return std::unexpected(
      StoreError{StoreErrorCode::busy, fmt::format("another process has the store '{0}' open for writing. Nothing was "
                                                   "changed. `fuser -v '{0}'` shows which.",
                                                   location_.string())});
}

std::expected<void, StoreError> StoreReplacement::seal() {
  EPIC_TRY(fold_log(copy()));
  return with_store_error(files::sync_file(copy()));
}

/// Gives the former database a second name; its first one is the copy's to take. With the writers' lock.
std::expected<fs::path, StoreError> StoreReplacement::keep_former(const FileLock& writers) {
  const bool has_database = files::identify(location_).has_value();
  auto whole = StoreFiles::check_before_opening(location_, writers, OpenOptions{}.wall_clock);
  if (!whole && former_ == Former::is_carried) return std::unexpected(std::move(whole.error()));
  if (has_database) EPIC_TRY(whole ? fold_log(location_) : check_unused(location_));
  watcher_.on_progress(BackupStep::replacing, 1, kReplacingSteps);
  std::vector<std::string> logs;  // those that could not be copied
  for (const char* suffix : kLogSuffixes)
    if (files::identify(location_.string() + suffix)) logs.emplace_back(suffix);
  if (!has_database && logs.empty()) return fs::path();

  const fs::path former = find_place_for_former();
  EPIC_TRY(with_store_error(files::make_directory(former)));
  const fs::path named = former / location_.filename();
  if (has_database) EPIC_TRY(with_store_error(files::link_file(location_, named)));
  for (const std::string& suffix : logs)
    EPIC_TRY(with_store_error(files::rename_file(location_.string() + suffix, named.string() + suffix)));
  for (const fs::path& mark : mark_files(location_))  // until the end it keeps others from writing to what is left here
    EPIC_TRY(with_store_error(files::link_file(mark, former / mark.filename())));
  EPIC_TRY(sync_names(former));
  EPIC_TRY(sync_names(location_.parent_path()));
  watcher_.on_progress(BackupStep::replacing, 2, kReplacingSteps);
  return former;
}

fs::path StoreReplacement::find_place_for_former() const {
  fs::path former;
  for (int number = 1; former.empty() || files::identify(former); ++number)
    former = location_.parent_path() / fmt::format(kFormerName, number);
  return former;
}

std::expected<void, StoreError> StoreReplacement::copy_former() {
  if (address_.has_file()) return copy_database(address_.location, copy(), watcher_.on_progress);
  carried_ = EPIC_TRY(copy_from_database(address_.text(), copy(), watcher_.on_progress));
  return {};
}

/// The former store becomes a file, and then the file the store.
std::expected<fs::path, StoreError> StoreReplacement::finish_in_database() {
  const fs::path former = find_place_for_former();
  EPIC_TRY(with_store_error(files::make_directory(former)));
  const fs::path kept = former / location_.filename();
  EPIC_TRY(with_store_error(files::secure_file(kept, files::Missing::created)));
  const auto copied = copy_from_database(address_.text(), kept, {});
  const bool is_there = copied || copied.error().code != StoreErrorCode::not_found;
  if (!copied) directory_.remove_tree(former.filename().string());
  if (!copied && is_there) return std::unexpected(copied.error());
  if (is_there) {
    EPIC_TRY(with_store_error(files::sync_file(kept)));
    EPIC_TRY(sync_names(former));
    EPIC_TRY(sync_names(location_.parent_path()));
  }
  const auto expected = carried_ ? carried_ : is_there ? std::optional(*copied) : std::nullopt;
  EPIC_TRY(copy_into_database(copy(), address_.text(), expected, watcher_.on_progress));
  return is_there ? former : fs::path();
}

std::expected<fs::path, StoreError> StoreReplacement::finish() {
  if (!address_.has_file()) return finish_in_database();
  if (!turn_) EPIC_TRY(lock_former());
  auto former = EPIC_TRY(keep_former(*writers_));
  EPIC_TRY(with_store_error(files::rename_file(copy(), location_)));
  watcher_.on_progress(BackupStep::replacing, 3, kReplacingSteps);
  EPIC_TRY(sync_names(location_.parent_path()));
  EPIC_TRY(remove_marks(location_));  // it was about the former one
  writers_->write_note({});           // so is shared memory that a crash has left there
  watcher_.on_progress(BackupStep::replacing, kReplacingSteps, kReplacingSteps);
  turn_.reset();
  return former;
}

}  // namespace epic::storage
