#include "io/storage_work.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernel/limits.hpp"
#include "kernel/placement.hpp"
#include "reflect/try.hpp"

namespace epic::io {

namespace {

using namespace std::chrono_literals;
using storage::StoreError;
using storage::StoreErrorCode;

// A try on a full disk costs one failed write, and the user who made room waits for the next try.
constexpr auto kRetryFirst = 50ms;
constexpr auto kRetryMax = 500ms;
constexpr auto kIdle = 500ms;  // of idleness: then maintenance
constexpr std::size_t kEventsPerWakeUp = 64;

constexpr auto kLookEvery = 500ms;  // at the store's files

using storage::may_be_retried;

}  // namespace

StorageWork::StorageWork(std::unique_ptr<storage::Store> store, const Clock& clock, std::function<void()> wake)
    : store_(std::move(store)), clock_(clock), wake_(std::move(wake)) {}

// ---- execution thread ----

void StorageWork::load(kernel::ActivationId activation, std::string_view type, std::string_view key) {
  asked_.emplace_back(LoadJob{activation, std::string(type), std::string(key)});
}

void StorageWork::load_mail(const kernel::ShardEpoch& tenure, std::uint64_t after) {
  asked_.emplace_back(MailJob{tenure, after});
}

void StorageWork::load_answer(const kernel::ShardEpoch& tenure, const kernel::AnswerId& id) {
  asked_.emplace_back(AnswerJob{tenure, id});
}

void StorageWork::load_oldest_answer(const kernel::ShardEpoch& tenure) { asked_.emplace_back(OldestAnswerJob{tenure}); }
void StorageWork::load_reminders(const kernel::ShardEpoch& tenure, const kernel::ReminderPlace& after,
                                 std::size_t limit) {
  asked_.emplace_back(RemindersJob{tenure, after, limit});
}

void StorageWork::commit(kernel::Batch batch) { asked_batches_.push_back(std::move(batch)); }

std::uint64_t StorageWork::take(std::vector<kernel::ShardId> shards, kernel::NodeId node,
                                kernel::Incarnation incarnation) {
  asked_.emplace_back(TakeJob{++last_take_, std::move(shards), node, incarnation});
  return last_take_;
}

void StorageWork::read(Read read) { asked_.emplace_back(std::move(read)); }

void StorageWork::read_at_cut(Read read) {
  is_cut_asked_ = true;
  this->read(std::move(read));
}

void StorageWork::flush() {
  if (asked_.empty() && asked_batches_.empty()) return;
  bool must_wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(is_cut_asked_, false) && !cut_) cut_ = handed_over_;
    if (!asked_batches_.empty()) handed_over_ = asked_batches_.back().number;
    std::ranges::move(asked_, std::back_inserter(jobs_));
    std::ranges::move(asked_batches_, std::back_inserter(batches_));
    must_wake = !is_in_use_;  // otherwise the thread holding the store re-checks before releasing it
  }
  asked_.clear();
  asked_batches_.clear();
  if (must_wake) changed_.notify_one();
}

std::vector<StorageWork::Event> StorageWork::events() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

// ---- working threads ----

StorageWork::TimePoint StorageWork::next_due() {
  const std::lock_guard lock(mutex_);
  return next_due_locked();
}

StorageWork::TimePoint StorageWork::next_due_locked() const {
  if (is_in_use_ || is_fatal_) return TimePoint::max();
  if (!jobs_.empty()) return TimePoint::min();
  if (retry_delay_ > 0ms) return retry_at_;
  if (!batches_.empty() || must_maintain_ || unconfirmed_) return TimePoint::min();
  return has_new_commits_ ? std::min(look_at_, used_at_ + kIdle) : look_at_;
}

std::optional<kernel::CommitNumber> StorageWork::work() {
  std::unique_lock lock(mutex_);
  return work_locked(lock);
}

