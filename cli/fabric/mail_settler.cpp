#include "cli/fabric/mail_settler.hpp"

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "cli/fabric/import_target.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "io/random.hpp"
#include "storage/grants.hpp"
#include "storage/mail.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace {

constexpr std::chrono::seconds kSettleTimeout{90};  // more than the fabric's own deadline

class LiveSettler final : public MailSettler {
 public:
  explicit LiveSettler(LiveFabric fabric) : fabric_(std::move(fabric)) {}

  Result<std::uint64_t> settle(MailAction action, std::span<const kernel::MailId> ids) override {
    control::Outbox::Request request{.action = action, .ids = {}};
    for (const kernel::MailId& id : ids) request.ids.push_back(storage::mail_id_text(id));
    const auto answer = EPIC_TRY(fabric_.ask<control::Outbox>(request, kSettleTimeout));
    return answer.count;
  }
  [[nodiscard]] std::string_view words() const override { return "the running fabric"; }

 private:
  LiveFabric fabric_;
};

class StoreSettler final : public MailSettler {
 public:
  static Result<std::unique_ptr<MailSettler>> open(const ProjectPaths& paths) {
    auto lock = EPIC_TRY(lock_project(paths));
    auto store = storage::open_store({.address = paths.store, .mode = storage::OpenMode::existing});
    if (!store) return fail(failure_of(store.error()));
    return std::make_unique<StoreSettler>(std::move(lock), std::move(*store));
  }
  StoreSettler(HeldProject lock, std::unique_ptr<storage::Store> store)
      : lock_(std::move(lock)), store_(std::move(store)) {}

  Result<std::uint64_t> settle(MailAction action, std::span<const kernel::MailId> ids) override {
    if (epochs_.empty())
      if (auto taken = take_all(); !taken) return fail(failure_of(taken.error()));
    std::set<kernel::MailId> wanted(ids.begin(), ids.end());
    std::uint64_t count = 0;
    const auto damaged = action == MailAction::drop ? storage::Damaged::included : storage::Damaged::skipped;
    while (true) {
      const auto dead = storage::read_dead_letters(*store_, wanted, damaged);
      if (!dead) return fail(failure_of(dead.error()));
      if (dead->empty()) return count;
      if (auto done = store_->commit(batch_of(action, *dead)); !done) return fail(failure_of(done.error()));
      count += dead->size();
    }
  }
  [[nodiscard]] std::string_view words() const override { return "the store (no fabric runs)"; }

 private:
  std::expected<void, storage::StoreError> take_all() {
    writer_ = kernel::Incarnation{io::random_id()};
    const auto taken = EPIC_TRY(storage::take_all(*store_, writer_));
    for (const kernel::ShardEpoch& one : taken) epochs_.emplace(one.shard, one.epoch);
    return {};
  }

  storage::Batch batch_of(MailAction action, const std::vector<storage::Mail>& dead) {
    last_commit_ = last_commit_.next();
    storage::Batch batch{.number = last_commit_, .writer = writer_, .epochs = {}, .schemas = {}, .operations = {}};
    std::set<kernel::ShardId> shards;
    for (const storage::Mail& mail : dead) {
      const kernel::ShardEpoch tenure{mail.to_shard, epochs_.at(mail.to_shard)};
      if (shards.insert(tenure.shard).second) batch.epochs.push_back(tenure);
      batch.operations.emplace_back(storage::EndMail{.id = mail.id, .to_shard = mail.to_shard});
      if (action == MailAction::drop) continue;
      storage::Mail again = mail;
      again.id = {.shard = tenure.shard, .epoch = tenure.epoch, .number = ++last_number_};
      again.status = storage::MailStatus::waiting;
      again.why.clear();
      batch.operations.emplace_back(storage::PutMail{std::move(again)});
    }
    return batch;
  }

  HeldProject lock_;  // destroyed after the store
  std::unique_ptr<storage::Store> store_;
  std::map<kernel::ShardId, kernel::Epoch> epochs_;
  kernel::CommitNumber last_commit_;
  std::uint64_t last_number_ = 0;  // of a message
  kernel::Incarnation writer_;
};

}  // namespace

Result<std::unique_ptr<MailSettler>> MailSettler::open(const ProjectPaths& paths) {
  auto fabric = EPIC_TRY(LiveFabric::find(paths));
  if (fabric) return std::make_unique<LiveSettler>(std::move(*fabric));
  return StoreSettler::open(paths);
}

}  // namespace epic::cli
