#include "kernel/activations/activations.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "kernel/activations/hook_record.hpp"
#include "kernel/errors.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

namespace {

/// Distinguishes the kernels of one process in the names' shortcuts; the value itself has no meaning.
std::uint32_t next_table_tag() {
  static std::atomic<std::uint32_t> tag{0};
  return ++tag;
}

Birth take_birth(Activation& activation) {
  return activation.rare == nullptr ? Birth() : std::exchange(activation.rare->birth, {});
}

}  // namespace

Activations::Activations(const Uses& uses)
    : uses_(uses),
      table_(next_table_tag(), uses.placement.shard_count()),
      collector_(uses.limits, uses.scheduler, table_, *this),
      slow_stops_(uses.scheduler, table_, uses.calls, uses.words, uses.admission, uses.events),
      replacements_(uses.placement, uses.scheduler, table_, uses.types, uses.routing, uses.admission),
      reaper_(uses.scheduler, table_, uses.calls),
      wait_ends_(table_, uses.calls, *this) {}

void Activations::end_all() {
  reaper_.clear();
  wait_ends_.clear();
  for (std::size_t slot = 0; slot < table_.slot_count(); ++slot)
    if (Activation* activation = table_.at(slot)) destroy(*activation);
}

// ---- into memory ----

/// In the table, but nothing of it is in memory yet.
Activation& Activations::add(const detail::NamePtr& name, const TypeEntry& type, ShardId shard) {
  Activation& activation = table_.add(name, shard);
  activation.type = &type;
  if (is_local(activation)) local_.add(activation);
  ++type.counters.entities;
  ++type.counters.activated;
  activation.activated_ns = activation.last_used_ns = uses_.scheduler.now_ns;
  return activation;
}

void Activations::activate(RecordRef call, const TypeEntry& type, ShardId shard) {
  if (const std::string why = uses_.admission.refusal_of(call->callee->text, uses_.scheduler.now_ns); !why.empty())
    return uses_.calls.fail(*call, ErrorCode::unavailable,
                            fmt::format("{} is {}", uses_.words.shown(call->callee), why));
  if (const auto undone = undone_.take(call->callee->text))
    return uses_.calls.fail(*call, ErrorCode::state_too_large,
                            fmt::format("{} was not started: {}. The entity starts again from its last saved state",
                                        uses_.words.describe(*call), *undone));
  std::vector<RecordRef> others;  // that came later, and have been in line where it was
  if (Activation* const gone = gone_count_ > 0 ? table_.find(call->callee->text) : nullptr; gone != nullptr) {
    others = wait_ends_.take_line(*gone);
    remove(*gone);
  }
  Activation& activation = add(call->callee, type, shard);
  Birth birth{.cause = uses_.words.cause_of(*call),
              .asked_ns = uses_.words.begun_ns_of(*call),
              .placed_ns = uses_.scheduler.now_ns,
              .loaded_ns = 0};
  const bool is_closed = uses_.routing.is_closed(shard);
  const bool must_leave = is_closed || uses_.admission.is_draining;
  // With nothing to load and no hook it is active at once: this is how millions come about.
  std::expected<void, std::string> created;
  if (!type.is_stored && !type.info->has_on_activate && !must_leave && (created = create(activation))) {
    birth.loaded_ns = uses_.scheduler.now_ns;
    activation.cause = cause_of(activation);
    collector_.measure(activation);
    activation.state = Activation::State::active;
    collector_.add(activation);
    uses_.events.add_activated(activation.subject(), std::move(birth));
    uses_.calls.enter(std::move(call), activation);
    if (others.empty()) return;
    activation.get_rare().waiting = std::move(others);
    return wait_ends_.let_go(activation);
  }
  Activation::Rare& rare = activation.get_rare();
  rare.birth = std::move(birth);
  call->state = Record::State::loading;
  rare.waiting.push_back(std::move(call));  // so it is not deactivated before the call has reached it
  std::ranges::move(others, std::back_inserter(rare.waiting));
  if (!created) return fail(activation, created.error());
  if (must_leave) ask_to_stop(activation, is_closed ? StopCause::moved : StopCause::stopped);
  if (type.is_stored)
    uses_.syscalls.load(activation.id, type.info->stored_name(), activation.name->key());
  else
    construct(activation, {});
}

void Activations::enter_local(RecordRef call, const TypeEntry& type) {
  if (Activation* const instance = local_.choose(call->callee->text, type.local_max))
    static_cast<void>(uses_.calls.enter(std::move(call), *instance));
  else
    activate(std::move(call), type, table_.no_shard());
}

void Activations::on_loaded(ActivationId id, LoadResult result) {
  Activation* activation = table_.find(id);
  if (activation == nullptr || activation->state == Activation::State::gone) return;
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
  if (!result) return fail(*activation, result.error());
  if (!result->reminders.empty()) activation->get_rare().reminders = ReminderNames(result->reminders);
  construct(*activation, *result);
}

