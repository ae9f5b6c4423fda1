#include "storage/memory_store.hpp"

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"
#include "storage/batch_check.hpp"

namespace epic::storage {

namespace {
constexpr const char* kWhere = "the memory store";
}  // namespace

MemoryStore::MemoryStore(kernel::Placement placement, WallClock wall_clock, Granting granting)
    : shared_(std::make_shared<Shared>(StoreIdentity{.format_version = 1, .placement = std::move(placement)},
                                       std::move(wall_clock), granting)) {
  EPIC_ASSERT(shared_->shard_count() > 0, "a store needs a shard count");
}

Store::ShardRow& MemoryStore::row_of(kernel::ShardId shard) {
  EPIC_ASSERT(shard.value < shared_->shard_count(), "shard {} of {}", shard, shared_->shard_count());
  return shared_->shards.try_emplace(shard, ShardRow{.shard = shard}).first->second;
}

std::expected<void, StoreError> MemoryStore::grant(const Grants& grants) {
  const std::scoped_lock lock(shared_->mutex);
  for (const Grant& grant : grants.list)
    if (const ShardRow& row = row_of(grant.shard); !may_grant(grant, grants.term, row))
      return std::unexpected(not_granted(grant, grants.term, row, kWhere));
  for (const Grant& grant : grants.list) {
    ShardRow& row = row_of(grant.shard);
    row = {.shard = grant.shard,
           .epoch = row.epoch,
           .node = grant.node,
           .incarnation = grant.incarnation,
           .map_version = grants.map_version,
           .term = grants.term};
  }
  return {};
}

std::expected<std::vector<ShardEpoch>, StoreError> MemoryStore::take(std::span<const kernel::ShardId> shards,
                                                                     kernel::NodeId node,
                                                                     kernel::Incarnation incarnation) {
  const std::scoped_lock lock(shared_->mutex);
  for (const kernel::ShardId shard : shards) {
    ShardRow& row = row_of(shard);
    if (shared_->granting == Granting::implied) {
      row.node = node;
      row.incarnation = incarnation;
    } else if (row.node != node || row.incarnation != incarnation) {
      return std::unexpected(not_granted(node, incarnation, row, kWhere));
    }
  }
  std::vector<ShardEpoch> taken;
  taken.reserve(shards.size());
  for (const kernel::ShardId shard : shards) {
    ShardRow& row = row_of(shard);
    row.epoch = row.epoch.next();
    taken.push_back({shard, row.epoch});
  }
  return taken;
}

std::expected<void, StoreError> MemoryStore::write_next(const NextBatch& next) {
  const Batch& batch = next();
  check_batch(batch, shared_->shard_count());
  const std::scoped_lock lock(shared_->mutex);
  for (const ShardEpoch& held : batch.epochs)
    if (const ShardRow& row = row_of(held.shard); row.epoch != held.epoch || row.incarnation != batch.writer)
      return std::unexpected(lost_ownership(batch, held, row, kWhere));
  Trial trial;
  for (std::size_t i = 0; i < batch.operations.size(); ++i)
    if (!fits(batch.operations[i], trial))
      return std::unexpected(conflict(batch, i, version_of(batch.operations[i]), kWhere));
  for (const SchemaText& schema : batch.schemas) shared_->schemas.try_emplace(schema.id, schema.text);
  for (const Operation& operation : batch.operations)
    std::visit([this](const auto& change) { apply(change); }, operation);
  return {};
}

/// Of the entity that it changes; 0 if it changes none.
kernel::Version MemoryStore::version_of(const Operation& operation) const {
  const auto find = [this](const std::string& type, const std::string& key) {
    const auto found = shared_->rows.snapshots.find(Name{type, key});
    return found == shared_->rows.snapshots.end() ? kernel::Version{0} : found->second.version;
  };
  if (const auto* const put = std::get_if<PutSnapshot>(&operation)) return find(put->type, put->key);
  if (const auto* const erase = std::get_if<EraseSnapshot>(&operation)) return find(erase->type, erase->key);
  return kernel::Version{0};
}

std::optional<kernel::ShardId> MemoryStore::receiver_of(const kernel::MailId& id, const Trial& earlier) const {
  if (const auto changed = earlier.mail.find(id); changed != earlier.mail.end()) return changed->second;
  const auto found = shared_->places.find(id);
  if (found == shared_->places.end()) return std::nullopt;
  return shared_->rows.mail.at(found->second).to_shard;
}

std::optional<AnswerStatus> MemoryStore::status_of(const AnswerId& id, const Trial& earlier) const {
  if (const auto changed = earlier.answers.find(id); changed != earlier.answers.end()) return changed->second;
  const auto found = shared_->rows.answers.find(id);
  return found == shared_->rows.answers.end() ? std::nullopt : std::optional(found->second.end.status);
}

bool MemoryStore::fits(const Operation& operation, Trial& earlier) const {
  shared_->rows.reminders.lend(operation, earlier.reminders);
  if (const auto* const set = std::get_if<SetReminder>(&operation)) return earlier.reminders.change(*set);
  if (const auto* const forget = std::get_if<ForgetReminder>(&operation)) return earlier.reminders.change(*forget);
  if (const auto* const advance = std::get_if<AdvanceReminder>(&operation)) return earlier.reminders.change(*advance);
  if (const auto* const put = std::get_if<PutAnswer>(&operation)) {
    if (status_of(put->answer.id, earlier)) return false;
    earlier.answers[put->answer.id] = put->answer.end.status;
    return true;
  }
  if (const auto* const end = std::get_if<EndAnswer>(&operation)) {
    if (status_of(end->id, earlier) != AnswerStatus::begun) return false;
    earlier.answers[end->id] = end->end.status;
    return true;
  }
  if (std::holds_alternative<SweepAnswers>(operation)) return true;
  if (const auto* const put = std::get_if<PutMail>(&operation)) {
    if (receiver_of(put->mail.id, earlier)) return false;
    earlier.mail[put->mail.id] = put->mail.to_shard;
    return true;
  }
  if (const auto* const mark = std::get_if<MarkMail>(&operation))
    return receiver_of(mark->id, earlier) == mark->to_shard;
  if (const auto* const end = std::get_if<EndMail>(&operation)) {
    if (receiver_of(end->id, earlier) != end->to_shard) return false;
    earlier.mail[end->id] = std::nullopt;
    return true;
  }
  const auto* const put = std::get_if<PutSnapshot>(&operation);
  const auto replaces = put == nullptr ? std::get<EraseSnapshot>(operation).replaces : put->replaces;
  return !replaces || *replaces == version_of(operation);
}

void MemoryStore::apply(const PutSnapshot& put) {
  shared_->rows.snapshots.insert_or_assign(Name{put.type, put.key}, Snapshot{.type = put.type,
                                                                             .key = put.key,
                                                                             .shard = put.shard,
                                                                             .version = put.version,
                                                                             .schema = put.schema,
                                                                             .saved_at = shared_->wall_clock(),
                                                                             .bytes = put.bytes});
}

void MemoryStore::apply(const EraseSnapshot& erase) {
  shared_->rows.snapshots.erase(Name{erase.type, erase.key});
  kernel::Version& floor = shared_->version_floors[erase.shard];
  floor = std::max(floor, erase.version);
}

void MemoryStore::apply(const PutMail& put) {
  const std::uint64_t place = ++shared_->last_place;
  shared_->places.emplace(put.mail.id, place);
  if (put.mail.status != MailStatus::dead) shared_->rows.alive.emplace(put.mail.to_shard, place);
  shared_->rows.mail.emplace(place, put.mail);
}

void MemoryStore::apply(const MarkMail& mark) {
  const std::uint64_t place = shared_->places.at(mark.id);
  Mail& mail = shared_->rows.mail.at(place);
  mail.status = mark.status;
  mail.why = mark.why;
  if (mark.status == MailStatus::dead)
    shared_->rows.alive.erase({mark.to_shard, place});
  else
    shared_->rows.alive.emplace(mark.to_shard, place);
}

void MemoryStore::apply(const EndMail& end) {
  const auto place = shared_->places.extract(end.id).mapped();
  shared_->rows.alive.erase({end.to_shard, place});
  shared_->rows.mail.erase(place);
}

void MemoryStore::apply(const PutAnswer& put) { shared_->rows.answers.emplace(put.answer.id, put.answer); }

void MemoryStore::apply(const EndAnswer& end) { shared_->rows.answers.at(end.id).end = end.end; }

void MemoryStore::apply(const SweepAnswers& sweep) {
  std::map<std::int64_t, std::vector<AnswerId>> old;  // by age
  for (const auto& [id, answer] : shared_->rows.answers)
    if (id.shard == sweep.shard && answer.begun_at_ns < sweep.begun_before_ns) old[answer.begun_at_ns].push_back(id);
  std::size_t left = sweep.rows_max;
  for (const auto& [begun_at_ns, ids] : old)
    for (const AnswerId& id : ids)
      if (left > 0) left -= shared_->rows.answers.erase(id);
}

std::expected<std::optional<Answer>, StoreError> MemoryStore::answer(const AnswerId& id) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = rows().answers.find(id);
  if (found == rows().answers.end()) return std::nullopt;
  return found->second;
}

