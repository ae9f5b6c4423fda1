#include "io/storage_thread.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace epic::io {

namespace {

using namespace std::chrono_literals;
using storage::StoreError;
using storage::StoreErrorCode;

// A try on a full disk costs one write that fails, and whoever made room waits for the next.
constexpr auto kRetryFirst = 50ms;
constexpr auto kRetryMax = 500ms;
constexpr auto kIdle = 500ms;  // without work: then housekeeping
constexpr std::size_t kEventsPerWakeUp = 64;

bool may_be_retried(StoreErrorCode code) { return code == StoreErrorCode::full || code == StoreErrorCode::busy; }

}  // namespace

StorageThread::StorageThread(std::unique_ptr<storage::Store> store, std::function<void()> wake)
    : store_(std::move(store)), wake_(std::move(wake)), thread_([this] { run(); }) {}

StorageThread::~StorageThread() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

// ---- execution thread ----

void StorageThread::load(kernel::ActivationId activation, std::string_view type, std::string_view key) {
  asked_.emplace_back(LoadJob{activation, std::string(type), std::string(key)});
}

void StorageThread::commit(kernel::Batch batch) { asked_batches_.push_back(std::move(batch)); }

std::uint64_t StorageThread::take(std::vector<kernel::ShardId> shards, kernel::NodeId node,
                                  kernel::Incarnation incarnation) {
  asked_.emplace_back(TakeJob{++last_take_, std::move(shards), node, incarnation});
  return last_take_;
}

void StorageThread::read(Read read) { asked_.emplace_back(std::move(read)); }

void StorageThread::flush() {
  if (asked_.empty() && asked_batches_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    std::ranges::move(asked_, std::back_inserter(jobs_));
    std::ranges::move(asked_batches_, std::back_inserter(batches_));
  }
  asked_.clear();
  asked_batches_.clear();
  changed_.notify_one();
}

std::vector<StorageThread::Event> StorageThread::events() {
  const std::lock_guard lock(mutex_);
  return std::exchange(events_, {});
}

// ---- storage thread ----

void StorageThread::run() {
  auto retry_at = std::chrono::steady_clock::time_point::max();
  while (true) {
    std::deque<Job> jobs;
    bool has_batches = false;
    {
      std::unique_lock lock(mutex_);
      const auto has_work = [this] {
        return is_ending_ || !jobs_.empty() || (!batches_.empty() && retry_delay_ == 0ms);
      };
      if (retry_delay_ > 0ms)
        changed_.wait_until(lock, retry_at, has_work);
      else if (!has_new_commits_)
        changed_.wait(lock, has_work);
      else if (!changed_.wait_for(lock, kIdle, has_work)) {
        lock.unlock();
        maintain();
        if (is_fatal_) return;
        continue;
      }
      if (is_ending_) return;
      jobs.swap(jobs_);
      has_batches = batch_ || !batches_.empty();
    }
    const bool is_time_to_write = retry_delay_ == 0ms || std::chrono::steady_clock::now() >= retry_at;
    if (is_time_to_write) std::ranges::move(std::exchange(blocked_, {}), std::back_inserter(jobs));
    bool is_blocked = false;
    for (Job& job : jobs) {
      if (carry_out(job)) continue;
      if (is_fatal_) return;
      is_blocked = true;
      blocked_.push_back(std::move(job));
    }
    if (has_batches && is_time_to_write && !carry_out_batches()) {
      if (is_fatal_) return;
      is_blocked = true;
    }
    if (is_blocked) {
      retry_delay_ = std::clamp<std::chrono::milliseconds>(retry_delay_ * 2, kRetryFirst, kRetryMax);
      retry_at = std::chrono::steady_clock::now() + retry_delay_;
    } else if (is_time_to_write) {
      retry_delay_ = 0ms;
    }
    if (retry_delay_ == 0ms && std::exchange(is_blocked_told_, false)) tell(Unblocked{});
    publish();
    if (store_->wants_maintenance()) maintain();
    if (is_fatal_) return;
  }
}

bool StorageThread::carry_out(Job& job) {
  if (auto* load_job = std::get_if<LoadJob>(&job)) {
    tell(Loaded{load_job->activation, load(*load_job)});
  } else if (auto* take = std::get_if<TakeJob>(&job)) {
    auto taken = store_->take(take->shards, take->node, take->incarnation);
    if (!taken) return carry_out_write(std::unexpected(taken.error()));
    tell(Taken{take->number, std::move(*taken)});
  } else {
    tell(std::get<Read>(job)(*store_));
  }
  return true;
}

bool StorageThread::carry_out_batches() {
  if (!carry_out_write(store_->commit_next([this]() -> const kernel::Batch& { return next_batch(); }))) return false;
  has_new_commits_ = true;
  is_writing_.store(false, std::memory_order_relaxed);
  tell(Committed{batch_->number});
  batch_.reset();
  publish();
  return true;
}

/// What has gathered by now, as one. One that cannot join the others is left for the next time.
const kernel::Batch& StorageThread::next_batch() {
  const std::lock_guard lock(mutex_);
  is_writing_.store(true, std::memory_order_relaxed);
  while (!batches_.empty()) {
    if (!batch_)
      batch_ = std::move(batches_.front());
    else if (!kernel::try_append(*batch_, batches_.front()))
      break;
    batches_.pop_front();
  }
  return *batch_;
}

bool StorageThread::carry_out_write(const std::expected<void, StoreError>& done) {
  if (done) return true;
  if (may_be_retried(done.error().code)) {
    is_blocked_told_ = true;
    tell(Blocked{done.error().message});
    return false;
  }
  is_fatal_ = true;
  tell(Fatal{done.error().message});
  publish();
  return false;
}

kernel::LoadResult StorageThread::load(const LoadJob& job) {
  auto found = store_->load(job.type, job.key);
  if (!found) return std::unexpected(found.error().message);
  if (!*found) return std::nullopt;
  storage::Snapshot& snapshot = **found;
  auto schema = schemas_.find(snapshot.schema);
  if (schema == schemas_.end()) {
    auto text = store_->schema(snapshot.schema);
    if (!text) return std::unexpected(text.error().message);
    if (!*text)
      return std::unexpected(
          fmt::format("its saved state names the schema {:016x}, which the store does not have", snapshot.schema));
    schema = schemas_.emplace(snapshot.schema, std::move(**text)).first;
  }
  return kernel::LoadedState{snapshot.version, snapshot.schema, schema->second, std::move(snapshot.bytes)};
}

void StorageThread::maintain() {
  has_new_commits_ = false;
  const auto done = store_->maintain();
  if (done || may_be_retried(done.error().code)) return;
  is_fatal_ = true;
  tell(Fatal{done.error().message});
  publish();
}

void StorageThread::tell(Event event) {
  told_.push_back(std::move(event));
  if (told_.size() >= kEventsPerWakeUp) publish();
}

void StorageThread::publish() {
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
