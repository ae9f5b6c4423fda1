#pragma once
// StoreFiles: are the files of an open store still those that their names lead to, and whole?
//
// SQLite holds its files open. When one of them is deleted, replaced or cut off under it, it goes on writing to what
// nobody will find again. So a writer remembers which files it has opened, and compares them with their names before it
// acknowledges anything, and twice a second.
//
// A store must not be opened into such a mixture either: a new log beside the shared memory of the former one would
// damage the database. So a process that opens a store that nobody has open records its files in `.lock`, and others
// compare before SQLite opens anything. That a store is open shows in a shared lock on `.lock` of each writer, which
// ends with its process. (It belongs to the descriptor, so it stays clear of flock() and of SQLite's locks.)
//
// If something acknowledged is gone for good, the store gets a mark (store_mark.hpp), which ends every process that has
// it open and keeps others from writing to it. That also shows after a crash, as long as the shared memory lies there:
// it says how long the log was.
//
// Invariant: what sync() of a store acknowledges was, at that moment, in the files that the next opening will find.
// Not here:  damage inside the files (checksums: sqlite_log_vfs.hpp, row_checksum.hpp).

#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "storage/file_lock.hpp"
#include "storage/sqlite_connection.hpp"

namespace epic::storage {

/// What the shared memory beside the database says of its log. The format is documented: sqlite.org/walformat.html.
class WalIndex {
 public:
  /// `connection` must have read, and stay open.
  explicit WalIndex(Connection& connection);

  struct Header {
    std::uint32_t frames = 0;  // in the log, of all commits
    std::uint32_t pages = 0;   // of the database with them; 0: unknown
    std::uint32_t page_bytes = 0;
    std::uint32_t changes = 0;            // counts commits
    std::uint32_t copied = 0;             // frames that are also in the database
    std::array<std::uint32_t, 2> salt{};  // of the log, as it lies there
    /// The size of a log with all those frames.
    [[nodiscard]] std::uint64_t log_bytes() const;
    /// The log is needed.
    [[nodiscard]] bool has_uncopied() const { return frames > copied; }
    friend bool operator==(const Header&, const Header&) = default;
  };
  /// Empty if there is none, or it is being written. Any thread.
  [[nodiscard]] std::optional<Header> read() const;
  /// The same of the file that the last process to die has left. Not if anybody has it open.
  [[nodiscard]] static std::optional<Header> read_left_behind(const std::filesystem::path& index);

 private:
  const volatile std::uint32_t* words_ = nullptr;
};

class StoreFiles {
 public:
  /// Before SQLite opens anything, with the writers' lock. `displaced` if others have other files open than there are,
  /// `marked` if the store has a mark or gets one now, `corrupt` if the database was emptied.
  [[nodiscard]] static std::expected<void, StoreError> check_before_opening(const std::filesystem::path& database,
                                                                            const FileLock& writers,
                                                                            const WallClock& wall_clock);
  /// The same for one that only reads, also what is marked.
  [[nodiscard]] static std::expected<void, StoreError> check_before_reading(const std::filesystem::path& database,
                                                                            const WallClock& wall_clock);
  /// Lifts the mark, and forgets what the files were when the store was last open: what is there now is the store.
  [[nodiscard]] static std::expected<void, StoreError> accept_loss(const std::filesystem::path& database);
  /// `corrupt` if the database is too short for what its log says. After SQLite has read it.
  [[nodiscard]] static std::expected<void, StoreError> check_length(Connection& connection);

  /// With the writers' lock, after SQLite has opened and read the database; records the files if nobody else has them
  /// open. `writers` must stay.
  StoreFiles(Connection& connection, const FileLock& writers, WallClock wall_clock);

  /// `displaced` or `marked` with a sentence for people. Any thread.
  [[nodiscard]] std::expected<void, StoreError> check();
  /// Only the log is gone: everything in it can still be copied into the database.
  [[nodiscard]] bool is_only_log_gone() const;
  /// … and cannot be copied at the moment. A mark says so as long as check() finds it gone.
  void mark_log_gone();

 private:
  enum class Part : std::uint8_t { database, log, index, lock };
  static constexpr std::size_t kPartCount = 4;
  using Identities = std::array<std::optional<files::Identity>, kPartCount>;

  static std::filesystem::path path_of(const std::filesystem::path& database, Part part);
  static Identities identify(const std::filesystem::path& database);
  static std::string happened_to(const std::filesystem::path& database, Part part);
  static StoreError displaced(const std::filesystem::path& database, Part part);
  static std::expected<void, StoreError> compare(const std::filesystem::path& database, const std::string& record);
  static std::string record_of(const Identities& identities);
  static bool is_back(const std::filesystem::path& database, const std::string& record);
  static std::expected<void, StoreError> check_not_emptied(const std::filesystem::path& database,
                                                           const std::string& record);
  static std::optional<std::string> find_lost_log(const std::filesystem::path& database, const std::string& record);
  [[nodiscard]] std::expected<void, StoreError> check_places();
  [[nodiscard]] std::expected<void, StoreError> check_sizes();
  void mark_away(Part part);

  std::filesystem::path database_;
  WalIndex index_;
  WallClock wall_clock_;
  Identities opened_;
  std::atomic<bool> has_marked_away_{false};
  std::atomic<std::uint64_t> database_bytes_{0};  // the most that was seen
};

/// Who reads the database behind `path` at the moment, and so keeps its log from being used again: "process 12 (name)".
/// Empty if that cannot be found out.
[[nodiscard]] std::vector<std::string> find_readers(const std::filesystem::path& path);
/// The processes that have the file open, likewise.
[[nodiscard]] std::vector<std::string> find_users(const std::filesystem::path& path);

}  // namespace epic::storage