std::expected<std::optional<std::int64_t>, StoreError> MemoryStore::oldest_answer(kernel::ShardId shard) {
  const std::scoped_lock lock(shared_->mutex);
  std::optional<std::int64_t> oldest;  // ids are ordered by shard
  for (auto at = rows().answers.lower_bound(AnswerId{.shard = shard, .entity = {}, .subject = {}, .key = {}});
       at != rows().answers.end() && at->first.shard == shard; ++at)
    oldest = std::min(oldest.value_or(INT64_MAX), at->second.begun_at_ns);
  return oldest;
}

std::expected<std::optional<Snapshot>, StoreError> MemoryStore::load(std::string_view type, std::string_view key) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = rows().snapshots.find(Name{type, key});
  if (found == rows().snapshots.end()) return std::nullopt;
  return found->second;
}

std::expected<kernel::Version, StoreError> MemoryStore::version_floor(kernel::ShardId shard) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = shared_->version_floors.find(shard);
  return found == shared_->version_floors.end() ? kernel::Version{0} : found->second;
}

std::expected<std::optional<std::string>, StoreError> MemoryStore::schema(kernel::SchemaId id) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = shared_->schemas.find(id);
  if (found == shared_->schemas.end()) return std::nullopt;
  return found->second;
}

// Memory does not rot, so `on_corrupt` is never called.
std::expected<void, StoreError> MemoryStore::list(const ListFilter& filter,
                                                  const std::function<Visit(const Snapshot&)>& visit,
                                                  const std::function<void(const DamagedRow&)>&) {
  std::uint64_t left = filter.limit;
  Name from{filter.type, filter.type.empty() ? std::string() : filter.key_prefix};
  if (!filter.after_key.empty()) from.second = std::max(from.second, filter.after_key + '\0');
  while (left > 0) {
    const std::vector<Snapshot> page = copy_page(from, filter);
    if (page.empty()) return {};
    for (const Snapshot& snapshot : page) {
      if (left-- == 0 || visit(snapshot) == Visit::stop) return {};
    }
    from = {page.back().type, page.back().key + '\0'};  // the smallest name after the last one
  }
  return {};
}

