#pragma once
// SqliteStore: one SQLite database per fabric, which every node writes itself.
//
// A commit takes the writers' lock (file_lock.hpp), begins, checks that the shards' epochs are still those that the
// batch was made under, writes, commits, releases the lock, and only then syncs the log (sqlite_wal.hpp explains why
// that is durable). So the check and the write are one transaction, and neighbours never wait for each other's disk
// syncs.
//
// Next to `state.sqlite` are `-wal` and `-shm` (SQLite's own), `.lock` (whose turn it is to write), `.checkpoint` (who
// copies the log), and perhaps `.mark` or `.away` (store_mark.hpp). Only this class opens the files for writing; any
// reader may read them.
//
// Invariant: after an error of code io or marked, every later write is refused, as the content of the disk is unknown.
// Not here:  the tables (sqlite_format.hpp), the error sentences of SQLite (sqlite_connection.hpp).

#include <atomic>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "storage/file_lock.hpp"
#include "storage/sqlite_connection.hpp"
#include "storage/sqlite_files.hpp"
#include "storage/sqlite_wal.hpp"
#include "storage/store.hpp"

namespace epic::storage {

enum class StoreOwner : std::uint8_t {
  this_user,  // the files belong to this user, or are refused
  anyone,     // a file that a person has named, to read; another user may have made it, and may try to add to it
};

struct OpenOptions {
  OpenMode mode = OpenMode::existing;
  StoreOwner owner = StoreOwner::this_user;
  std::optional<std::uint32_t> shard_count = {};  // a store made with another is refused; required by `create`
  kernel::PlacementGroups groups = {};            // recorded in a store that is made
  WallClock wall_clock = &std::chrono::system_clock::now;
  std::chrono::milliseconds timeout = std::chrono::seconds(10);  // for a foreign program that locks the database
  WalLimits wal = {};
  std::uint32_t page_count_max = 0;  // limits the database, in pages of 2 KiB: beyond it a write is `full`. 0: no limit
  std::string vfs = {};              // a registered SQLite VFS; empty: the system's
};

class SqliteStore final : public Store {
 public:
  static std::expected<std::unique_ptr<SqliteStore>, StoreError> open(const std::filesystem::path& path,
                                                                      OpenOptions options);
  ~SqliteStore() override;

