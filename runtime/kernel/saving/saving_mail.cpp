// What goes into a batch with an entity's state: its mail, what it does to its reminders, and answers of its calls.

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "kernel/saving/saving.hpp"

namespace epic::kernel {

namespace {

/// The entity has set or forgotten a reminder.
bool is_setting(const Operation& operation) {
  return is_of_reminder(operation) && !std::holds_alternative<AdvanceReminder>(operation);
}

}  // namespace

void Saving::add(Activation& activation, Operation operation) {
  if (is_of_reminder(operation)) activation.get_rare().reminders.note(operation);
  activation.get_rare().mail.push_back(std::move(operation));
  if (activation.state == Activation::State::starting) return;
  if (!activation.type->is_gated) activation.observed = std::max(activation.observed, batcher_.forming());
  save_now(activation);
}

bool Saving::replace(Activation& activation, const MailId& id, Operation& operation) {
  if (!has_mail(activation)) return false;
  const auto is_its = [&](const Operation& one) {
    const auto* const mark = std::get_if<MarkMail>(&one);
    return mark != nullptr && mark->id == id;
  };
  const auto found = std::ranges::find_if(activation.rare->mail, is_its);
  if (found == activation.rare->mail.end()) return false;
  *found = std::move(operation);
  return true;
}

Answer* Saving::find_answer(Activation& activation, const AnswerId& id) {
  if (!has_mail(activation)) return nullptr;
  for (Operation& operation : activation.rare->mail)
    if (auto* const put = std::get_if<PutAnswer>(&operation); put != nullptr && put->answer.id == id)
      return &put->answer;
  return nullptr;
}

/// False: it is about no answer.
bool Saving::undo_answer(const Operation& operation) {
  if (const auto* const put = std::get_if<PutAnswer>(&operation))
    listener_.on_answer_undone(put->answer.id, UndoneAnswer::all);
  else if (const auto* const end = std::get_if<EndAnswer>(&operation))
    listener_.on_answer_undone(end->id, UndoneAnswer::end);
  else
    return false;
  return true;
}

/// Of a change that is refused nothing is sent or answered, no reminder is set or forgotten, and what it received is
/// dead. A reminder's due time is received, too: the message that it has become is written only if it is not over by
/// now.
bool Saving::add_mail(Batch& batch, Activation& activation, const std::string& refused) {
  if (!has_mail(activation)) return false;
  std::vector<Operation> operations = std::exchange(activation.rare->mail, {});
  activation.trim();
  std::vector<MailId> received;
  for (const Operation& operation : operations) {
    if (const auto* const mark = std::get_if<MarkMail>(&operation)) received.push_back(mark->id);
    if (const auto* const end = std::get_if<EndMail>(&operation)) received.push_back(end->id);
  }
  std::vector<Operation> kept;
  bool has_become_mail = false;
  for (Operation& operation : operations) {
    const auto* const put = std::get_if<PutMail>(&operation);
    const bool is_sent = put != nullptr && std::ranges::find(received, put->mail.id) == received.end();
    has_become_mail = has_become_mail || (put != nullptr && !is_sent);
    if (!refused.empty() && (is_sent || is_setting(operation) || undo_answer(operation))) continue;
    if (is_sent) sent_.push_back(put->mail);
    if (is_of_reminder(operation)) reminded_.push_back(operation);
    const auto* const end = std::get_if<EndMail>(&operation);
    const auto* const mark = std::get_if<MarkMail>(&operation);
    if (!refused.empty() && (end != nullptr || mark != nullptr)) {
      const auto [id, to_shard] =
          end != nullptr ? std::pair(end->id, end->to_shard) : std::pair(mark->id, mark->to_shard);
      if (end != nullptr) listener_.on_mail_refused(id, refused);
      operation = MarkMail{.id = id, .to_shard = to_shard, .status = MailStatus::dead, .why = refused};
    }
    kept.push_back(std::move(operation));
  }
  if (has_become_mail) join(kept);
  std::ranges::move(kept, std::back_inserter(batch.operations));
  return !kept.empty();
}

/// epic::erase() takes back what is not saved yet.
void Saving::drop_settings(Activation& activation) {
  if (has_mail(activation)) std::erase_if(activation.rare->mail, is_setting);
}

/// With its state, or before its new one. One that has just been due is advanced before.
void Saving::forget_reminders(Batch& batch, Activation& activation) {
  if (!listener_.may_have_reminders(activation)) return;
  const auto advance = [&](const Operation& operation) {
    if (!std::holds_alternative<AdvanceReminder>(operation)) return false;
    batch.operations.push_back(operation);
    reminded_.push_back(operation);
    return true;
  };
  if (has_mail(activation)) std::erase_if(activation.rare->mail, advance);
  const ForgetReminder all{{.type = std::string(activation.type->info->stored_name()),
                            .key = std::string(activation.name->key()),
                            .name = {}},
                           activation.shard};
  batch.operations.emplace_back(all);
  reminded_.emplace_back(all);
}

bool Saving::has_loose(ShardId shard) const {
  return std::ranges::any_of(loose_, [shard](const Operation& one) { return shard_of(one) == shard; }) ||
         std::ranges::any_of(loose_sent_, [shard](const auto& one) { return one.second == shard; });
}

void Saving::add_loose(Batch& batch) {
  for (Operation& operation : std::exchange(loose_, {}))
    if (uses_.routing.is_ours(shard_of(operation))) {
      loose_sent_.emplace(batch.number, shard_of(operation));
      if (const auto* const put = std::get_if<PutMail>(&operation)) sent_.push_back(put->mail);
      batch.operations.push_back(std::move(operation));
    }
  if (!batch.operations.empty())
    std::ranges::move(std::exchange(loose_schemas_, {}), std::back_inserter(batch.schemas));
}

}  // namespace epic::kernel