std::vector<Snapshot> MemoryStore::copy_page(const Name& from, const ListFilter& filter) {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<Snapshot> page;
  for (auto at = rows().snapshots.lower_bound(from); at != rows().snapshots.end() && page.size() < kPageRowsMax; ++at) {
    const Snapshot& snapshot = at->second;
    if (!filter.type.empty() && snapshot.type != filter.type) break;
    if (snapshot.key.starts_with(filter.key_prefix)) page.push_back(snapshot);
  }
  return page;
}

std::expected<MailPage, StoreError> MemoryStore::mail_of(kernel::ShardId shard, std::uint64_t after) {
  const std::scoped_lock lock(shared_->mutex);
  MailPage page{.last_place = after};
  std::size_t bytes = 0;
  for (auto at = rows().alive.upper_bound({shard, after}); at != rows().alive.end() && at->first == shard; ++at) {
    page.is_last = page.rows.size() < kPageRowsMax && bytes < kPageBytesMax;
    if (!page.is_last) break;
    page.last_place = at->second;
    page.rows.push_back({.place = at->second, .mail = rows().mail.at(at->second)});
    bytes += page.rows.back().mail.arguments.size();
  }
  return page;
}

std::expected<void, StoreError> MemoryStore::list_mail(const MailFilter& filter,
                                                       const std::function<Visit(const Mail&)>& visit,
                                                       const std::function<void(const DamagedMail&)>&) {
  std::uint64_t left = filter.limit;
  std::uint64_t place = 0;
  while (left > 0) {
    const std::vector<Mail> page = copy_mail(place, filter);
    if (page.empty()) return {};
    for (const Mail& mail : page) {
      if (left-- == 0 || visit(mail) == Visit::stop) return {};
    }
  }
  return {};
}

std::vector<Mail> MemoryStore::copy_mail(std::uint64_t& after, const MailFilter& filter) {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<Mail> page;
  std::size_t bytes = 0;
  for (auto at = rows().mail.upper_bound(after); at != rows().mail.end(); ++at) {
    if (page.size() == kPageRowsMax || bytes >= kPageBytesMax) break;
    after = at->first;
    const Mail& mail = at->second;
    const std::string_view to = mail.to;
    if (filter.status && mail.status != *filter.status) continue;
    if (!filter.type.empty() && to.substr(0, to.find('/')) != filter.type) continue;
    if (!filter.key.empty() && to.substr(to.find('/') + 1) != filter.key) continue;
    bytes += mail.arguments.size();
    page.push_back(mail);
  }
  return page;
}

std::expected<std::optional<FoundMail>, StoreError> MemoryStore::find_mail(const kernel::MailId& id) {
  const std::scoped_lock lock(shared_->mutex);
  const auto found = std::ranges::find_if(rows().mail, [&](const auto& row) { return row.second.id == id; });
  if (found == rows().mail.end()) return std::nullopt;
  return FoundMail{.mail = found->second};
}

