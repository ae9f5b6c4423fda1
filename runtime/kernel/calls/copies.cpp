#include "kernel/calls/copies.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "kernel/errors.hpp"
#include "reflect/memory_of.hpp"

namespace epic::kernel {

namespace {

/// The call has failed in a way that says nothing of equal ones: theirs may have a later deadline, nobody has cancelled
/// them, and others wait for them. Before its deadline, a Timeout is what its method has thrown.
bool has_failed_alone(const Record& record, std::int64_t now_ns) {
  const ErrorCode code = describe_failure(record.failure).code;
  const bool is_due = now_ns >= record.deadline_ns - limits::kTimeoutLead.count();
  return code == ErrorCode::cancelled || code == ErrorCode::deadlock || (code == ErrorCode::timeout && is_due);
}

}  // namespace

void Copies::make_key(Record& record) {
  key_.clear();
  key_.add_number(reinterpret_cast<std::uintptr_t>(record.method));
  key_.add_text(record.callee->text);
  key_.add(record.method->arguments(), record.arguments());
  const std::string_view bytes = key_.view();
  hash_ = XXH3_64bits(bytes.data(), bytes.size());
}

bool Copies::try_answer(Record& record) {
  make_key(record);
  if (!key_.is_whole()) return false;
  const auto found = index_.find(Wanted{key_.view(), hash_});
  if (found == index_.end()) return false;
  detail::CachedPart& part = *record.cached_part();
  Kept& kept = **found;
  kept.wanted_ns = std::max(kept.wanted_ns, part.max_age_ns);
  if (!is_young_enough(kept.made_ns, part.max_age_ns)) return false;
  try {
    part.take_from(*kept.copy);
  } catch (...) {  // no memory
    record.failure = std::current_exception();
  }
  record.state = Record::State::ended;
  record.observed = std::max(record.observed, kept.observed.value);
  return true;
}

bool Copies::share(Record& record) {
  if (!key_.is_whole()) return false;
  detail::CachedPart& part = *record.cached_part();
  const auto found = under_way_.find(Wanted{key_.view(), hash_});
  if (found != under_way_.end() && is_young_enough((*found)->made_ns, part.max_age_ns) &&
      (*found)->sharing.size() < limits::kEntityQueueMax) {
    part.request = *found;
    record.state = Record::State::sharing;
    (*found)->sharing.push_back(RecordRef::share(record));
    return true;
  }
  detail::CopyRequest& request = requests_.emplace_back(detail::CopyRequest{.key = std::string(key_.view()),
                                                                            .hash = hash_,
                                                                            .record = &record,
                                                                            .made_ns = clock_.now_ns,
                                                                            .sharing = {},
                                                                            .place = {}});
  request.place = std::prev(requests_.end());
  part.request = &request;
  if (found != under_way_.end()) under_way_.erase(found);
  under_way_.insert(&request);
  return false;
}

void Copies::end_request(Record& record, CommitNumber observed) {
  detail::CachedPart& part = *record.cached_part();
  detail::CopyRequest* const request = std::exchange(part.request, nullptr);
  if (request == nullptr || request->record != &record) return;  // a call that has shared it, and waits no longer
  Outcome outcome{.copy = nullptr, .failure = record.failure ? record.failure : record.thrown(), .observed = observed};
  if (!outcome.failure) {
    try {
      outcome.copy = part.copy_result();
      keep(*request, outcome.copy, observed, part.max_age_ns);
    } catch (...) {  // no memory: those that share it ask anew
    }
  } else if (record.failure && has_failed_alone(record, clock_.now_ns)) {
    outcome.failure = nullptr;
  }
  if (!request->sharing.empty()) {
    const auto of_all = std::make_shared<const Outcome>(std::move(outcome));
    for (RecordRef& one : request->sharing) {
      if (one->state != Record::State::sharing) continue;
      one->cached_part()->request = nullptr;
      shared_.push_back({std::move(one), of_all});
    }
  }
  if (const auto newest = under_way_.find(request); newest != under_way_.end() && *newest == request)
    under_way_.erase(newest);
  requests_.erase(request->place);
}

std::optional<Copies::Shared> Copies::take_shared() {
  if (shared_.empty()) return std::nullopt;
  Shared next = std::move(shared_.front());
  shared_.pop_front();
  return next;
}

const Record* Copies::find_request_of(const Record& record) {
  const detail::CopyRequest* const request = const_cast<Record&>(record).cached_part()->request;
  return request == nullptr ? nullptr : request->record;
}

void Copies::keep(const detail::CopyRequest& request, std::shared_ptr<const detail::Copy> copy, CommitNumber observed,
                  std::int64_t max_age_ns) {
  std::int64_t wanted_ns = max_age_ns;
  if (const auto before = index_.find(Wanted{request.key, request.hash}); before != index_.end()) {
    if ((*before)->made_ns > request.made_ns) return;  // a later request has been answered first
    wanted_ns = std::max(wanted_ns, (*before)->wanted_ns);
    drop(**before);
  }
  const reflect::TypeInfo& type = request.record->method->result();
  const std::uint64_t bytes =
      sizeof(Kept) + request.key.size() + type.size_bytes + reflect::memory_of(type, copy->value());
  if (bytes > limits_.bytes || limits_.count == 0) return;
  while (kept_.size() >= limits_.count || bytes_ + bytes > limits_.bytes) drop(kept_.front());
  Kept& kept = kept_.emplace_back(Kept{.key = request.key,
                                       .hash = request.hash,
                                       .copy = std::move(copy),
                                       .made_ns = request.made_ns,
                                       .wanted_ns = wanted_ns,
                                       .observed = observed,
                                       .bytes = bytes,
                                       .place = {}});
  kept.place = std::prev(kept_.end());
  bytes_ += bytes;
  index_.insert(&kept);
}

void Copies::drop(Kept& kept) {
  bytes_ -= kept.bytes;
  index_.erase(&kept);
  kept_.erase(kept.place);
}

void Copies::drop_observers_of(CommitNumber batch) {
  for (auto kept = kept_.begin(); kept != kept_.end();) {
    Kept& one = *kept++;
    if (one.observed == batch) drop(one);
  }
  for (Shared& one : shared_)
    if (one.outcome->observed == batch) one.outcome = std::make_shared<const Outcome>();
}

void Copies::on_time() {
  for (std::size_t i = 0; i < limits::kCopiesDroppedPerTick && !kept_.empty(); ++i) {
    if (is_young_enough(kept_.front().made_ns, kept_.front().wanted_ns)) return;
    drop(kept_.front());
  }
}

void Copies::clear() {
  index_.clear();
  kept_.clear();
  bytes_ = 0;
  under_way_.clear();
  requests_.clear();
  shared_.clear();
}

}  // namespace epic::kernel
