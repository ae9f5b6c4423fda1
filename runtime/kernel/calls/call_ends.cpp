// How calls end, off the short way that most take (Calls::finish_plain): an outcome or a failure is delivered, and what
// the execution held is given back.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/calls/calls.hpp"
#include "kernel/errors.hpp"

namespace epic::kernel {

/// Delivers the outcome or failure to the waiter. Returns the frame to resume, if that was the last it waited for.
detail::Waiter* Calls::conclude(Record& record) {
  record.state = Record::State::ended;
  const CommitNumber seen = observations_.observed_by(&record);
  record.observed = seen.value;  // for those that await it later
  detail::Waiter* waiter = std::exchange(record.waiter, nullptr);
  record.caller = nullptr;
  if (record.is_cached) copies_.end_request(record, seen);
  const bool is_reported = record.site != nullptr && record.site->reports();
  if (detail::CallSite* site = record.site) {
    routing_.forget(*site);
    if (site->has_arrived() || site->on_end) listener_.reply(record);
    if (site->on_hook_end) site->on_hook_end(record);
    if (site->mail) listener_.on_mail_end(record);
    if (site->answer) listener_.on_answer_end(record);
  }
  if (waiter == nullptr && !record.is_joined && !is_reported && (record.failure || record.thrown())) {
    const ErrorPart error = record.failure ? describe_failure(record.failure) : describe_thrown(record.thrown());
    if (error.code != ErrorCode::cancelled)
      syscalls_.log(LogLevel::warn, words_.shown(record.callee),
                    fmt::format("{} failed, and no caller awaits it: {}", words_.describe(record), error.message));
  }
  if (waiter == nullptr) return nullptr;
  Observations::observe(waiter->execution, seen);
  --waiter->remaining;
  return waiter;
}

void Calls::end_execution(Record& record) {
  Activation* activation = activation_of(&record);
  if (record.holds_lock) {
    const Record* const first = activation->lock.first_waiting();
    pass_lock(*activation, activation->lock.release(record), first);
  }
  if (activation != nullptr && record.has_run) {
    --activation->running;
    if (record.site == nullptr || !record.site->tick || record.site->tick->is_use)
      activation->last_used_ns = scheduler_.now_ns;
    check_stop(*activation);
  }
  close(record);
}

void Calls::receive_result(Record& record) {
  const RecordRef kept = RecordRef::share(record);
  detail::Waiter* waiter = conclude(record);
  close(record);
  if (waiter != nullptr && waiter->is_due()) scheduler_.queue.push_resume(*waiter);
}

void Calls::fail(Record& record, ErrorCode code, const std::string& message) {
  fail(record, make_exception(code, message));
}

void Calls::fail_observers(CommitNumber number, std::span<const ActivationId> own, ErrorCode code,
                           const std::string& why, const std::function<bool(const Record&)>& knows) {
  copies_.drop_observers_of(number);
  std::vector<RecordRef> observers;
  table_.for_each([&](Record& record) {
    if (!record.has_run || record.failure || observations_.observed_by(&record) != number || knows(record)) return;
    const Activation* const activation = activation_of(&record);
    if (activation == nullptr || !std::ranges::binary_search(own, activation->id))
      observers.push_back(RecordRef::share(record));
  });
  for (const RecordRef& record : observers) fail(*record, code, why);
}

/// Ends the wait for a call. A running method goes on, but its result is dropped; one that has not started never will.
void Calls::fail(Record& record, std::exception_ptr failure) {
  if (record.state == Record::State::ended) return;
  const RecordRef kept = RecordRef::share(record);
  const bool is_running = record.state == Record::State::running;
  Activation* const waits_at = record.state == Record::State::locked_out ? activation_of(&record) : nullptr;
  record.failure = std::move(failure);
  detail::Waiter* waiter = conclude(record);
  if (is_running && record.is_listed)
    table_.abandon(record);
  else
    close(record);
  if (waits_at != nullptr) {
    const Record* const first = waits_at->lock.first_waiting();
    pass_lock(*waits_at, waits_at->lock.leave(record), first);
    check_stop(*waits_at);
  }
  if (waiter != nullptr && waiter->is_due()) scheduler_.queue.push_resume(*waiter);
}

std::string Calls::describe_doing(const Record& record) {
  const detail::CallSite* const site = record.site;
  if (site != nullptr && site->place == RoutedCall::Place::parked && !site->has_arrived())  // those are not sent on
    if (const PeerAddress owner = routing_.owner_of(site->shard); !syscalls_.has_room(owner))
      return "it was not sent: " + CallWords::describe_no_room(owner.node);
  return words_.describe_doing(record, table_, visits_left_);
}

void Calls::expire(Record& record) {
  const std::string& blocked = admission_.blocked;
  const std::string doing = describe_doing(record) +
                            (blocked.empty() ? std::string() : "; and nothing can be saved at the moment: " + blocked);
  const bool is_from_peer = record.site != nullptr && record.site->has_arrived();  // its node adds who has waited
  fail(record, ErrorCode::timeout, is_from_peer ? doing : words_.describe_timeout(record, doing));
}

}  // namespace epic::kernel