  [[nodiscard]] std::expected<void, StoreError> grant(const Grants& grants) override;
  [[nodiscard]] std::expected<std::vector<ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                        kernel::NodeId node,
                                                                        kernel::Incarnation incarnation) override;
  [[nodiscard]] std::expected<void, StoreError> write_next(const NextBatch& next) override;
  [[nodiscard]] std::expected<void, StoreError> sync() override;
  [[nodiscard]] std::expected<std::optional<Snapshot>, StoreError> load(std::string_view type,
                                                                        std::string_view key) override;
  [[nodiscard]] std::expected<kernel::Version, StoreError> version_floor(kernel::ShardId shard) override;
  [[nodiscard]] std::expected<std::optional<std::string>, StoreError> schema(kernel::SchemaId id) override;
  [[nodiscard]] std::expected<void, StoreError> list(const ListFilter& filter,
                                                     const std::function<Visit(const Snapshot&)>& visit,
                                                     const std::function<void(const DamagedRow&)>& on_corrupt) override;
  [[nodiscard]] std::expected<MailPage, StoreError> mail_of(kernel::ShardId shard, std::uint64_t after) override;
  [[nodiscard]] std::expected<void, StoreError> list_mail(
      const MailFilter& filter, const std::function<Visit(const Mail&)>& visit,
      const std::function<void(const DamagedMail&)>& on_corrupt) override;
  [[nodiscard]] std::expected<std::optional<FoundMail>, StoreError> find_mail(const kernel::MailId& id) override;
  [[nodiscard]] std::expected<MailCounts, StoreError> count_mail() override;
  [[nodiscard]] std::expected<std::optional<Answer>, StoreError> answer(const AnswerId& id) override;
  [[nodiscard]] std::expected<std::optional<std::int64_t>, StoreError> oldest_answer(kernel::ShardId shard) override;
  [[nodiscard]] std::expected<std::uint64_t, StoreError> count_answers();
  /// In one reading, so of a store that nobody writes.
  [[nodiscard]] std::expected<void, StoreError> list_answers(const std::function<void(const Answer&)>& visit,
                                                             const std::function<void(const StoreError&)>& on_corrupt);
  [[nodiscard]] std::expected<ReminderPage, StoreError> reminders_of(kernel::ShardId shard, const ReminderPlace& after,
                                                                     std::size_t limit) override;
  [[nodiscard]] std::expected<std::vector<std::string>, StoreError> reminder_names(std::string_view type,
                                                                                   std::string_view key,
                                                                                   std::size_t limit) override;
  [[nodiscard]] std::expected<void, StoreError> list_reminders(
      const ReminderFilter& filter, const std::function<Visit(const Reminder&)>& visit,
      const std::function<void(const DamagedReminder&)>& on_corrupt) override;
  [[nodiscard]] std::expected<std::uint64_t, StoreError> count_reminders() override;
  [[nodiscard]] OpenReader reader_opener() const override;
  [[nodiscard]] std::expected<void, StoreError> begin_moment() override;
  void end_moment() override;
  [[nodiscard]] std::expected<bool, StoreError> try_move_on() override;
  [[nodiscard]] std::expected<std::vector<TypeCount>, StoreError> count_by_type() override;
  [[nodiscard]] std::expected<std::vector<SchemaCount>, StoreError> count_by_schema() override;
  [[nodiscard]] std::expected<std::vector<ShardRow>, StoreError> shards() override;
  [[nodiscard]] const StoreIdentity& identity() const override { return identity_; }
  [[nodiscard]] std::expected<void, StoreError> check_files() override;
  [[nodiscard]] bool wants_maintenance() const override { return writer_ && writer_->wal.wants_checkpoint(); }
  [[nodiscard]] std::expected<void, StoreError> maintain() override;

 private:
  /// Older formats are read as they are.
  [[nodiscard]] bool has_mail() const { return identity_.format_version >= 3; }
  [[nodiscard]] bool has_answers() const { return identity_.format_version >= 4; }
  [[nodiscard]] bool has_reminders() const { return identity_.format_version >= 4; }

  /// What only a store that writes has.
  struct Writer {
    Writer(Connection& connection, FileLock writers_lock, FileLock checkpointers_lock, const OpenOptions& options)
        : writers(std::move(writers_lock)),
          checkpointers(std::move(checkpointers_lock)),
          wal(connection, writers, checkpointers, options.wal),
          files(connection, writers, options.wall_clock) {}
    FileLock writers;
    FileLock checkpointers;
    WalKeeper wal;
    StoreFiles files;
    std::atomic<bool> is_displaced{false};  // when files were compared last
  };
  struct Statements {
    Statement load, schema, page, keys, next_type, floor, mail_of, list_mail, find_mail;  // read
    Statement reminders_of, reminder_names, list_reminders;
    Statement begin, end, abandon;  // write
    Statement count_changes, add_change, owner, grant, take, raise_floor, put_schema;
    Statement row, version, insert, update, overwrite, remove, remove_any;
    Statement put_mail, mark_mail, end_mail;
    Statement set_reminder, forget_reminder, forget_reminders, end_reminder, advance_reminder;
    Statement answer, oldest_answer;                  // read
    Statement put_answer, end_answer, sweep_answers;  // write
  };

  SqliteStore(Connection connection, OpenOptions options)
      : options_(std::move(options)), connection_(std::move(connection)) {}
  static std::expected<std::unique_ptr<SqliteStore>, StoreError> open_for_writing(const std::filesystem::path& path,
                                                                                  OpenOptions options);
  static std::expected<std::unique_ptr<SqliteStore>, StoreError> open_for_reading(const std::filesystem::path& path,
                                                                                  OpenOptions options);
  std::expected<void, StoreError> prepare(std::initializer_list<std::pair<Statement*, const char*>> texts);
  std::expected<void, StoreError> prepare_reading();
  std::expected<void, StoreError> prepare_writing();
  std::expected<void, StoreError> prepare_mail_reading();
  std::expected<void, StoreError> prepare_mail_writing();
  std::expected<void, StoreError> prepare_answers_reading();
  std::expected<void, StoreError> prepare_answers_writing();
  std::expected<Answer, StoreError> read_whole_answer(const Statement& statement) const;
  std::expected<void, StoreError> prepare_reminder_reading();
  std::expected<void, StoreError> prepare_reminder_writing();