std::optional<kernel::CommitNumber> StorageWork::work_locked(std::unique_lock<std::mutex>& lock) {
  is_in_use_ = true;
  std::deque<Job> jobs = std::exchange(jobs_, {});
  cut_.reset();
  lock.unlock();
  use_store(std::move(jobs));
  const auto written = std::exchange(written_, std::nullopt);
  lock.lock();
  is_in_use_ = false;
  has_taken_batch_ = batch_.has_value();  // one that is to be retried
  if (written) ++syncing_count_;
  note_writing();
  return written;
}

/// Everything there is to do with the store now. No other thread holds it meanwhile.
void StorageWork::use_store(std::deque<Job> jobs) {
  const TimePoint now = this->now();
  const bool is_time_to_write = retry_delay_ == 0ms || now >= retry_at_;
  if (is_time_to_write) {  // they were requested before the others
    auto blocked = std::exchange(blocked_, {});
    jobs.insert(jobs.begin(), std::make_move_iterator(blocked.begin()), std::make_move_iterator(blocked.end()));
  }
  bool is_blocked = is_time_to_write && !look_at_files(now);
  if (is_fatal_) return;
  bool has_worked = !jobs.empty();
  bool is_unreadable = false;  // each read would wait as long as the first for the same answer
  for (Job& job : jobs) {
    if (!is_unreadable && carry_out(job)) continue;
    if (is_fatal_) return;
    is_blocked = true;
    is_unreadable |= !std::holds_alternative<TakeJob>(job);  // that may have met a full disk
    blocked_.push_back(std::move(job));
  }
  publish();  // what follows may wait for other processes
  if (std::exchange(must_maintain_, false)) maintain();
  if (is_time_to_write && !is_blocked && has_batches()) {
    has_worked = true;
    if (!write_batches()) {
      if (is_fatal_) return;
      is_blocked = true;
    }
  }
  if (is_blocked) {
    retry_delay_ = std::clamp<std::chrono::milliseconds>(retry_delay_ * 2, kRetryFirst, kRetryMax);
    retry_at_ = this->now() + retry_delay_;
  } else if (is_time_to_write) {
    retry_delay_ = 0ms;
  }
  if (retry_delay_ == 0ms && std::exchange(is_blocked_told_, false)) tell(Unblocked{});
  publish();
  if (has_worked) used_at_ = now;
  if (!has_worked && has_new_commits_ && now >= used_at_ + kIdle) maintain();
}

/// False if they are not those that were opened. What was written to them before that was noticed is confirmed if they
/// come back.
bool StorageWork::look_at_files(TimePoint now) {
  std::optional<kernel::CommitNumber> unconfirmed;
  {
    const std::lock_guard lock(mutex_);
    unconfirmed = unconfirmed_;
  }
  if (now < look_at_ && retry_delay_ == 0ms && !unconfirmed) return true;
  if (store_->has_files()) look_at_ = now + kLookEvery;
  if (!carry_out_write(store_->check_files())) return false;
  if (!unconfirmed) return true;
  if (!carry_out_write(store_->sync())) return false;
  bool must_wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (unconfirmed_ == unconfirmed) unconfirmed_.reset();
    must_wake = confirm(*unconfirmed);
  }
  if (must_wake) wake_();
  return true;
}

/// False: it has to be tried again later, as one that the store cannot be asked for now.
template <class Event, class Found, class... Names>
bool StorageWork::tell_found(std::expected<Found, StoreError> found, Names&&... names) {
  if (!found && may_be_retried(found.error().code)) {
    tell_blocked(found.error());
    return false;
  }
  if (found)
    tell(Event{std::forward<Names>(names)..., *std::move(found)});
  else
    tell(Event{std::forward<Names>(names)..., std::unexpected(std::move(found.error().message))});
  return true;
}

