#pragma once
// ForwardingStore: another store, for tests that change what one or two of its functions do.

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/store.hpp"

namespace epic::test {

class ForwardingStore : public storage::Store {
  template <class T>
  using Result = std::expected<T, storage::StoreError>;

 public:
  explicit ForwardingStore(std::unique_ptr<storage::Store> inner) : inner_(std::move(inner)) {}

  Result<void> grant(const storage::Grants& grants) override { return inner_->grant(grants); }
  Result<std::vector<kernel::ShardEpoch>> take(std::span<const kernel::ShardId> shards, kernel::NodeId node,
                                               kernel::Incarnation incarnation) override {
    return inner_->take(shards, node, incarnation);
  }
  Result<void> write_next(const NextBatch& next) override { return inner_->write_next(next); }
  Result<void> sync() override { return inner_->sync(); }
  Result<std::optional<storage::Snapshot>> load(std::string_view type, std::string_view key) override {
    return inner_->load(type, key);
  }
  Result<kernel::Version> version_floor(kernel::ShardId shard) override { return inner_->version_floor(shard); }
  Result<std::optional<std::string>> schema(kernel::SchemaId id) override { return inner_->schema(id); }
  Result<void> list(const storage::ListFilter& filter,
                    const std::function<storage::Visit(const storage::Snapshot&)>& visit,
                    const std::function<void(const storage::DamagedRow&)>& on_corrupt) override {
    return inner_->list(filter, visit, on_corrupt);
  }
  Result<kernel::MailPage> mail_of(kernel::ShardId shard, std::uint64_t after) override {
    return inner_->mail_of(shard, after);
  }
  Result<void> list_mail(const storage::MailFilter& filter,
                         const std::function<storage::Visit(const storage::Mail&)>& visit,
                         const std::function<void(const storage::DamagedMail&)>& on_corrupt) override {
    return inner_->list_mail(filter, visit, on_corrupt);
  }
  Result<std::optional<storage::FoundMail>> find_mail(const kernel::MailId& id) override {
    return inner_->find_mail(id);
  }
  Result<storage::MailCounts> count_mail() override { return inner_->count_mail(); }
  Result<std::optional<storage::Answer>> answer(const storage::AnswerId& id) override { return inner_->answer(id); }
  Result<std::optional<std::int64_t>> oldest_answer(kernel::ShardId shard) override {
    return inner_->oldest_answer(shard);
  }
  Result<storage::ReminderPage> reminders_of(kernel::ShardId shard, const storage::ReminderPlace& after,
                                             std::size_t limit) override {
    return inner_->reminders_of(shard, after, limit);
  }
  Result<std::vector<std::string>> reminder_names(std::string_view type, std::string_view key,
                                                  std::size_t limit) override {
    return inner_->reminder_names(type, key, limit);
  }
  Result<void> list_reminders(const storage::ReminderFilter& filter,
                              const std::function<storage::Visit(const storage::Reminder&)>& visit,
                              const std::function<void(const storage::DamagedReminder&)>& on_corrupt) override {
    return inner_->list_reminders(filter, visit, on_corrupt);
  }
  Result<std::uint64_t> count_reminders() override { return inner_->count_reminders(); }
  OpenReader reader_opener() const override { return inner_->reader_opener(); }
  Result<void> begin_moment() override { return inner_->begin_moment(); }
  void end_moment() override { inner_->end_moment(); }
  Result<std::vector<storage::TypeCount>> count_by_type() override { return inner_->count_by_type(); }
  Result<std::vector<ShardRow>> shards() override { return inner_->shards(); }
  const storage::StoreIdentity& identity() const override { return inner_->identity(); }
  Result<void> check_files() override { return inner_->check_files(); }

 protected:
  [[nodiscard]] storage::Store& inner() const { return *inner_; }

 private:
  std::unique_ptr<storage::Store> inner_;
};

}  // namespace epic::test
