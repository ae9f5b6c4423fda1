// Wiring, ticks and timers.

#include "kernel/kernel.hpp"

#include <fmt/format.h>

#include <atomic>

#include "kernel/assert.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel_scope.hpp"
#include "kernel/placement_hash.hpp"

namespace epic::kernel {

namespace {

/// Tells the kernels of one process apart in the names' shortcuts; what the number is matters to nobody.
std::uint32_t next_kernel_tag() {
  static std::atomic<std::uint32_t> tag{0};
  return ++tag;
}

}  // namespace

Kernel::Scope::Scope(Kernel& kernel) : previous_(std::exchange(t_current_, &kernel)) {}
Kernel::Scope::~Scope() { t_current_ = previous_; }

void die_without_kernel(const char* what) {
  EPIC_ASSERT(false, "{} was used on a thread that runs no entities", what);
  std::abort();
}

Kernel::Kernel(KernelOptions options, const Codec& codec, Syscalls& syscalls)
    : options_(std::move(options)),
      codec_(codec),
      syscalls_(syscalls),
      activations_(next_kernel_tag(), options_.shard_count),
      routing_(options_.self, *this) {}

Kernel::~Kernel() {
  const Scope scope(*this);
  run_queue_.clear();
  std::vector<Record*> all;
  calls_.for_each([&](Record& record) { all.push_back(&record); });
  for (Record* record : all) ++record->refs;
  for (Record* record : all) record->waiter = nullptr;
  for (Record* record : all) record->destroy_frame();
  for (Record* record : all) {
    calls_.remove(*record);
    record->release();
    record->release();
  }
  for (std::size_t slot = 0; slot < activations_.slot_count(); ++slot)
    if (Activation* activation = activations_.at(slot); activation != nullptr && activation->entity != nullptr)
      activation->type->info->destroy(activation->entity);
}

void Kernel::on_time(std::int64_t monotonic_ns, std::int64_t wall_ns) {
  const Scope scope(*this);
  EPIC_ASSERT(monotonic_ns >= now_ns_, "time went back from {} to {}", now_ns_, monotonic_ns);
  now_ns_ = monotonic_ns;
  wall_ns_ = wall_ns;
  describes_left_ = limits::kDescribesMax;
  while (Record* record = calls_.find_expired(now_ns_)) expire(*record);
  while (!timers_.empty() && timers_.begin()->first.first <= now_ns_) {
    detail::Waiter* waiter = timers_.begin()->second;
    timer_due_.erase(timers_.begin()->first.second);
    timers_.erase(timers_.begin());
    enqueue_resume(*waiter);
  }
  while (!interval_saves_.empty() && interval_saves_.begin()->first <= now_ns_) {
    Activation* activation = activations_.find(interval_saves_.begin()->second);
    interval_saves_.erase(interval_saves_.begin());
    if (activation == nullptr) continue;
    activation->get_rare().save_due_ns = 0;
    activation->trim();
    if (activation->is_dirty) batcher_.add(*activation);
  }
  routing_.on_time(now_ns_);
  if (!blocked_.empty() && now_ns_ >= next_held_check_ns_) expire_held();
  if (!stops_watched_.empty() && stops_watched_.front().first <= now_ns_) tell_slow_stops();
  if ((!suspects_.empty() && suspects_.front().first <= now_ns_) || (!probes_.empty() && probes_due_ns_ <= now_ns_))
    probe();
  if (!replacements_.empty()) call_off_replacements();
  if (now_ns_ >= next_collect_ns_) collect();
}

bool Kernel::run(std::size_t items) {
  const Scope scope(*this);
  for (; items > 0 && !run_queue_.empty(); --items) {
    RunItem item = std::move(run_queue_.front());
    run_queue_.pop_front();
    run_one(std::move(item));
  }
  return !run_queue_.empty();
}

void Kernel::run_one(RunItem item) {
  direct_calls_left_ = options_.direct_calls_max;
  std::coroutine_handle<> next;
  if (item.waiter != nullptr) {
    item.waiter->is_queued = false;
    current_ = item.waiter->execution;
    next = item.waiter->handle;
  } else {
    Activation* activation = activation_of(item.record.get());
    if (activation != nullptr) --activation->queued;
    if (item.record->failure) {  // it has stopped waiting before it began
      if (item.record->holds_lock) end_execution(*item.record);
      if (activation != nullptr) check_stop(*activation);
      return;
    }
    next = start(*item.record, activation);
  }
  if (next) next.resume();
  current_ = nullptr;
}

std::optional<std::int64_t> Kernel::next_timer_ns() const {
  std::optional<std::int64_t> next = calls_.next_deadline_ns();
  const auto consider = [&next](std::int64_t due) {
    if (!next || due < *next) next = due;
  };
  if (!timers_.empty()) consider(timers_.begin()->first.first);
  if (!interval_saves_.empty()) consider(interval_saves_.begin()->first);
  if (const auto turn = routing_.next_timer_ns()) consider(*turn);
  if (!blocked_.empty()) consider(next_held_check_ns_);
  if (!stops_watched_.empty()) consider(stops_watched_.front().first);
  if (!suspects_.empty()) consider(suspects_.front().first);
  if (!probes_.empty()) consider(probes_due_ns_);
  if (!replacements_.empty()) consider(replacements_.begin()->first);
  if (activations_.size() > 0) consider(next_collect_ns_);
  return next;
}

std::uint64_t Kernel::start_timer(std::int64_t duration_ns, detail::Waiter& waiter) {
  waiter.execution = current_;
  waiter.remaining = 1;
  const std::uint64_t timer = next_timer_++;
  const std::int64_t due = ns_from_now(std::max<std::int64_t>(duration_ns, 0));
  timers_.emplace(std::pair{due, timer}, &waiter);
  timer_due_.emplace(timer, due);
  return timer;
}

void Kernel::cancel_timer(std::uint64_t timer, detail::Waiter& waiter) {
  dequeue(waiter);
  const auto due = timer_due_.find(timer);
  if (due == timer_due_.end()) return;
  timers_.erase({due->second, timer});
  timer_due_.erase(due);
}

void Kernel::enqueue_resume(detail::Waiter& waiter) {
  waiter.is_queued = true;
  waiter.remaining = 0;
  run_queue_.push_back({waiter.execution == nullptr ? RecordRef() : RecordRef::share(*waiter.execution), &waiter});
}

/// The waiting frame goes away before its turn.
void Kernel::dequeue(detail::Waiter& waiter) {
  if (!std::exchange(waiter.is_queued, false)) return;
  std::erase_if(run_queue_, [&](const RunItem& item) { return item.waiter == &waiter; });
}

void Kernel::enqueue_start(RecordRef record) {
  if (Activation* activation = activation_of(record.get())) ++activation->queued;
  record->state = Record::State::queued;
  run_queue_.push_back({std::move(record), nullptr});
}

KernelStats Kernel::stats() const {
  KernelStats stats = stats_;
  stats.entities = activations_.size();
  stats.entities_to_stop = must_stop_count_;
  stats.memory_bytes = memory_bytes_;
  stats.calls_pending = calls_.size();
  stats.messages_held = gate_.held_count() + provisional_.size();
  return stats;
}

HelloMessage Kernel::hello() const {
  return {.from = options_.self,
          .fabric = options_.fabric,
          .shard_count = options_.shard_count,
          .methods = types_.hello_methods()};
}

ShardId Kernel::shard_of(std::string_view name) const { return kernel::shard_of(name, options_.shard_count); }

CallId Kernel::id_of(const Record& record) const {
  if (record.site != nullptr && record.site->id.sequence != 0) return record.site->id;
  return {options_.self.node, options_.self.life, record.sequence};
}

void Kernel::log(LogLevel level, std::string_view message) {
  const Activation* activation = activation_of(current_);
  syscalls_.log(level, activation == nullptr ? std::string() : shown(activation->name), message);
}

}  // namespace epic::kernel
