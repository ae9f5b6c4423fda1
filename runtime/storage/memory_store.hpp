#pragma once
// MemoryStore: the Store's semantics without a disk, for tests, the simulator and throw-away fabrics.
//
// An object in memory, shared by several stores on any threads, takes the place of SqliteStore's database file. It is
// as durable as its process.

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "kernel/placement.hpp"
#include "storage/memory_reminders.hpp"
#include "storage/store.hpp"

namespace epic::storage {

class MemoryStore final : public Store {
 public:
  enum class Granting : std::uint8_t {
    required,
    implied,  // who takes a shard is granted it: for a store that one node has to itself
  };
  MemoryStore(kernel::Placement placement, WallClock wall_clock, Granting granting = Granting::required);
  [[nodiscard]] OpenReader reader_opener() const override {
    return [shared = shared_] { return std::unique_ptr<Store>(new MemoryStore(shared)); };
  }

  [[nodiscard]] std::expected<void, StoreError> grant(const Grants& grants) override;
  [[nodiscard]] std::expected<std::vector<ShardEpoch>, StoreError> take(std::span<const kernel::ShardId> shards,
                                                                        kernel::NodeId node,
                                                                        kernel::Incarnation incarnation) override;
  [[nodiscard]] std::expected<void, StoreError> write_next(const NextBatch& next) override;
  [[nodiscard]] std::expected<void, StoreError> sync() override { return {}; }
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
  [[nodiscard]] std::expected<void, StoreError> begin_moment() override;
  void end_moment() override;
  [[nodiscard]] std::expected<std::vector<TypeCount>, StoreError> count_by_type() override;
  [[nodiscard]] std::expected<std::vector<ShardRow>, StoreError> shards() override;
  [[nodiscard]] const StoreIdentity& identity() const override { return shared_->identity; }

  /// What resharding.hpp does to a store on disk. Nobody else uses it meanwhile.
  void reshard(const kernel::Placement& placement);

 private:
  using Name = std::pair<std::string, std::string>;  // type, key

  /// What a moment is of.
  struct Rows {
    std::map<Name, Snapshot> snapshots = {};
    std::map<std::uint64_t, Mail> mail = {};                         // by place
    std::set<std::pair<kernel::ShardId, std::uint64_t>> alive = {};  // receiver's shard and place, unless it is dead
    std::map<AnswerId, Answer> answers = {};
    MemoryReminders reminders = {};
  };
  struct Shared {
    StoreIdentity identity;
    WallClock wall_clock;
    Granting granting;
    std::mutex mutex = {};
    std::map<kernel::ShardId, ShardRow> shards = {};
    std::map<kernel::ShardId, kernel::Version> version_floors = {};
    std::map<kernel::SchemaId, std::string> schemas = {};
    std::map<kernel::MailId, std::uint64_t> places = {};  // of mail
    std::uint64_t last_place = 0;
    Rows rows = {};

    [[nodiscard]] std::uint32_t shard_count() const { return identity.placement.shard_count(); }
  };
  /// What the operations before one leave of what they change.
  struct Trial {
    std::map<kernel::MailId, std::optional<kernel::ShardId>> mail = {};  // the receiver's shard; empty: no message
    std::map<AnswerId, AnswerStatus> answers = {};
    MemoryReminders reminders = {};  // of the entities whose were changed
  };

  explicit MemoryStore(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  // With the mutex.
  [[nodiscard]] ShardRow& row_of(kernel::ShardId shard);
  [[nodiscard]] kernel::Version version_of(const Operation& operation) const;
  [[nodiscard]] std::optional<kernel::ShardId> receiver_of(const kernel::MailId& id, const Trial& earlier) const;
  [[nodiscard]] std::optional<AnswerStatus> status_of(const AnswerId& id, const Trial& earlier) const;
  /// Whether it finds the row that it states.
  [[nodiscard]] bool fits(const Operation& operation, Trial& earlier) const;
  void apply(const PutSnapshot& put);
  void apply(const EraseSnapshot& erase);
  void apply(const PutMail& put);
  void apply(const MarkMail& mark);
  void apply(const EndMail& end);
  void apply(const PutAnswer& put);
  void apply(const EndAnswer& end);
  void apply(const SweepAnswers& sweep);
  void apply(const kernel::OfReminder auto& change) { shared_->rows.reminders.change(change); }
  /// What is read, under the mutex.
  [[nodiscard]] const Rows& rows() const { return moment_ ? *moment_ : shared_->rows; }
  /// The next snapshots at or after `from`; the visitor runs without the mutex.
  std::vector<Snapshot> copy_page(const Name& from, const ListFilter& filter);
  /// The next messages after the place `after`, likewise; `after` becomes that of the last.
  std::vector<Mail> copy_mail(std::uint64_t& after, const MailFilter& filter);

  std::shared_ptr<Shared> shared_;  // by the stores of the same rows
  std::unique_ptr<Rows> moment_;    // a copy of that time; null: reads see the current state
};

}  // namespace epic::storage