bool StorageWork::carry_out(Job& job) {
  if (const auto* const load_job = std::get_if<LoadJob>(&job))
    return tell_found<Loaded>(load(*load_job), load_job->activation);
  if (const auto* const mail = std::get_if<MailJob>(&job)) return tell_found<MailLoaded>(load(*mail), mail->tenure);
  if (const auto* const answer = std::get_if<AnswerJob>(&job))
    return tell_found<AnswerLoaded>(load(*answer), answer->tenure, answer->id);
  if (const auto* const oldest = std::get_if<OldestAnswerJob>(&job))
    return tell_found<OldestAnswer>(store_->oldest_answer(oldest->tenure.shard), oldest->tenure);
  if (const auto* const reminders = std::get_if<RemindersJob>(&job))
    return tell_found<RemindersLoaded>(load(*reminders), reminders->tenure);
  if (const auto* const take = std::get_if<TakeJob>(&job)) {
    auto taken = store_->take(take->shards, take->node, take->incarnation);
    if (!taken) return carry_out_write(std::unexpected(taken.error()));
    tell(Taken{take->number, std::move(*taken)});
  } else {
    tell(std::get<Read>(job)(*store_));
  }
  return true;
}

bool StorageWork::has_batches() {
  const std::lock_guard lock(mutex_);
  return batch_ || (!batches_.empty() && (!cut_ || batches_.front().number <= *cut_));
}

bool StorageWork::write_batches() {
  if (!carry_out_write(store_->write_next([this]() -> const kernel::Batch& { return next_batch(); }))) return false;
  has_new_commits_ = true;
  must_maintain_ = store_->wants_maintenance();
  written_ = batch_->number;
  batch_.reset();
  return true;
}

void StorageWork::make_durable(kernel::CommitNumber number) {
  const auto done = store_->sync();
  bool must_wake = false;
  bool is_displaced = false;
  {
    const std::lock_guard lock(mutex_);
    --syncing_count_;
    note_writing();
    if (done) must_wake = confirm(number);
    is_displaced = !done && done.error().code == StoreErrorCode::displaced;
    if (is_displaced) unconfirmed_ = std::max(unconfirmed_.value_or(number), number);
  }
  if (is_displaced) return changed_.notify_one();
  if (!done) return end_with(done.error());
  if (must_wake) wake_();
}

/// With the mutex held. True if the execution thread must be woken.
bool StorageWork::confirm(kernel::CommitNumber number) {
  if (is_fatal_ || number <= durable_) return false;
  durable_ = number;
  events_.emplace_back(Committed{number});
  return events_.size() == 1;
}

/// The batches gathered so far, merged. One that cannot be merged is left for the next time.
const kernel::Batch& StorageWork::next_batch() {
  const std::lock_guard lock(mutex_);
  has_taken_batch_ = true;
  note_writing();
  while (!batches_.empty() && (!cut_ || batches_.front().number <= *cut_)) {
    if (!batch_)
      batch_ = std::move(batches_.front());
    else if (!kernel::try_append(*batch_, batches_.front()))
      break;
    batches_.pop_front();
  }
  return *batch_;
}

bool StorageWork::carry_out_write(const std::expected<void, StoreError>& done) {
  if (done) return true;
  if (!may_be_retried(done.error().code)) {
    end_with(done.error());
    return false;
  }
  tell_blocked(done.error());
  return false;
}

void StorageWork::tell_blocked(const StoreError& error) {
  is_blocked_told_ = true;
  tell(Blocked{error.message});
}

void StorageWork::end_with(const StoreError& error) {
  {
    const std::lock_guard lock(mutex_);
    if (is_fatal_.exchange(true)) return;
    events_.emplace_back(Fatal{error.message, error.code});
  }
  changed_.notify_all();
  wake_();
}

/// With the mutex held.
void StorageWork::note_writing() {
  const bool is_none_free = syncing_count_ == kWorkersMax;
  is_writing_.store(has_taken_batch_ || is_none_free, std::memory_order_relaxed);
}