  /// `full` if the log has reached its limit.
  std::expected<void, StoreError> check_log_limit();
  std::expected<void, StoreError> compare_files();
  StoreError explain(StoreError error);
  /// Runs `body` as one transaction under the writers' lock. It is not durable yet.
  std::expected<void, StoreError> transact(const std::function<std::expected<void, StoreError>()>& body);
  std::expected<void, StoreError> transact_locked(const std::function<std::expected<void, StoreError>()>& body);
  /// "the store '…'".
  [[nodiscard]] std::string where() const;
  std::expected<void, StoreError> check_owners(const Batch& batch);
  std::expected<void, StoreError> note_owner_change();
  std::expected<void, StoreError> refresh_owners();
  std::expected<ShardRow, StoreError> owner_of(kernel::ShardId shard);
  std::expected<void, StoreError> put_schemas(const Batch& batch);
  std::expected<void, StoreError> apply_operations(const Batch& batch);
  /// Whether the row was as the operation states. Nothing has changed if it was not.
  std::expected<bool, StoreError> apply(const PutSnapshot& put, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const EraseSnapshot& erase, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const PutMail& put, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const MarkMail& mark, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const EndMail& end, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const PutAnswer& put, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const EndAnswer& end, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const SweepAnswers& sweep, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const SetReminder& set, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const ForgetReminder& forget, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> apply(const AdvanceReminder& advance, std::int64_t saved_at_ns);
  std::expected<bool, StoreError> change_mail(Statement& statement, std::string_view verb, const kernel::MailId& id);
  std::expected<std::optional<std::int64_t>, StoreError> find_row(const PutSnapshot& put);
  std::expected<kernel::Version, StoreError> find_version(const Operation& operation);
  std::expected<kernel::Version, StoreError> find_version(std::string_view type, std::string_view key);
  std::expected<void, StoreError> execute(Statement& statement, std::string_view doing);
  /// Remembers an error after which nothing may be written. Any thread, like failure().
  StoreError note(StoreError error);
  [[nodiscard]] std::optional<StoreError> failure() const;

  /// A snapshot, or what is wrong with it; its key is there in both cases.
  struct Row {
    Snapshot snapshot;
    std::optional<StoreError> damage;
  };
  struct Page {
    std::vector<Row> rows;
    bool is_last = false;
  };
  /// Where a page starts.
  struct Cursor {
    std::string key;
    enum class Bound : std::uint8_t { inclusive, exclusive } bound = Bound::inclusive;
  };
  Row read_row(const Statement& statement) const;
  /// Reads the columns that the statements about shards select.
  static ShardRow read_shard_row(const Statement& statement);
  std::expected<Page, StoreError> read_page(std::string_view type, const Cursor& cursor, std::string_view key_prefix);
  std::expected<Page, StoreError> read_around_damage(std::string_view type, const Cursor& cursor,
                                                     std::string_view key_prefix);
  std::expected<std::vector<TypeCount>, StoreError> count_types(const char* query);
  /// The first type after `type` that has a snapshot.
  std::expected<std::optional<std::string>, StoreError> find_next_type(std::string_view type);

  OpenOptions options_;
  StoreIdentity identity_{};
  mutable std::mutex failure_mutex_;
  std::optional<StoreError> failure_;
  Connection connection_;
  std::uint32_t moment_frames_ = 0;  // in the log when the moment began
  std::unique_ptr<Writer> writer_;
  std::unordered_map<std::uint32_t, ShardRow> owners_;  // by shard, those that were looked at, as of …
  std::optional<std::int64_t> owner_changes_;           // … this many grants and takes; empty: never read
  std::unordered_map<std::string, std::int64_t> rows_;  // "Type/Key" → number of its row
  Statements statements_;                               // closed before the connection
};

}  // namespace epic::storage
