#include "storage/batch_check.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/assert.hpp"
#include "storage/mail.hpp"

namespace epic::storage {

void check_batch(const Batch& batch, std::uint32_t shard_count) {
  std::vector<kernel::ShardId> covered;
  covered.reserve(batch.epochs.size());
  for (const ShardEpoch& held : batch.epochs) covered.push_back(held.shard);
  std::ranges::sort(covered);
  EPIC_ASSERT(std::ranges::adjacent_find(covered) == covered.end(), "commit {} names a shard twice", batch.number);
  EPIC_ASSERT(covered.empty() || covered.back().value < shard_count, "commit {} names shard {} of {}", batch.number,
              covered.back(), shard_count);
  for (const Operation& operation : batch.operations) {
    EPIC_ASSERT(std::ranges::binary_search(covered, kernel::shard_of(operation)),
                "commit {} writes to shard {} without its epoch", batch.number, kernel::shard_of(operation));
    if (const auto* const set = std::get_if<SetReminder>(&operation))
      EPIC_ASSERT(!set->reminder.name.name.empty() && set->reminder.every_ns >= 0,
                  "commit {} sets a reminder '{}' every {} ns", batch.number, set->reminder.name.name,
                  set->reminder.every_ns);
    const auto* const put = std::get_if<PutMail>(&operation);
    if (put == nullptr) continue;
    EPIC_ASSERT(put->mail.to_shard.value < shard_count && put->mail.to.contains('/'),
                "commit {} has mail to '{}' on shard {} of {}", batch.number, put->mail.to, put->mail.to_shard,
                shard_count);
  }
}

StoreError lost_ownership(const Batch& batch, const ShardEpoch& held, const Store::ShardRow& row,
                          const std::string& where) {
  return {
      StoreErrorCode::lost_ownership,
      fmt::format("shard {} is at epoch {} in {}, owned by node-{} (incarnation {}); this batch was made under epoch "
                  "{} by incarnation {}. Nothing was written.",
                  held.shard, row.epoch, where, row.node, row.incarnation, held.epoch, batch.writer)};
}

namespace {

/// What it was to do, and what it found instead.
std::string describe_failed(const kernel::OfSnapshot auto& change, kernel::Version found, const std::string& where) {
  const auto describe = [](kernel::Version version) {
    return version == kernel::Version{0} ? std::string("no saved state") : fmt::format("version {}", version);
  };
  return fmt::format("version {} of {}/{}, is to replace {}, and {} has {}", change.version, change.type, change.key,
                     describe(change.replaces.value_or(found)), where, describe(found));
}

std::string describe_failed(const PutMail& put, kernel::Version, const std::string& where) {
  return fmt::format("which adds message {} to {}, finds it already in {}", mail_id_text(put.mail.id), put.mail.to,
                     where);
}

std::string describe_failed(const MarkMail& mark, kernel::Version, const std::string& where) {
  return fmt::format("which marks message {} to an entity of shard {}, does not find it in {}", mail_id_text(mark.id),
                     mark.to_shard, where);
}

std::string describe_failed(const EndMail& end, kernel::Version, const std::string& where) {
  return fmt::format("which removes message {} to an entity of shard {}, does not find it in {}", mail_id_text(end.id),
                     end.to_shard, where);
}

std::string describe_failed(const PutAnswer& put, kernel::Version, const std::string& where) {
  return fmt::format("which adds the answer to key '{}' of {}, finds one already in {}", put.answer.id.key,
                     put.answer.id.entity, where);
}

std::string describe_failed(const EndAnswer& end, kernel::Version, const std::string& where) {
  return fmt::format("which ends the answer to key '{}' of {}, does not find it begun in {}", end.id.key, end.id.entity,
                     where);
}

std::string describe_failed(const SweepAnswers& sweep, kernel::Version, const std::string& where) {
  return fmt::format("which removes old answers of shard {}, does not fit {}", sweep.shard, where);
}

std::string describe_failed(const AdvanceReminder& advance, kernel::Version, const std::string& where) {
  return fmt::format("which advances the reminder '{}' of {}/{}, does not find it due as it was in {}",
                     advance.name.name, advance.name.type, advance.name.key, where);
}

/// It takes whatever it finds.
std::string describe_failed(const kernel::OfReminder auto&, kernel::Version, const std::string& where) {
  return fmt::format("which is about a reminder, failed in {}", where);
}

}  // namespace

StoreError conflict(const Batch& batch, std::size_t operation, kernel::Version found, const std::string& where) {
  const std::string what = std::visit([&](const auto& change) { return describe_failed(change, found, where); },
                                      batch.operations[operation]);
  return {StoreErrorCode::conflict,
          fmt::format("operation {} of commit {}, {}. Nothing was written.", operation + 1, batch.number, what),
          operation};
}

StoreError not_granted(const Grant& grant, kernel::Term term, const Store::ShardRow& row, const std::string& where) {
  return {
      StoreErrorCode::not_granted,
      fmt::format("shard {} cannot be granted to node-{} under term {}: in {} node-{} has it (incarnation {}, and {} "
                  "was expected), granted under term {}. Nothing was written. Does another fabric use this store?",
                  grant.shard, grant.node, term, where, row.node, row.incarnation, grant.former, row.term)};
}

StoreError not_granted(kernel::NodeId node, kernel::Incarnation incarnation, const Store::ShardRow& row,
                       const std::string& where) {
  return {
      StoreErrorCode::not_granted,
      fmt::format("shard {} is not granted to node-{} (incarnation {}): in {} it is granted to node-{} (incarnation "
                  "{}). Nothing was changed.",
                  row.shard, node, incarnation, where, row.node, row.incarnation)};
}

bool may_grant(const Grant& grant, kernel::Term term, const Store::ShardRow& row) {
  return row.term <= term && (row.incarnation == grant.former || row.incarnation == grant.incarnation);
}

}  // namespace epic::storage
