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

/// Distinguishes the kernels of one process in the names' shortcuts; the value itself has no meaning.
std::uint32_t next_kernel_tag() {
  static std::atomic<std::uint32_t> tag{0};
  return ++tag;
}

}  // namespace

Kernel::Scope::Scope(Kernel& kernel)
    : previous_(std::exchange(t_current_, &kernel)), previous_calls_(Calls::exchange_current(&kernel.calls_)) {}
Kernel::Scope::~Scope() {
  t_current_ = previous_;
  Calls::exchange_current(previous_calls_);
}

Kernel::Kernel(KernelOptions options, const Codec& codec, Syscalls& syscalls)
    : options_(std::move(options)),
      codec_(codec),
      syscalls_(syscalls),
      activations_(next_kernel_tag(), options_.shard_count),
      routing_(options_.self, *this),
      words_(options_.self, options_.call_patience.count(), types_, execution_),
      calls_({.shard_count = options_.shard_count,
              .bytes_max = options_.calls_bytes_max,
              .patience_ns = options_.call_patience.count(),
              .direct_calls_max = options_.direct_calls_max},
             execution_, activations_, observations_, types_, words_, routing_, syscalls_, *this) {}

Kernel::~Kernel() {
  const Scope scope(*this);
  calls_.end_all();
  for (std::size_t slot = 0; slot < activations_.slot_count(); ++slot)
    if (Activation* activation = activations_.at(slot); activation != nullptr && activation->entity != nullptr)
      activation->type->info->destroy(activation->entity);
}

void Kernel::on_time(std::int64_t monotonic_ns, std::int64_t wall_ns) {
  const Scope scope(*this);
  EPIC_ASSERT(monotonic_ns >= execution_.now_ns, "time went back from {} to {}", execution_.now_ns, monotonic_ns);
  execution_.now_ns = monotonic_ns;
  execution_.wall_ns = wall_ns;
  calls_.on_time();
  timers_.on_time();
  while (!interval_saves_.empty() && interval_saves_.begin()->first <= execution_.now_ns) {
    Activation* activation = activations_.find(interval_saves_.begin()->second);
    interval_saves_.erase(interval_saves_.begin());
    if (activation == nullptr) continue;
    activation->get_rare().save_due_ns = 0;
    activation->trim();
    if (activation->is_dirty) batcher_.add(*activation);
  }
  routing_.on_time(execution_.now_ns);
  if (!blocked_.empty() && execution_.now_ns >= next_held_check_ns_) expire_held();
  if (!stops_watched_.empty() && stops_watched_.front().first <= execution_.now_ns) tell_slow_stops();
  if (!replacements_.empty()) call_off_replacements();
  if (execution_.now_ns >= next_collect_ns_) collect();
}

bool Kernel::run(std::size_t items) {
  const Scope scope(*this);
  return calls_.run(items);
}

std::optional<std::int64_t> Kernel::next_timer_ns() const {
  std::optional<std::int64_t> next = calls_.next_timer_ns();
  const auto consider = [&next](std::int64_t due) {
    if (!next || due < *next) next = due;
  };
  if (const auto due = timers_.next_timer_ns()) consider(*due);
  if (!interval_saves_.empty()) consider(interval_saves_.begin()->first);
  if (const auto turn = routing_.next_timer_ns()) consider(*turn);
  if (!blocked_.empty()) consider(next_held_check_ns_);
  if (!stops_watched_.empty()) consider(stops_watched_.front().first);
  if (!replacements_.empty()) consider(replacements_.begin()->first);
  if (activations_.size() > 0) consider(next_collect_ns_);
  return next;
}

KernelStats Kernel::stats() const {
  KernelStats stats = stats_;
  stats.calls_started = calls_.started_count();
  stats.turns = calls_.turns_count();
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

void Kernel::log(LogLevel level, std::string_view message) {
  const Activation* activation = activation_of(execution_.current);
  syscalls_.log(level, activation == nullptr ? std::string() : words_.shown(activation->name), message);
}

}  // namespace epic::kernel