std::expected<MailCounts, StoreError> MemoryStore::count_mail() {
  const std::scoped_lock lock(shared_->mutex);
  MailCounts counts;
  for (const auto& [place, mail] : rows().mail)
    ++(mail.status == MailStatus::waiting ? counts.waiting
       : mail.status == MailStatus::begun ? counts.begun
                                          : counts.dead);
  return counts;
}

std::expected<ReminderPage, StoreError> MemoryStore::reminders_of(kernel::ShardId shard, const ReminderPlace& after,
                                                                  std::size_t limit) {
  const std::scoped_lock lock(shared_->mutex);
  return rows().reminders.page_of(shard, after, limit);
}

std::expected<std::vector<std::string>, StoreError> MemoryStore::reminder_names(std::string_view type,
                                                                                std::string_view key,
                                                                                std::size_t limit) {
  const std::scoped_lock lock(shared_->mutex);
  return rows().reminders.names_of(type, key, limit);
}

std::expected<void, StoreError> MemoryStore::list_reminders(const ReminderFilter& filter,
                                                            const std::function<Visit(const Reminder&)>& visit,
                                                            const std::function<void(const DamagedReminder&)>&) {
  const auto copy_page = [&](ReminderName& after) {  // the visitor runs without the mutex
    const std::scoped_lock lock(shared_->mutex);
    return rows().reminders.copy_page(after, filter);
  };
  std::uint64_t left = filter.limit;
  ReminderName after{.type = filter.type, .key = filter.key, .name = {}};
  while (left > 0) {
    const std::vector<Reminder> page = copy_page(after);
    if (page.empty()) return {};
    for (const Reminder& reminder : page) {
      if (left-- == 0 || visit(reminder) == Visit::stop) return {};
    }
  }
  return {};
}

std::expected<std::uint64_t, StoreError> MemoryStore::count_reminders() {
  const std::scoped_lock lock(shared_->mutex);
  return rows().reminders.count();
}

std::expected<void, StoreError> MemoryStore::begin_moment() {
  const std::scoped_lock lock(shared_->mutex);
  moment_ = std::make_unique<Rows>(shared_->rows);
  return {};
}

void MemoryStore::end_moment() { moment_.reset(); }

std::expected<std::vector<TypeCount>, StoreError> MemoryStore::count_by_type() {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<TypeCount> counts;
  for (const auto& [name, snapshot] : rows().snapshots) {
    if (counts.empty() || counts.back().type != name.first)
      counts.push_back({.type = name.first, .entities = 0, .bytes = 0});
    ++counts.back().entities;
    counts.back().bytes += snapshot.bytes.size();
  }
  return counts;
}

std::expected<std::vector<Store::ShardRow>, StoreError> MemoryStore::shards() {
  const std::scoped_lock lock(shared_->mutex);
  std::vector<ShardRow> rows;
  for (const auto& [shard, row] : shared_->shards)
    if (row.incarnation != kernel::Incarnation{0} || row.epoch != kernel::Epoch{0}) rows.push_back(row);
  return rows;
}

void MemoryStore::reshard(const kernel::Placement& placement) {
  const std::scoped_lock lock(shared_->mutex);
  Rows& rows = shared_->rows;
  for (auto& [name, snapshot] : rows.snapshots) snapshot.shard = placement.shard_of(name.first, name.second);
  rows.alive.clear();
  for (auto& [place, mail] : rows.mail) {
    mail.to_shard = placement.shard_of(mail.to);
    if (mail.status != MailStatus::dead) rows.alive.emplace(mail.to_shard, place);
  }
  for (auto& [former_id, answer] : std::exchange(rows.answers, {})) {
    answer.id.shard = placement.shard_of(answer.id.entity);
    rows.answers.emplace(answer.id, answer);
  }
  rows.reminders.reshard(placement);

  ShardRow beyond;
  for (const auto& [shard, row] : shared_->shards) {
    beyond.epoch = std::max(beyond.epoch, row.epoch.next());
    beyond.node = std::max(beyond.node, row.node);
    beyond.map_version = std::max(beyond.map_version, row.map_version);
    beyond.term = std::max(beyond.term, row.term);
  }
  kernel::Version floor{0};
  for (const auto& [shard, one] : shared_->version_floors) floor = std::max(floor, one);
  const bool was_ever_owned = !shared_->shards.empty();
  shared_->shards.clear();
  shared_->version_floors.clear();
  shared_->identity.placement = placement;
  if (!was_ever_owned) return;
  for (std::uint32_t number = 0; number < placement.shard_count(); ++number) {
    beyond.shard = kernel::ShardId{number};
    shared_->shards.emplace(beyond.shard, beyond);
    shared_->version_floors.emplace(beyond.shard, floor);
  }
}

}  // namespace epic::storage
