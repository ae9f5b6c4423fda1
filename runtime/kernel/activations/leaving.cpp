// How an instance leaves memory: it is asked to stop, ends, is saved and dropped; or it is discarded with its change.

#include <fmt/format.h>

#include <utility>

#include "kernel/activations/activations.hpp"
#include "kernel/errors.hpp"

namespace epic::kernel {

namespace {

bool is_in_use(const Activation& activation) { return activation.running > 0 || activation.queued > 0; }

}  // namespace

bool Activations::is_idle(const Activation& activation) const {
  const bool is_up = (activation.state == Activation::State::active && !activation.has_waiting()) ||
                     activation.state == Activation::State::ending;
  return is_up && !is_in_use(activation) && activation.lock.waiting_count() == 0;
}

bool Activations::may_collect(const Activation& activation) const {
  return is_idle(activation) && (activation.timers() == nullptr || activation.timers()->pinning_count == 0);
}

/// Everything is saved and nothing is left to run: the process can end with it in memory.
bool Activations::may_end_as_it_is(const Activation& activation) const {
  return activation.state == Activation::State::active && is_idle(activation) && !uses_.saving.is_unsaved(activation) &&
         !activation.type->info->has_on_deactivate;
}

void Activations::drain() {
  for (std::size_t slot = 0; slot < table_.slot_count(); ++slot)
    if (Activation* activation = table_.at(slot); activation != nullptr && !may_end_as_it_is(*activation))
      ask_to_stop(*activation, StopCause::stopped);
}

void Activations::on_lone_task(Activation& activation) {
  if (uses_.admission.is_draining) ask_to_stop(activation, StopCause::stopped);
}

/// It is stopped as soon as nothing of it runs or waits.
void Activations::ask_to_stop(Activation& activation, StopCause cause) {
  if (!std::exchange(activation.must_stop, true)) ++must_stop_count_;
  slow_stops_.watch(activation, cause);
  check_stop(activation);
}

/// It may stay, unless it is already leaving.
void Activations::take_back_stop(Activation& activation) {
  const bool may_stay = activation.state == Activation::State::loading ||
                        activation.state == Activation::State::starting ||
                        activation.state == Activation::State::active;
  if (!may_stay || uses_.admission.is_draining || activation.stop_cause != StopCause::moved) return;
  if (std::exchange(activation.must_stop, false)) --must_stop_count_;
  if (activation.rare != nullptr) activation.rare->stop_asked_ns = 0;
}

void Activations::check_stop(Activation& activation) {
  if (!is_idle(activation)) {
    if (activation.is_to_leave() && is_in_use(activation)) uses_.ends.watch(activation);
    return;
  }
  if (activation.replacement() != nullptr)
    stop(activation, StopCause::replaced);
  else if (activation.must_stop)
    stop(activation, activation.stop_cause);
}

void Activations::stop(Activation& activation, StopCause cause) {
  collector_.remove(activation);
  uses_.timers.stop_all(activation);
  activation.state = Activation::State::stopping;
  slow_stops_.watch(activation, cause);
  if (!activation.type->info->has_on_deactivate) return leave_memory(activation);
  if (activation.type->is_stored && !activation.has_saved && !activation.is_dirty)
    uses_.saving.note_erased(activation);  // a state that was never saved is saved only if the hook changes it
  run_hook(activation, &Entity::on_deactivate, "on_deactivate");
}

/// The last change must be durable before another activation may read it.
void Activations::leave_memory(Activation& activation) {
  activation.state = Activation::State::leaving;
  if (activation.is_dirty) uses_.saving.save_now(activation);
  leaving_.push_back(activation.id);
  must_sweep_ = true;
}

void Activations::sweep() {
  must_sweep_ = false;
  for (const ActivationId id : std::exchange(leaving_, {})) {
    Activation* activation = table_.find(id);
    if (activation == nullptr || activation->state == Activation::State::gone) continue;
    if (uses_.saving.is_unsaved(*activation)) {
      leaving_.push_back(id);
    } else if (is_in_use(*activation)) {
      end_executions(*activation, left_memory(*activation), [this](Activation& ended, bool) { leave_memory(ended); });
    } else if (activation->replacement() != nullptr) {
      write_replacement(*activation);
    } else {
      if (activation->entity != nullptr) add_left(*activation);
      drop(*activation);
    }
  }
}

ActivationCause Activations::cause_of(const Activation& activation) const {
  if (is_local(activation)) return ActivationCause::first;
  switch (departures_.find(activation.name->text, uses_.routing.epoch_of(activation.shard))) {
    case Departures::How::in_order:
      return ActivationCause::collected;
    case Departures::How::discarded:
      return ActivationCause::crashed;
    case Departures::How::unknown:
      break;
  }
  if (activation.type->is_stored && !activation.has_row) return ActivationCause::first;
  if (uses_.routing.is_orphaned(activation.shard)) return ActivationCause::crashed;
  return activation.type->is_stored ? ActivationCause::moved : ActivationCause::first;
}

void Activations::add_left(const Activation& activation) {
  if (!is_local(activation))
    departures_.note(activation.name->text, uses_.routing.epoch_of(activation.shard), Departures::How::in_order);
  uses_.events.add_left(activation.subject(), {.cause = activation.stop_cause,
                                               .asked_ns = activation.stop_asked_ns(),
                                               .last_used_ns = activation.last_used_ns,
                                               .shard = activation.shard});
}

/// Drops it without its newest change. An older change that is being written must be durable before the next instance
/// is loaded, or before a state from outside takes its place.
void Activations::drop_when_saved(Activation& activation) {
  const bool is_awaited = uses_.saving.is_unsaved(activation) || activation.replacement() != nullptr;
  if (!is_awaited || !uses_.routing.is_ours(activation.shard)) return drop(activation);
  destroy(activation);
  activation.lock = {};
  leave_memory(activation);
}

void Activations::drop(Activation& activation) {
  destroy(activation);
  activation.lock = {};
  activation.state = Activation::State::gone;
  ++gone_count_;
  if (is_local(activation)) local_.remove(activation);
  wait_ends_.let_go(activation);
}

/// Nothing waits in it any longer.
void Activations::remove(Activation& activation) {
  if (activation.replacement() != nullptr)
    replacements_.end(activation, std::unexpected(ErrorPart{ErrorCode::unavailable,
                                                            {},
                                                            fmt::format("{} went away before its state was replaced",
                                                                        uses_.words.shown(activation.name))}));
  if (activation.must_stop) --must_stop_count_;
  --activation.type->counters.entities;
  --gone_count_;
  table_.remove(activation);
}

/// Of the instance nothing remains, and nothing of it runs; its place in the table stays.
void Activations::destroy(Activation& activation) {
  collector_.remove(activation);
  uses_.timers.stop_all(activation);
  if (activation.entity == nullptr) return;
  uses_.scheduler.begin_step({activation.name.get(), "destructor"});
  activation.type->info->destroy(std::exchange(activation.entity, nullptr));
  uses_.scheduler.end_step();
}

/// `then` has it when nothing of it is left to run: what is suspended ends before, which may take some ticks.
void Activations::end_executions(Activation& activation, std::exception_ptr failure, Reaper::OnEnd then) {
  if (is_in_use(activation) || activation.lock.holder_count() > 0)
    reaper_.reap(activation, std::move(failure), std::move(then));
  else
    then(activation, /*has_caller=*/false);
}

/// For what still runs of an instance that has ended (calls spawned by a hook).
std::exception_ptr Activations::left_memory(const Activation& activation) const {
  return make_exception(ErrorCode::node_lost,
                        fmt::format("{} left memory meanwhile", uses_.words.shown(activation.name)));
}

void Activations::discard(Activation& activation, ErrorCode code, const std::string& why, Reported reported) {
  if (activation.state == Activation::State::reaping || activation.state == Activation::State::gone) return;
  uses_.syscalls.log(LogLevel::error, uses_.words.shown(activation.name), why);
  uses_.events.add(Happening::discarded, activation.subject(), why, uses_.scheduler.now_ns);
  if (!is_local(activation))
    departures_.note(activation.name->text, uses_.routing.epoch_of(activation.shard), Departures::How::discarded);
  uses_.saving.discard_change(activation, code, why);
  activation.state = Activation::State::leaving;  // a hook that ends below has no say any longer
  const bool is_to_be_told = reported == Reported::to_nobody && activation.replacement() == nullptr;
  end_executions(activation, make_exception(code, why), [this, why, is_to_be_told](Activation& ended, bool has_caller) {
    if (is_to_be_told && !(ended.type->is_gated && has_caller)) undone_.note(ended.name->text, ended.shard, why);
    drop_when_saved(ended);
  });
}

}  // namespace epic::kernel