void Activations::construct(Activation& activation, const LoadedState& loaded) {
  const reflect::EntityInfo& info = *activation.type->info;
  activation.get_rare().birth.loaded_ns = uses_.scheduler.now_ns;
  if (const auto created = create(activation); !created) return fail(activation, created.error());
  if (const auto read = read_state(activation, loaded); !read) return fail(activation, read.error());
  activation.cause = cause_of(activation);
  collector_.measure(activation);
  if (!info.has_on_activate) return become_active(activation);
  if (!activation.has_saved && activation.type->is_stored) activation.saved_hash = uses_.saving.hash_of(activation);
  activation.state = Activation::State::starting;
  run_hook(activation, &Entity::on_activate, "on_activate");
}

std::expected<void, std::string> Activations::create(Activation& activation) {
  Record* const before = uses_.scheduler.interrupt();  // not its caller's turn
  uses_.scheduler.begin_step({activation.name.get(), "constructor"});
  std::exception_ptr thrown;
  try {
    activation.entity = activation.type->info->create();
  } catch (...) {
    thrown = std::current_exception();
  }
  uses_.scheduler.end_step();
  uses_.scheduler.current = before;
  if (thrown) return std::unexpected("its constructor threw: " + describe_thrown(thrown).message);
  detail::EntityAccess::set_name(*activation.entity, activation.name);
  return {};
}

std::expected<void, std::string> Activations::read_state(Activation& activation, const LoadedState& loaded) {
  activation.version = loaded.version;
  const auto& state = loaded.saved;
  if (!state) return {};
  const reflect::EntityInfo& info = *activation.type->info;
  const auto schema = reflect::Schema::parse(state->schema_text);
  if (!schema) return std::unexpected("the schema of its saved state cannot be read: " + schema.error());
  if (auto read = uses_.codec.decode(state->bytes, *schema, info.state, info.object(activation.entity)); !read)
    return std::unexpected(fmt::format("its saved state cannot be read: {}: {}", read.error().path, read.error().what));
  activation.has_row = true;
  activation.has_saved = state->schema == activation.type->schema.id();  // otherwise its bytes mean something else
  activation.saved_hash = hash128(state->bytes);
  activation.state_bytes = static_cast<std::uint32_t>(state->bytes.size());
  activation.saved_at_ns = state->saved_at_ns;
  return {};
}

/// As an execution of the entity, through the run queue. Calls that wait for its end may be what it waits for itself.
void Activations::run_hook(Activation& activation, Hook hook, const char* label) {
  RecordRef record(new HookRecord(hook));
  record->callee = activation.name;
  record->activation = &activation;
  record->site = new detail::CallSite(*record);
  record->site->label = label;
  record->site->on_hook_end = [this, id = activation.id](Record& ended) { end_hook(id, ended); };
  activation.get_rare().hook = record.get();
  Record* const before = uses_.scheduler.interrupt();
  const bool is_open = uses_.calls.open(*record);
  uses_.scheduler.current = before;
  if (!is_open) return end_hook(activation.id, *record);
  uses_.calls.suspect(record);
  uses_.calls.start_soon(std::move(record));
}

/// What on_activate has changed is saved only now, and only if it differs from what was loaded or constructed.
void Activations::end_hook(ActivationId id, const Record& hook) {
  Activation* activation = table_.find(id);
  if (activation == nullptr || activation->hook() != &hook) return;
  activation->rare->hook = nullptr;
  const std::exception_ptr error = hook.failure ? hook.failure : hook.thrown();
  if (activation->state == Activation::State::starting) {
    if (error) {
      const ErrorPart part = describe_thrown(error);
      const std::string kind = part.code == ErrorCode::call_failed ? std::string() : part.exception_type + ": ";
      return fail(*activation, fmt::format("on_activate failed: {}{}", kind, part.message));
    }
    activation->state = Activation::State::active;
    if (uses_.saving.has_mail(*activation))
      uses_.saving.save_now(*activation);
    else if (activation->type->is_stored &&
             (activation->is_erased || uses_.saving.hash_of(*activation) != activation->saved_hash))
      uses_.saving.mark_dirty(*activation);
    return become_active(*activation);
  }
  if (activation->state != Activation::State::stopping) return;  // discarded meanwhile
  if (error)
    uses_.syscalls.log(LogLevel::warn, uses_.words.shown(activation->name),
                       "on_deactivate failed: " + describe_thrown(error).message);
  leave_memory(*activation);
}

void Activations::become_active(Activation& activation) {
  activation.state = Activation::State::active;
  collector_.add(activation);
  uses_.events.add_activated(activation.subject(), take_birth(activation));
  if (activation.replacement() != nullptr) return begin_replacing(activation);
  wait_ends_.let_go(activation);
}

void Activations::on_line_empty(Activation& activation) {
  if (activation.state != Activation::State::gone) return check_stop(activation);
  const ShardId shard = activation.shard;
  remove(activation);
  check_released(shard);
}

