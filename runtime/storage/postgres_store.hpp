#pragma once
// PostgresStore: a PostgreSQL database that the processes of a fabric share, on this machine or others.
//
// A batch is one transaction and one round trip: the writer's mark, the fence, then a statement for each kind of
// operation (postgres_batch.hpp). The fence locks the rows of the batch's shards until the transaction ends, so a grant
// waits for it, and it waits for a grant. When the server has confirmed it, it is durable, and with a synchronous
// standby it is there, too: sync() has nothing left to do.
//
// A connection may break while a transaction is under way. Then nobody knows whether it was committed, and reading
// would not settle it, since the server may still carry it out. So each store that writes has a row in `epic.writers`,
// with a link and the number of its last transaction, which every transaction changes under the condition that the link
// is what it was. On its next connection the store moves the link on: from then on the old connection can commit
// nothing, and the number says what it did.
//
// Invariant: a number that was confirmed is never greater than the one in the row. If it is, the database has lost
//            commits, as a restored copy or a standby that lagged behind has: then it is marked, and nobody writes to
//            it. Each new connection looks, at the numbers of all writers of this machine (postgres_confirmed.hpp).
// Not here:  libpq (postgres_connection.hpp), SQL (postgres_statements.hpp), the tables (postgres_format.hpp).

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "storage/postgres_confirmed.hpp"
#include "storage/postgres_connection.hpp"
#include "storage/postgres_mail_places.hpp"
#include "storage/store.hpp"

namespace epic::storage {

struct PostgresOptions {
  OpenMode mode = OpenMode::existing;
  std::optional<std::uint32_t> shard_count = {};  // a store made with another is refused; required by `create`
  kernel::PlacementGroups groups = {};            // recorded in a store that is made
  std::filesystem::path notes = {};               // a directory, for PgConfirmed; empty: none
  bool is_of_fabric = false;                      // nobody may hold the store then (StoreHold)
  WallClock wall_clock = &std::chrono::system_clock::now;
};

class PostgresStore final : public Store {
 public:
  static std::expected<std::unique_ptr<PostgresStore>, StoreError> open(const std::string& url,
                                                                        PostgresOptions options);

  /// What has happened to the store, if something acknowledged may be missing from it.
  [[nodiscard]] static std::expected<std::optional<std::string>, StoreError> find_mark(const std::string& url);
  [[nodiscard]] static std::expected<void, StoreError> lift_mark(const std::string& url);

  [[nodiscard]] std::expected<void, StoreError> grant(const Grants& grants) override;
  [[nodiscard]] std::expected<std::vector<ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                        kernel::NodeId node,
                                                                        kernel::Incarnation incarnation) override;
  [[nodiscard]] std::expected<void, StoreError> write_next(const NextBatch& next) override;
  [[nodiscard]] std::expected<void, StoreError> sync() override;
  [[nodiscard]] bool has_files() const override { return false; }
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
  [[nodiscard]] std::expected<std::vector<TypeCount>, StoreError> count_by_type() override;
  [[nodiscard]] std::expected<std::vector<SchemaCount>, StoreError> count_by_schema() override;
  [[nodiscard]] std::expected<std::vector<ShardRow>, StoreError> shards() override;
  [[nodiscard]] const StoreIdentity& identity() const override { return identity_; }

 private:
  /// This store's row in `epic.writers`.
  struct Writer {
    std::int64_t id = 0;  // 0: it has written nothing yet
    std::int64_t link = 0;
    std::int64_t number = 0;               // of the last transaction that is known to be committed
    kernel::Incarnation incarnation = {};  // that the row names
    kernel::NodeId node = {};
    bool must_move_on = false;  // there is a new connection
    enum class Open : std::uint8_t {
      nothing,
      other,  // the outcome of a transaction after `number` that may be repeated
      batch,  // … of a batch
    };
    Open open = Open::nothing;
    bool has_written_batch = false;  // it turned out to be committed, and write_next() has not said so yet
  };

  PostgresStore(std::string url, PostgresOptions options) : url_(std::move(url)), options_(std::move(options)) {}
  [[nodiscard]] bool is_writing() const { return options_.mode != OpenMode::read_only; }
  [[nodiscard]] std::string where() const;
  [[nodiscard]] std::uint32_t shard_count() const { return identity_.placement.shard_count(); }

  // ---- connections
  std::expected<void, StoreError> open_connection();
  /// For writing: there is a connection, and what the last one has done is known.
  std::expected<void, StoreError> get_ready();
  std::expected<void, StoreError> move_on();
  void note_confirmed();
  void remove_dead_writers();
  /// Whether the database has what it has confirmed to this machine.
  std::expected<void, StoreError> check_confirmed(PgConnection& connection);
  StoreError mark_lost(PgConnection& connection, const std::string& what);
  /// Runs these as one transaction under the writer's mark.
  std::expected<std::vector<PgRows>, PgFailure> write(std::vector<PgCall> calls, Writer::Open kind);
  /// Of write(): the transaction has failed, or its outcome is open.
  StoreError failed_write(std::string_view doing, const PgFailure& failure);
  std::expected<std::vector<PgRows>, StoreError> read(std::span<const PgCall> calls, std::string_view doing);
  std::expected<PgRows, StoreError> read(const PgStatement& statement, PgParams params, std::string_view doing);
  /// Remembers an error after which nothing may be written. Any thread, like failure().
  StoreError note(StoreError error);
  [[nodiscard]] std::optional<StoreError> failure() const;

  // ---- writing
  std::expected<std::vector<ShardRow>, StoreError> rows_of(std::vector<kernel::ShardId> shards);
  StoreError explain_refused(const Grants& grants, const PgFailure& failure);
  void end_sessions(const Grants& grants);
  StoreError explain_lost_ownership(const Batch& batch);
  StoreError find_conflict(const Batch& batch, std::int64_t saved_at_ns);
  std::expected<kernel::Version, StoreError> find_version(const Operation& operation);

  const std::string url_;
  const PostgresOptions options_;
  StoreIdentity identity_{};  // of no shard before the first connection
  std::int64_t history_ = 0;
  std::optional<PgConfirmed> confirmed_;
  mutable std::mutex failure_mutex_;
  std::optional<StoreError> failure_;
  std::optional<PgConnection> connection_;
  Writer writer_;
  bool is_in_moment_ = false;
  PgMailPlaces places_;
};

}  // namespace epic::storage
