#include "kernel/activations/entity_timers.hpp"

#include "kernel/limits.hpp"
#include "kernel/type_table.hpp"

namespace epic::kernel {

namespace {

constexpr std::uint64_t kGoldenRatio = 0x9e37'79b9'7f4a'7c15;  // its fraction, in 2^-64

}  // namespace

void DeleteTimers::operator()(TimersOf* timers) const noexcept { delete timers; }

EntityTimer* EntityTimers::find(const detail::TimerId& timer) {
  const Activation* const activation = table_.find(ActivationId{timer.slot, timer.generation});
  if (activation == nullptr || activation->timers() == nullptr) return nullptr;
  const auto found = activation->timers()->list.find(timer.number);
  return found == activation->timers()->list.end() ? nullptr : &found->second;
}

std::int64_t EntityTimers::first_due_ns(TimersOf& timers, std::int64_t interval_ns) {
  if (timers.list.empty()) timers.phase = std::exchange(next_phase_, next_phase_ + kGoldenRatio);
  const auto early_ns = static_cast<std::int64_t>(
      (static_cast<unsigned __int128>(timers.phase) * static_cast<std::uint64_t>(interval_ns)) >> 64);
  return scheduler_.ns_from_now(interval_ns - early_ns);
}

detail::TimerId EntityTimers::start(Activation& activation, std::unique_ptr<detail::TickSource> source,
                                    std::int64_t delay_ns, std::int64_t interval_ns) {
  auto& timers = activation.get_rare().timers;
  if (timers == nullptr) timers.reset(new TimersOf);
  const std::int64_t due_ns = interval_ns > 0 ? first_due_ns(*timers, interval_ns) : scheduler_.ns_from_now(delay_ns);
  EntityTimer timer{
      .activation = activation.id, .source = std::move(source), .due_ns = due_ns, .interval_ns = interval_ns};
  const detail::MethodPointer pointer = timer.source->method();
  for (const reflect::MethodInfo* method : activation.type->info->methods)
    if (method->is_method(pointer.type, pointer.pointer)) {
      timer.method = method->name;
      timer.is_exclusive = method->locking == reflect::Locking::exclusive;
    }
  const std::uint64_t number = next_number_++;
  EntityTimer& added = timers->list.emplace(number, std::move(timer)).first->second;
  ++timers->pinning_count;
  by_due_.emplace(Place{due_ns, number}, &added);
  return {activation.id.slot, activation.id.generation, number};
}

void EntityTimers::stop(const detail::TimerId& timer) {
  if (find(timer) != nullptr) remove(*table_.find(ActivationId{timer.slot, timer.generation}), timer.number);
}

void EntityTimers::unpin(const detail::TimerId& id) {
  EntityTimer* const timer = find(id);
  if (timer == nullptr || !std::exchange(timer->is_pinning, false)) return;
  --table_.find(timer->activation)->timers()->pinning_count;
}

void EntityTimers::remove(Activation& activation, std::uint64_t number) {
  TimersOf& timers = *activation.timers();
  const auto found = timers.list.find(number);
  by_due_.erase({found->second.due_ns, number});
  if (found->second.is_pinning) --timers.pinning_count;
  timers.list.erase(found);
  if (!timers.list.empty()) return;
  activation.rare->timers.reset();
  activation.trim();
}

void EntityTimers::stop_all(Activation& activation) {
  while (activation.timers() != nullptr) remove(activation, activation.timers()->list.begin()->first);
}

void EntityTimers::on_time() {
  for (std::size_t i = 0; i < limits::kTimerTicksPerRun; ++i) {
    if (by_due_.empty() || by_due_.begin()->first.first > scheduler_.now_ns) return;
    const std::uint64_t number = by_due_.begin()->first.second;
    EntityTimer& timer = *by_due_.begin()->second;
    by_due_.erase(by_due_.begin());
    fire(timer, number);
  }
}

/// It is in no queue just now.
void EntityTimers::fire(EntityTimer& timer, std::uint64_t number) {
  Activation& activation = *table_.find(timer.activation);
  const bool is_kept =
      activation.state == Activation::State::active && !activation.is_to_leave() && !admission_.is_draining;
  const bool is_running = timer.tick && timer.tick->is_listed;
  const bool can_run = is_kept && !is_running;
  std::uint64_t due_count = 1;
  if (timer.interval_ns > 0) {
    due_count = static_cast<std::uint64_t>((scheduler_.now_ns - timer.due_ns) / timer.interval_ns) + 1;
    timer.due_ns += static_cast<std::int64_t>(due_count) * timer.interval_ns;
  } else {
    timer.due_ns = scheduler_.ns_from_now(limits::kTimerAgain.count());
  }
  by_due_.emplace(Place{timer.due_ns, number}, &timer);
  if (!can_run) {
    timer.skipped += due_count;
    return;
  }
  timer.skipped += due_count - 1;
  begin_tick(timer, activation);
  if (timer.interval_ns == 0) remove(activation, number);
}

void EntityTimers::begin_tick(EntityTimer& timer, Activation& activation) {
  RecordRef tick(timer.source->make_record());
  tick->callee = activation.name;
  tick->is_exclusive = timer.is_exclusive;
  tick->timeout_ns = INT64_MAX;
  tick->site = new detail::CallSite(*tick);
  tick->site->label = timer.method;
  tick->site->begun_ns = scheduler_.now_ns;
  tick->site->tick = {.skipped = std::exchange(timer.skipped, 0), .is_use = timer.is_pinning};
  timer.tick = tick;
  if (calls_.open(*tick)) calls_.enter(std::move(tick), activation);
}

}  // namespace epic::kernel