/// The waiting calls fail; the next one tries again.
void Activations::fail(Activation& activation, const std::string& why) {
  const std::string name = uses_.words.shown(activation.name);
  const std::string message = fmt::format("{} cannot be activated: {}", name, why);
  uses_.syscalls.log(LogLevel::error, name, message);
  uses_.events.add_failed(activation.subject(), take_birth(activation), why);
  wait_ends_.fail(wait_ends_.take_line(activation), activation.observed,
                  make_exception(ErrorCode::activation_failed, message));
  uses_.saving.discard_change(activation, ErrorCode::activation_failed, message);
  end_executions(activation, left_memory(activation), [this](Activation& ended, bool) { drop_when_saved(ended); });
}

// ---- shards ----

void Activations::on_closed(ShardId shard) {
  table_.for_each_of(shard, [this](Activation& activation) { ask_to_stop(activation, StopCause::moved); });
  check_released(shard);
}

void Activations::on_reopened(ShardId shard) {
  table_.for_each_of(shard, [this](Activation& activation) { take_back_stop(activation); });
  uses_.routing.retry(shard);
}

void Activations::check_released(ShardId shard) {
  const bool is_empty =
      table_.count_of(shard) == 0 && !uses_.saving.has_loose(shard) && !uses_.blocking.is_writing(shard);
  if (!uses_.routing.try_release(shard, is_empty)) return;
  undone_.forget(shard);
  uses_.syscalls.released(shard);
  uses_.routing.retry(shard);  // others' calls are refused, and ours wait for the next owner
}

void Activations::on_lost(ShardId shard) {
  undone_.forget(shard);
  std::vector<ActivationId> lost;
  table_.for_each_of(shard, [&](const Activation& activation) { lost.push_back(activation.id); });
  for (const ActivationId id : lost)
    if (Activation* activation = table_.find(id))
      discard(*activation, ErrorCode::node_lost,
              fmt::format("{}: its shard was given to another node", uses_.words.shown(activation->name)),
              Reported::to_callers);
}

bool Activations::is_stopping(const Activation& activation) const {
  return activation.is_to_leave() || activation.state >= Activation::State::ending || uses_.admission.is_draining ||
         uses_.admission.is_stop_announced || uses_.routing.is_asked_back(activation.shard);
}

// ---- states from outside ----

void Activations::replace(NewState state, OnReplaced on_end) {
  const auto target = replacements_.check(state);
  if (!target) return on_end(std::unexpected(target.error()));
  Activation* activation = table_.find(*target->name);
  if (activation == nullptr) {
    activation = &add(target->name, *target->type, target->shard);
    uses_.syscalls.load(activation->id, target->type->info->stored_name(), target->name->key());
  }
  replacements_.begin(*activation, std::move(state), std::move(on_end));
  if (activation->state == Activation::State::active) begin_replacing(*activation);
}

/// From here on new calls wait.
void Activations::begin_replacing(Activation& activation) {
  activation.state = Activation::State::ending;
  check_stop(activation);
}

/// The instance has nothing left to save, or there is none; the new state goes into the forming batch. Called again
/// when that is durable.
void Activations::write_replacement(Activation& activation) {
  if (const auto outcome = Replacements::find_outcome(activation)) {
    if (activation.stop_asked_ns() != 0) add_left(activation);
    replacements_.end(activation, *outcome);
    return drop(activation);
  }
  destroy(activation);
  activation.state = Activation::State::replacing;
  activation.replacement()->is_written = true;
  static_cast<void>(undone_.take(activation.name->text));
  uses_.saving.save_now(activation);
  leaving_.push_back(activation.id);
}

/// Running calls have had their time: those entities go on unchanged.
void Activations::call_off_replacements() {
  for (const ActivationId id : replacements_.take_overdue()) {
    Activation* activation = table_.find(id);
    if (activation == nullptr || activation->replacement() == nullptr) continue;
    const bool is_ending = activation->state == Activation::State::ending;
    if (!is_ending && activation->state != Activation::State::starting) continue;  // being written: the store decides
    replacements_.end(*activation, std::unexpected(ErrorPart{
                                       ErrorCode::timeout,
                                       {},
                                       fmt::format("{} calls of {} still ran after {} s; its state was left as it is",
                                                   activation->running, uses_.words.shown(activation->name),
                                                   limits::kReplaceTimeout / std::chrono::seconds(1))}));
    if (is_ending) become_active(*activation);
  }
}

// ---- time ----

void Activations::on_time() {
  slow_stops_.on_time();
  reaper_.on_time();
  wait_ends_.on_time();
  call_off_replacements();
  collector_.on_time();
}

std::optional<std::int64_t> Activations::next_timer_ns() const {
  std::optional<std::int64_t> next;
  for (const auto due : {slow_stops_.next_timer_ns(), reaper_.next_timer_ns(), wait_ends_.next_timer_ns(),
                         replacements_.next_timer_ns()})
    if (due) next = std::min(next.value_or(INT64_MAX), *due);
  if (table_.size() > 0) next = std::min(next.value_or(INT64_MAX), collector_.next_timer_ns());
  return next;
}

}  // namespace epic::kernel
