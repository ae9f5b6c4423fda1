// The life of an activation: loaded, started, deactivated, drained, discarded.

#include <fmt/format.h>

#include <algorithm>

#include "epic/gather.hpp"
#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"
#include "reflect/memory_of.hpp"

namespace epic::kernel {

// ---- into memory ----

/// In the table, but nothing of it is in memory yet.
Activation& Kernel::add_activation(const detail::NamePtr& name, const TypeEntry& type, ShardId shard) {
  Activation& activation = activations_.add(name, shard);
  activation.type = &type;
  activation.activated_ns = activation.last_used_ns = execution_.now_ns;
  return activation;
}

/// For a call, which waits until it is active; so it is not deactivated before the call has reached it.
void Kernel::activate(RecordRef call, const TypeEntry& type, ShardId shard) {
  Activation& activation = add_activation(call->callee, type, shard);
  Activation::Rare& rare = activation.get_rare();
  rare.birth = {
      .cause = cause_of(*call), .asked_ns = words_.begun_ns_of(*call), .placed_ns = execution_.now_ns, .loaded_ns = 0};
  call->state = Record::State::loading;
  rare.waiting.push_back(std::move(call));
  if (is_draining_ || routing_.is_closed(shard))
    ask_to_stop(activation, is_draining_ ? StopCause::stopped : StopCause::moved);
  if (type.is_stored)
    syscalls_.load(activation.id, type.info->stored_name(), activation.name->key());
  else
    construct(activation, {});
}

void Kernel::on_loaded(ActivationId id, LoadResult result) {
  const Scope scope(*this);
  Activation* activation = activations_.find(id);
  if (activation == nullptr) return;
  if (Replacement* const replacement = activation->replacement()) {
    replacement->is_damaged = !result;  // there is a state, of a version that nobody knows
    activation->has_row = !result || result->saved;
    activation->version = result ? result->version : Version{1};
    if (result && result->saved) {
      activation->has_saved = result->saved->schema == activation->type->schema.id();
      activation->saved_hash = hash128(result->saved->bytes);
    }
    return leave_memory(*activation);  // nothing of it is in memory, so there is nothing to save
  }
  if (!result) return fail_activation(*activation, result.error());
  construct(*activation, *result);
}

void Kernel::construct(Activation& activation, const LoadedState& loaded) {
  const reflect::EntityInfo& info = *activation.type->info;
  activation.get_rare().birth.loaded_ns = execution_.now_ns;
  try {
    activation.entity = info.create();
  } catch (...) {
    return fail_activation(activation, "its constructor threw: " + describe_thrown(std::current_exception()).message);
  }
  detail::EntityAccess::set_name(*activation.entity, activation.name);
  activation.version = loaded.version;
  if (const auto& state = loaded.saved) {
    const auto schema = reflect::Schema::parse(state->schema_text);
    if (!schema) return fail_activation(activation, "the schema of its saved state cannot be read: " + schema.error());
    if (auto read = codec_.decode(state->bytes, *schema, info.state, info.object(activation.entity)); !read)
      return fail_activation(
          activation, fmt::format("its saved state cannot be read: {}: {}", read.error().path, read.error().what));
    activation.has_row = true;
    activation.has_saved = state->schema == activation.type->schema.id();  // otherwise its bytes mean something else
    activation.saved_hash = hash128(state->bytes);
    activation.state_bytes = static_cast<std::uint32_t>(state->bytes.size());
    activation.saved_at_ns = state->saved_at_ns;
  }
  measure(activation);
  if (!info.has_on_activate) return become_active(activation);
  activation.state = Activation::State::starting;
  run_hook(activation, activation.entity->on_activate(), "on_activate", [this, id = activation.id](Record& hook) {
    Activation* started = activations_.find(id);
    if (started == nullptr || started->state != Activation::State::starting) return;
    const std::exception_ptr error = hook.failure ? hook.failure : hook.thrown();
    if (!error) return become_active(*started);
    fail_activation(*started, "on_activate failed: " + describe_thrown(error).message);
  });
}

/// Runs a hook as an execution of the entity, through the run queue.
void Kernel::run_hook(Activation& activation, Task<void> task, const char* label, std::function<void(Record&)> on_end) {
  RecordRef record(new detail::TaskRecord<void>(std::move(task)));
  record->callee = activation.name;
  record->activation = &activation;
  record->site = new detail::CallSite(*record);
  record->site->label = label;
  record->site->on_hook_end = std::move(on_end);
  Record* const before = std::exchange(execution_.current, nullptr);
  const bool is_admitted = calls_.open(*record);
  execution_.current = before;
  if (is_admitted)
    calls_.start_soon(std::move(record));
  else
    record->site->on_hook_end(*record);
}

void Kernel::become_active(Activation& activation) {
  activation.state = Activation::State::active;
  idle_queue_.add(activation, execution_.now_ns);
  events_.add_activated(activation.subject(), take_birth(activation));
  if (activation.replacement() != nullptr) return begin_replacing(activation);
  std::vector<RecordRef> waiting = take_waiting(activation);
  activation.trim();
  for (RecordRef& record : waiting)
    if (!record->failure) calls_.enter(std::move(record), activation);
  check_stop(activation);
}

Birth Kernel::take_birth(Activation& activation) {
  return activation.rare == nullptr ? Birth() : std::exchange(activation.rare->birth, {});
}

std::vector<RecordRef> Kernel::take_waiting(Activation& activation) {
  return activation.rare == nullptr ? std::vector<RecordRef>() : std::exchange(activation.rare->waiting, {});
}

/// The waiting calls fail; the next one tries again.
void Kernel::fail_activation(Activation& activation, const std::string& why) {
  const std::string message = fmt::format("{} cannot be activated: {}", words_.shown(activation.name), why);
  syscalls_.log(LogLevel::error, words_.shown(activation.name), message);
  events_.add_failed(activation.subject(), take_birth(activation), why);
  for (RecordRef& record : take_waiting(activation)) {
    record->observed = std::max(record->observed, activation.observed.value);  // the reason may mention it
    fail(*record, ErrorCode::activation_failed, message);
  }
  activation.is_dirty = false;
  if (activation.replacement() != nullptr) return leave_memory(activation);  // which may fix it
  drop_when_saved(activation);
}

// ---- out of memory ----

bool Kernel::is_idle(const Activation& activation) const {
  const bool is_up = (activation.state == Activation::State::active && !activation.has_waiting()) ||
                     activation.state == Activation::State::ending;
  return is_up && activation.running == 0 && activation.queued == 0 && activation.lock.waiting_count() == 0;
}

/// It is deactivated as soon as nothing of it runs or waits.
void Kernel::ask_to_stop(Activation& activation, StopCause cause) {
  if (!std::exchange(activation.must_stop, true)) ++must_stop_count_;
  watch_stop(activation, cause);
  check_stop(activation);
}

/// It may stay, unless it is already leaving.
void Kernel::take_back_stop(Activation& activation) {
  const bool may_stay = activation.state == Activation::State::loading ||
                        activation.state == Activation::State::starting ||
                        activation.state == Activation::State::active;
  if (!may_stay || is_draining_ || activation.stop_cause != StopCause::moved) return;
  if (std::exchange(activation.must_stop, false)) --must_stop_count_;
  if (activation.rare != nullptr) activation.rare->stop_asked_ns = 0;
}

void Kernel::stop(Activation& activation, StopCause cause) {
  forget_memory(activation);
  idle_queue_.remove(activation);
  activation.state = Activation::State::stopping;
  watch_stop(activation, cause);
  if (!activation.type->info->has_on_deactivate) return leave_memory(activation);
  run_hook(activation, activation.entity->on_deactivate(), "on_deactivate", [this, id = activation.id](Record& hook) {
    Activation* stopped = activations_.find(id);
    if (stopped == nullptr || stopped->state != Activation::State::stopping) return;
    if (const std::exception_ptr error = hook.failure ? hook.failure : hook.thrown())
      syscalls_.log(LogLevel::warn, words_.shown(stopped->name),
                    "on_deactivate failed: " + describe_thrown(error).message);
    leave_memory(*stopped);
  });
}

/// The last change must be durable before another activation may read it.
void Kernel::leave_memory(Activation& activation) {
  activation.state = Activation::State::leaving;
  if (activation.is_dirty && activation.type->info->durability == reflect::Durability::interval)
    batcher_.add(activation);
  leaving_.push_back(activation.id);
  must_sweep_leaving_ = true;
}

/// Drops it without its newest change. An older change that is being written must be durable before the next instance
/// is loaded.
void Kernel::drop_when_saved(Activation& activation) {
  activation.is_dirty = false;
  if (!is_unsaved(activation) || !routing_.is_ours(activation.shard)) return drop(activation);
  activation.state = Activation::State::leaving;
  end_suspended(activation);
  if (activation.entity != nullptr) activation.type->info->destroy(std::exchange(activation.entity, nullptr));
  forget_memory(activation);
  activation.lock = {};
  leaving_.push_back(activation.id);
}

/// Before the instance is destroyed: ends whatever of it is still suspended or queued (a hook that took too long, calls
/// spawned by a hook).
void Kernel::end_suspended(Activation& activation) {
  if (!is_in_use(activation)) return;
  execution_.queue.drop_starts_of(activation);
  std::vector<RecordRef> suspended;
  calls_.for_each([&](Record& record) {
    if (record.activation == &activation) suspended.push_back(RecordRef::share(record));
  });
  for (const RecordRef& record : suspended)
    fail(*record, ErrorCode::node_lost, fmt::format("{} left memory meanwhile", words_.shown(activation.name)));
  for (const RecordRef& record : suspended) {
    record->destroy_frame();
    record->holds_lock = false;
    record->activation = nullptr;
    calls_.close(*record);
  }
  activation.running = activation.queued = 0;
}

void Kernel::drop(Activation& activation) {
  end_suspended(activation);
  const ShardId shard = activation.shard;
  std::vector<RecordRef> waiting = take_waiting(activation);
  if (activation.replacement() != nullptr)
    end_replacing(activation, std::unexpected(ErrorPart{ErrorCode::unavailable,
                                                        {},
                                                        fmt::format("{} went away before its state was replaced",
                                                                    words_.shown(activation.name))}));
  if (activation.entity != nullptr) activation.type->info->destroy(activation.entity);
  forget_memory(activation);
  idle_queue_.remove(activation);
  if (activation.must_stop) --must_stop_count_;
  activations_.remove(activation);
  for (RecordRef& record : waiting)
    if (!record->failure) calls_.route(std::move(record));
  check_released(shard);
}

/// Ends an activation whose memory must not be kept: its executions are destroyed where they are suspended.
void Kernel::discard(Activation& activation, ErrorCode code, const std::string& why) {
  syscalls_.log(LogLevel::error, words_.shown(activation.name), why);
  events_.add(Happening::discarded, activation.subject(), why, execution_.now_ns);
  activation.state = Activation::State::leaving;  // a hook that ends below has no say any longer
  if (!is_in_use(activation) && activation.lock.holders().empty()) return drop_when_saved(activation);
  std::vector<RecordRef> executions;  // have started, and end here
  std::vector<RecordRef> untouched;   // have not, and go to the next activation
  calls_.for_each([&](Record& record) {
    if (record.activation != &activation) return;
    (record.has_run || record.method == nullptr ? executions : untouched).push_back(RecordRef::share(record));
  });
  execution_.queue.drop_all_of(activation);
  for (const RecordRef& record : executions) fail(*record, code, why);
  for (const RecordRef& record : executions) {
    record->destroy_frame();
    calls_.close(*record);
    record->holds_lock = false;
    record->activation = nullptr;
  }
  for (const RecordRef& record : untouched) {
    record->holds_lock = false;
    record->activation = nullptr;
  }
  std::ranges::sort(untouched, {}, [](const RecordRef& record) { return record->sequence; });
  static_cast<void>(activation.lock.take_waiting());
  for (RecordRef& record : untouched) activation.get_rare().waiting.push_back(std::move(record));
  drop_when_saved(activation);
}

/// Deactivates those that have been idle for long; and over the memory budget, the least recently used.
void Kernel::collect() {
  next_collect_ns_ = execution_.now_ns + limits::kCollectEvery.count();
  const std::int64_t idle_since_ns = execution_.now_ns - options_.idle_age.count();
  const std::int64_t look_again_ns = execution_.now_ns - options_.idle_age.count() / limits::kLooksInIdleAge;
  for (std::size_t looked_at = 0; Activation* const first = idle_queue_.first(); ++looked_at) {
    if (first->queued_ns > look_again_ns && !is_over_budget()) return;
    if (looked_at == limits::kCollectSlice) {
      next_collect_ns_ = execution_.now_ns + limits::kCollectSoon.count();
      return;
    }
    if (first->queued_ns == execution_.now_ns) return;  // all have been looked at
    const bool was_used = first->last_used_ns > first->queued_ns || !is_idle(*first);
    if (is_idle(*first) && first->last_used_ns <= idle_since_ns) {
      stop(*first, StopCause::idle);
    } else if (was_used || !is_over_budget()) {
      idle_queue_.add(*first, execution_.now_ns);
    } else {
      stop(*first, StopCause::memory);
    }
  }
}

void Kernel::measure(Activation& activation) {
  const reflect::TypeInfo& state = activation.type->info->state;
  memory_bytes_ -= activation.memory_bytes;
  activation.memory_bytes = sizeof(Activation) + activation.name->text.size() + state.size_bytes +
                            reflect::memory_of(state, activation.type->info->object(activation.entity));
  memory_bytes_ += activation.memory_bytes;
  if (is_over_budget()) next_collect_ns_ = std::min(next_collect_ns_, execution_.now_ns + limits::kCollectSoon.count());
}

void Kernel::forget_memory(Activation& activation) { memory_bytes_ -= std::exchange(activation.memory_bytes, 0); }

// ---- drain ----

void Kernel::on_drain() {
  const Scope scope(*this);
  is_draining_ = true;
  for (std::size_t slot = 0; slot < activations_.slot_count(); ++slot)
    if (Activation* activation = activations_.at(slot); activation != nullptr && !may_end_as_it_is(*activation))
      ask_to_stop(*activation, StopCause::stopped);
}

/// Everything is saved and nothing is left to run: the process can end with it in memory.
bool Kernel::may_end_as_it_is(const Activation& activation) const {
  return activation.state == Activation::State::active && is_idle(activation) && !is_unsaved(activation) &&
         !activation.type->info->has_on_deactivate;
}

bool Kernel::is_drained() const {
  return is_draining_ && must_stop_count_ == 0 && calls_.size() == 0 && !batcher_.has_dirty() &&
         !batcher_.is_committing();
}

void Kernel::abort_running(const std::string& reason) {
  const Scope scope(*this);
  calls_.abort(reason, [](const Record&) { return true; });
}

}  // namespace epic::kernel