std::expected<kernel::LoadedState, StoreError> StorageWork::load(const LoadJob& job) {
  auto found = EPIC_TRY(store_->load(job.type, job.key));
  if (!found) {
    const kernel::ShardId shard = store_->identity().placement.shard_of(job.type, job.key);
    const auto floor = EPIC_TRY(store_->version_floor(shard));
    return kernel::LoadedState{.version = floor, .reminders = reminders_of(job)};
  }
  storage::Snapshot& snapshot = *found;
  auto schema = schema_text(snapshot.schema);
  if (!schema) {
    schema.error().message = "its saved state cannot be read: " + schema.error().message;
    return std::unexpected(std::move(schema.error()));
  }
  return kernel::LoadedState{
      .version = snapshot.version,
      .saved =
          kernel::SavedState{
              snapshot.schema, *std::move(schema), std::move(snapshot.bytes),
              std::chrono::duration_cast<std::chrono::nanoseconds>(snapshot.saved_at.time_since_epoch()).count()},
      .reminders = reminders_of(job)};
}

/// They are only counted: where they cannot be read, the entity may set more than its bound, and is not kept from its
/// state.
std::vector<std::string> StorageWork::reminders_of(const LoadJob& job) {
  return store_->reminder_names(job.type, job.key, kernel::limits::kRemindersOfEntityMax)
      .value_or(std::vector<std::string>());
}

/// Without its schema a message cannot be read by its receiver, which says so; nor can the call of a reminder. But one
/// that cannot be asked for now is there later.
std::expected<std::string, StoreError> StorageWork::find_schema_text(kernel::SchemaId id) {
  auto text = schema_text(id);
  if (!text && !may_be_retried(text.error().code)) return std::string();
  return text;
}

std::expected<kernel::MailPage, StoreError> StorageWork::load(const MailJob& job) {
  auto page = EPIC_TRY(store_->mail_of(job.tenure.shard, job.after));
  for (kernel::LoadedMail& row : page.rows) row.schema_text = EPIC_TRY(find_schema_text(row.mail.schema));
  return page;
}

std::expected<kernel::FoundAnswer, StoreError> StorageWork::load(const AnswerJob& job) {
  kernel::FoundAnswer found{.answer = EPIC_TRY(store_->answer(job.id))};
  if (!found.answer || found.answer->end.schema == kernel::SchemaId{}) return found;
  found.schema_text = EPIC_TRY(schema_text(found.answer->end.schema));
  return found;
}

std::expected<kernel::ReminderPage, StoreError> StorageWork::load(const RemindersJob& job) {
  auto page = EPIC_TRY(store_->reminders_of(job.tenure.shard, job.after, job.limit));
  for (const kernel::Reminder& row : page.rows) {
    if (std::ranges::find(page.schemas, row.schema, &kernel::SchemaText::id) != page.schemas.end()) continue;
    page.schemas.push_back({row.schema, EPIC_TRY(find_schema_text(row.schema))});
  }
  return page;
}

std::expected<std::string, StoreError> StorageWork::schema_text(kernel::SchemaId id) {
  const auto known = schemas_.find(id);
  if (known != schemas_.end()) return known->second;
  auto text = EPIC_TRY(store_->schema(id));
  if (!text)
    return std::unexpected(
        StoreError{StoreErrorCode::corrupt, fmt::format("the store does not have the schema {:016x}", id)});
  return schemas_.emplace(id, std::move(*text)).first->second;
}

void StorageWork::maintain() {
  has_new_commits_ = false;
  const auto done = store_->maintain();
  if (!done && !may_be_retried(done.error().code)) end_with(done.error());
}

void StorageWork::tell(Event event) {
  told_.push_back(std::move(event));
  if (told_.size() >= kEventsPerWakeUp) publish();
}

void StorageWork::publish() {
  if (told_.empty()) return;
  bool must_wake = false;
  {
    const std::lock_guard lock(mutex_);
    must_wake = events_.empty();
    std::ranges::move(told_, std::back_inserter(events_));
  }
  told_.clear();
  if (must_wake) wake_();
}

}  // namespace epic::io
