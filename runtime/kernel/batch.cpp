#include "kernel/batch.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace epic::kernel {

namespace {

/// Visits an operation: a lambda for each kind.
template <class... Lambdas>
struct Cases : Lambdas... {
  using Lambdas::operator()...;
};

using RowOfEntity = std::pair<std::string_view, std::string_view>;
struct RowOfAnswer {
  std::string_view entity;
  std::string_view subject;
  std::string_view key;
  bool operator==(const RowOfAnswer&) const = default;
};
/// A shard stands for rows without a name.
using RowName = std::variant<std::monostate, RowOfEntity, MailId, RowOfAnswer, ShardId>;

RowOfAnswer text_of(const AnswerId& id) { return {id.entity, id.subject, id.key}; }

struct RowHash {
  std::size_t operator()(const RowName& name) const {
    return std::visit(
        Cases{[](const std::monostate&) { return std::size_t{0}; },
              [](const RowOfEntity& entity) {
                return std::hash<std::string_view>{}(entity.second) * 31 + std::hash<std::string_view>{}(entity.first);
              },
              [](const MailId& id) { return (std::size_t{id.epoch.value} * 31 + id.shard.value) * 31 + id.number; },
              [](const RowOfAnswer& answer) {
                return std::hash<std::string_view>{}(answer.key) * 31 + std::hash<std::string_view>{}(answer.entity);
              },
              [](ShardId shard) { return std::size_t{shard.value}; }},
        name);
  }
};

/// Nothing if changes of this kind are not joined. What two of a reminder come to depends on what they find.
RowName row_of(const Operation& operation) {
  return std::visit(
      Cases{[](const OfSnapshot auto& change) { return RowName{RowOfEntity{change.type, change.key}}; },
            [](const OfReminder auto&) { return RowName{}; }, [](const PutMail& put) { return RowName{put.mail.id}; },
            [](const PutAnswer& put) { return RowName{text_of(put.answer.id)}; },
            [](const EndAnswer& end) { return RowName{text_of(end.id)}; },
            [](const SweepAnswers& sweep) { return RowName{sweep.shard}; },
            [](const auto& change) { return RowName{change.id}; }},
      operation);
}

/// What two changes of one row become.
enum class Joined : std::uint8_t {
  one,   // in the place of the older one
  none,  // the row need not be written at all
  both,  // they cannot both be right, which the store is to find
};

/// `later`, on the row that `older` was to find. Changes nothing unless they become one.
Joined join(Operation& older, Operation& later) {
  if (auto* const put = std::get_if<PutMail>(&older)) {
    if (std::holds_alternative<EndMail>(later)) return Joined::none;
    auto* const mark = std::get_if<MarkMail>(&later);
    if (mark == nullptr) return Joined::both;
    put->mail.status = mark->status;
    put->mail.why = std::move(mark->why);
    return Joined::one;
  }
  if (auto* const put = std::get_if<PutAnswer>(&older)) {
    auto* const end = std::get_if<EndAnswer>(&later);
    if (end == nullptr || put->answer.end.status != AnswerStatus::begun) return Joined::both;
    put->answer.end = std::move(end->end);
    return Joined::one;
  }
  if (std::holds_alternative<EndAnswer>(older) || std::holds_alternative<SweepAnswers>(older)) return Joined::both;
  if (std::holds_alternative<EndMail>(older) || std::holds_alternative<PutMail>(later)) return Joined::both;
  const auto replaces = std::visit(Cases{[](const OfSnapshot auto& change) { return change.replaces; },
                                         [](const auto&) { return std::optional<Version>(); }},
                                   older);
  std::visit(Cases{[&](OfSnapshot auto& change) { change.replaces = replaces; }, [](auto&) {}}, later);
  older = std::move(later);
  return Joined::one;
}

}  // namespace

ShardId shard_of(const Operation& operation) {
  return std::visit(
      Cases{[](const OfSnapshot auto& change) { return change.shard; },
            [](const PutMail& put) { return put.mail.id.shard; },
            [](const PutAnswer& put) { return put.answer.id.shard; }, [](const EndAnswer& end) { return end.id.shard; },
            [](const SweepAnswers& sweep) { return sweep.shard; },
            [](const SetReminder& set) { return set.reminder.shard; },
            [](const OfReminder auto& change) { return change.shard; },
            [](const auto& change) { return change.to_shard; }},
      operation);
}

bool is_of_reminder(const Operation& operation) {
  return std::visit(Cases{[](const OfReminder auto&) { return true; }, [](const auto&) { return false; }}, operation);
}

bool is_equal(const SetReminder& set, const Reminder& present) {
  Reminder other = present;
  other.due_ns = set.reminder.due_ns;
  if (set.start == ReminderStart::from_now && present.every_ns > 0) other.first_ns = set.reminder.first_ns;
  return other == set.reminder;
}

std::size_t bytes_of(const Operation& operation) {
  if (const auto* const put = std::get_if<PutSnapshot>(&operation)) return put->bytes.size();
  if (const auto* const put = std::get_if<PutMail>(&operation)) return put->mail.arguments.size();
  if (const auto* const put = std::get_if<PutAnswer>(&operation)) return put->answer.end.bytes.size();
  if (const auto* const end = std::get_if<EndAnswer>(&operation)) return end->end.bytes.size();
  if (const auto* const set = std::get_if<SetReminder>(&operation)) return set->reminder.arguments.size();
  return 0;
}

void join(std::vector<Operation>& operations) {
  constexpr std::size_t kApart = SIZE_MAX;  // not to be joined any more
  std::unordered_map<RowName, std::size_t, RowHash> places;
  std::vector<bool> is_needless(operations.size());
  for (std::size_t place = 0; place < operations.size(); ++place) {
    const RowName row = row_of(operations[place]);
    if (std::holds_alternative<std::monostate>(row)) continue;
    const auto [earlier, is_first] = places.try_emplace(row, place);
    const std::size_t older = earlier->second;
    if (is_first || older == kApart) continue;
    places.erase(earlier);  // its name goes with the older change
    const Joined joined = join(operations[older], operations[place]);
    is_needless[place] = joined != Joined::both;
    is_needless[older] = joined == Joined::none;
    if (joined != Joined::none) places.emplace(row_of(operations[older]), joined == Joined::one ? older : kApart);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    if (is_needless[i]) continue;
    if (kept != i) operations[kept] = std::move(operations[i]);
    ++kept;
  }
  operations.erase(operations.begin() + static_cast<std::ptrdiff_t>(kept), operations.end());
}

bool try_append(Batch& batch, Batch& next) {
  std::vector<ShardEpoch> more_epochs;
  for (const ShardEpoch& held : next.epochs) {
    const auto known = std::ranges::find(batch.epochs, held.shard, &ShardEpoch::shard);
    if (known == batch.epochs.end())
      more_epochs.push_back(held);
    else if (known->epoch != held.epoch)
      return false;
  }
  batch.number = next.number;
  std::ranges::copy(more_epochs, std::back_inserter(batch.epochs));
  std::ranges::move(next.schemas, std::back_inserter(batch.schemas));
  std::ranges::move(next.operations, std::back_inserter(batch.operations));
  join(batch.operations);
  return true;
}

}  // namespace epic::kernel
