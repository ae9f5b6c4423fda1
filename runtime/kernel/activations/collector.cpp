#include "kernel/activations/collector.hpp"

#include <algorithm>

#include "kernel/limits.hpp"
#include "kernel/type_table.hpp"
#include "reflect/memory_of.hpp"

namespace epic::kernel {

void Collector::remove(Activation& activation) {
  memory_bytes_ -= std::exchange(activation.memory_bytes, 0);
  queue_.remove(activation);
}

void Collector::measure(Activation& activation) {
  const reflect::TypeInfo& state = activation.type->info->state;
  memory_bytes_ -= activation.memory_bytes;
  activation.memory_bytes = sizeof(Activation) + activation.name->text.size() + state.size_bytes +
                            reflect::memory_of(state, activation.type->info->object(activation.entity));
  memory_bytes_ += activation.memory_bytes;
  if (is_over_budget()) next_look_ns_ = std::min(next_look_ns_, clock_.now_ns + limits::kCollectSoon.count());
}

void Collector::on_memory(std::uint64_t bytes) {
  measured_bytes_ = bytes;
  if (is_measured_over_budget()) next_look_ns_ = std::min(next_look_ns_, may_plan() ? clock_.now_ns : next_plan_ns_);
}

void Collector::plan() {
  if (!is_measured_over_budget()) {
    to_stop_ = 0;
  } else if (may_plan()) {
    const std::uint64_t excess = measured_bytes_ - limits_.memory_bytes;
    const std::uint64_t average = std::max<std::uint64_t>(1, measured_bytes_ / std::max<std::size_t>(1, table_.size()));
    to_stop_ = excess / average + 1;
    next_plan_ns_ = clock_.now_ns + limits::kCollectSettles.count();
  }
}

void Collector::on_time() {
  if (clock_.now_ns < next_look_ns_) return;
  next_look_ns_ = clock_.now_ns + limits::kCollectEvery.count();
  plan();
  const std::int64_t idle_since_ns = clock_.now_ns - limits_.idle_age_ns;
  const std::int64_t look_again_ns = clock_.now_ns - limits_.idle_age_ns / limits::kLooksInIdleAge;
  for (std::size_t looked_at = 0; Activation* const first = queue_.first(); ++looked_at) {
    if (first->queued_ns > look_again_ns && !is_over_budget()) return;
    if (looked_at == limits::kCollectSlice) {
      next_look_ns_ = clock_.now_ns + limits::kCollectSoon.count();
      return;
    }
    if (first->queued_ns == clock_.now_ns) return;  // all have been looked at
    const bool may_collect = listener_.may_collect(*first);
    const bool was_used = first->last_used_ns > first->queued_ns || !may_collect;
    if (may_collect && first->last_used_ns <= idle_since_ns) {
      listener_.stop(*first, StopCause::idle);
    } else if (was_used || !is_over_budget()) {
      queue_.add(*first, clock_.now_ns);
    } else {
      to_stop_ -= std::min<std::uint64_t>(to_stop_, 1);
      listener_.stop(*first, StopCause::memory);
    }
  }
}

}  // namespace epic::kernel
