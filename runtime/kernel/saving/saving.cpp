#include "kernel/saving/saving.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>
#include <utility>

#include "kernel/errors.hpp"
#include "reflect/memory_of.hpp"

namespace epic::kernel {

namespace {

/// Of a reply as it is sent, and of a result for a caller in this process as it lies in memory. What entities of this
/// node wait for is theirs, like their frames: memory_budget counts it.
std::size_t result_bytes_of(const Outgoing& item) {
  switch (item.kind) {
    case Outgoing::Kind::call:
    case Outgoing::Kind::write:  // open files have their own limit
      return 0;
    case Outgoing::Kind::reply: {
      const auto* const result = std::get_if<ResultPart>(&item.reply.outcome);
      return result != nullptr ? result->bytes.size() : std::get<ErrorPart>(item.reply.outcome).message.size();
    }
    case Outgoing::Kind::end: {
      const void* const result = item.record->result();
      if (result == nullptr) return 0;
      const reflect::TypeInfo& type = item.record->method->result();
      return type.size_bytes + reflect::memory_of(type, result);
    }
  }
  return 0;
}

}  // namespace

// ---- changes ----

void Saving::mark_dirty(Activation& activation) {
  if (activation.state == Activation::State::starting) {
    if (activation.is_erased) note_erased(activation);
    return;
  }
  const reflect::EntityInfo& info = *activation.type->info;
  const bool may_wait = info.durability == reflect::Durability::interval &&
                        activation.state == Activation::State::active && !uses_.admission.is_draining;
  if (!may_wait) return batcher_.add(activation);
  activation.is_dirty = true;
  std::int64_t& due_ns = activation.get_rare().save_due_ns;
  if (due_ns > uses_.scheduler.now_ns) return;  // already listed
  due_ns = uses_.scheduler.ns_from_now(info.save_interval.count());
  interval_saves_.emplace(due_ns, activation.id);
}

void Saving::discard_change(Activation& activation, ErrorCode code, const std::string& why) {
  if (has_mail(activation)) {
    std::vector<MailId> undone;
    for (const Operation& operation : std::exchange(activation.rare->mail, {})) {
      if (undo_answer(operation)) continue;
      if (const auto* const mark = std::get_if<MarkMail>(&operation)) undone.push_back(mark->id);
      if (const auto* const end = std::get_if<EndMail>(&operation)) undone.push_back(end->id);
    }
    if (!undone.empty()) listener_.on_mail_undone(undone);
  }
  if (std::exchange(activation.is_dirty, false) && activation.type->is_gated)
    refused_.insert_or_assign(activation.id, Refusal{code, why});
}

void Saving::save_now(Activation& activation) {
  if (!activation.is_dirty || activation.type->info->durability == reflect::Durability::interval)
    batcher_.add(activation);
}

void Saving::erase() {
  Activation* activation = activation_of(uses_.scheduler.current);
  if (activation == nullptr) throw std::logic_error("epic::erase() was called outside of an entity's method");
  if (!activation->type->is_stored) return;
  activation->is_erased = true;
  if (activation->rare != nullptr) {
    activation->rare->erased_hash.reset();
    activation->rare->reminders.clear();
  }
  drop_settings(*activation);
  if (!activation->is_dirty && activation->state != Activation::State::starting) mark_dirty(*activation);
  if (uses_.scheduler.current->is_read_only) note_erased(*activation);  // its turn changes nothing any longer
}

void Saving::note_erased(Activation& activation) {
  if (activation.erased_hash() == nullptr) activation.get_rare().erased_hash = hash_of(activation);
}

Hash128 Saving::hash_of(const Activation& activation) const {
  std::vector<std::byte> bytes;
  try {
    uses_.codec.encode(activation.type->info->state, activation.type->info->object(activation.entity), bytes);
  } catch (const std::length_error&) {  // refused when it is saved, unless it is erased by then
    bytes.clear();
  }
  return hash128(bytes);
}

// ---- batches ----

void Saving::seal() {
  if ((!batcher_.has_dirty() && loose_.empty()) || !batcher_.may_send()) return;
  const auto [number, dirty] = batcher_.seal();
  Batch batch;
  batch.number = number;
  batch.writer = uses_.self;
  batch.operations.reserve(dirty.size());
  std::set<ActivationId> unchanged;
  std::vector<ActivationId> own;  // have observed nothing of this batch but their own change
  std::map<ActivationId, std::string> too_large;
  for (const ActivationId id : dirty) {
    Activation* activation = uses_.table.find(id);
    if (activation == nullptr || !std::exchange(activation->is_dirty, false)) continue;  // listed twice, or discarded
    Sealed sealed = encode_into(batch, *activation);
    if (sealed == Sealed::too_large)
      too_large[id] = fmt::format(
          "the change to {} was refused and undone: its state is too large (above {} bytes encoded), or nests too "
          "deeply",
          uses_.words.shown(activation->name), limits::kStateBytesMax);
    const bool has_mail_in = add_mail(batch, *activation, sealed == Sealed::too_large ? too_large[id] : std::string());
    if (has_mail_in && sealed == Sealed::unchanged) sealed = Sealed::changed;
    switch (sealed) {
      case Sealed::changed:
        activation->saved_in = number;
        if (!activation->type->is_gated) break;
        if (activation->observed < number) own.push_back(id);
        activation->observed = number;
        break;
      case Sealed::unchanged:
        unchanged.insert(id);
        break;
      case Sealed::too_large:
        if (activation->type->is_gated) refused_.emplace(id, Refusal{ErrorCode::state_too_large, too_large[id]});
    }
  }
  add_loose(batch);
  const Refused refused = std::exchange(refused_, {});
  const std::set<ActivationId> reported = settle(number, unchanged, refused);
  if (!refused.empty()) {
    const auto& [code, why] = refused.begin()->second;
    std::ranges::sort(own);
    std::set<const Record*> waiting;  // for this batch, where they learn of it
    for (const detail::SavedAwaiter* const one : list_waiting(number)) waiting.insert(one->waiter.execution);
    listener_.fail_observers(number, own, code, why + "; this call has run on, and may have seen that change",
                             [&waiting](const Record& record) { return waiting.contains(&record); });
    fail_waiting(number, refused.begin()->second);
  }
  for (const auto& [id, why] : too_large)
    if (Activation* activation = uses_.table.find(id))
      listener_.discard(*activation, ErrorCode::state_too_large, why,
                        reported.contains(id) ? Reported::to_callers : Reported::to_nobody);
  ++counts_.batches;
  counts_.rows += batch.operations.size();
  if (batch.operations.empty()) {  // as durable as what went before it
    if (!batcher_.is_committing()) become_durable(number);
    return;
  }
  std::size_t bytes = 0;
  for (const Operation& operation : batch.operations) {
    bytes += bytes_of(operation);
    const ShardId shard = shard_of(operation);
    if (uses_.routing.note_change(shard, number)) batch.epochs.push_back({shard, uses_.routing.epoch_of(shard)});
  }
  batcher_.on_sent(number, bytes);
  uses_.syscalls.commit(std::move(batch));
  if (!reminded_.empty()) listener_.on_reminders_sealed(number, std::exchange(reminded_, {}));
  if (!sent_.empty()) listener_.on_mail_sealed(number, std::exchange(sent_, {}));
}

Saving::Sealed Saving::encode_into(Batch& batch, Activation& activation) {
  Replacement* const replacement = activation.replacement();
  if (replacement != nullptr && replacement->is_written) {
    if (std::exchange(replacement->is_encoded, true)) return Sealed::unchanged;
    if (!replacement->state) forget_reminders(batch, activation);
    add_operation(batch, activation, std::move(replacement->state));
    return Sealed::changed;
  }
  if (!activation.type->is_stored) return Sealed::unchanged;  // it has only sent mail
  const reflect::EntityInfo& info = *activation.type->info;
  std::vector<std::byte> bytes;
  try {
    uses_.codec.encode(info.state, info.object(activation.entity), bytes);
  } catch (const std::length_error&) {
    if (!activation.is_erased) return Sealed::too_large;
    bytes.clear();
  }
  const Hash128 hash = hash128(bytes);
  const Hash128* const erased = activation.erased_hash();
  const bool is_removal = activation.is_erased && (erased == nullptr || *erased == hash);
  if (!is_removal && (bytes.empty() || bytes.size() > limits::kStateBytesMax)) return Sealed::too_large;
  if (std::exchange(activation.is_erased, false)) {
    activation.has_saved = false;
    activation.state_bytes = 0;
    forget_reminders(batch, activation);
    uses_.events.add(Happening::erased, activation.subject(), "by epic::erase()", uses_.scheduler.now_ns);
  }
  std::optional<std::vector<std::byte>> state;
  if (is_removal) {
    activation.get_rare().erased_hash = hash;
  } else {
    if (activation.has_saved ? activation.saved_hash == hash : erased != nullptr && *erased == hash)
      return Sealed::unchanged;
    activation.has_saved = true;
    activation.saved_hash = hash;
    activation.state_bytes = static_cast<std::uint32_t>(bytes.size());
    if (activation.state == Activation::State::active) listener_.measure(activation);
    state = std::move(bytes);
  }
  activation.saved_at_ns = state ? uses_.scheduler.wall_ns : 0;
  const bool is_put = state.has_value();
  add_operation(batch, activation, std::move(state));
  if (is_put)
    activation.save_event =
        uses_.events.add_save(activation.subject(), activation.save_event, batch.number, activation.state_bytes);
  return Sealed::changed;
}

/// The next version of an entity: this state, or none.
void Saving::add_operation(Batch& batch, Activation& activation, std::optional<std::vector<std::byte>> state) {
  TypeEntry& type = *uses_.types.find(activation.type->info->type_name);
  const Replacement* const replacement = activation.replacement();
  const bool is_damaged = replacement != nullptr && replacement->is_damaged;
  std::optional<Version> replaces = activation.has_row ? activation.version : Version{0};
  if (is_damaged) replaces.reset();
  activation.version = activation.version.next();
  activation.has_row = state.has_value();
  std::string stored_name(type.info->stored_name());
  std::string key(activation.name->key());
  if (!state) {
    batch.operations.push_back(EraseSnapshot{.type = std::move(stored_name),
                                             .key = std::move(key),
                                             .shard = activation.shard,
                                             .version = activation.version,
                                             .replaces = replaces});
    return;
  }
  if (!std::exchange(type.is_schema_saved, true)) batch.schemas.push_back({type.schema.id(), type.schema.text()});
  batch.operations.push_back(PutSnapshot{.type = std::move(stored_name),
                                         .key = std::move(key),
                                         .shard = activation.shard,
                                         .version = activation.version,
                                         .replaces = replaces,
                                         .schema = type.schema.id(),
                                         .bytes = std::move(*state)});
}

/// The batch is closed: what was provisional now knows what it depends on, or that it must not leave. An item that has
/// observed another entity's change may have observed one that is refused: it is not known which, so none reports
/// success.
std::set<ActivationId> Saving::settle(CommitNumber number, const std::set<ActivationId>& unchanged,
                                      const Refused& refused) {
  const auto has_caller = [](const Outgoing& item) {
    return item.kind == Outgoing::Kind::reply || item.kind == Outgoing::Kind::end;
  };
  std::vector<Provisional> closed = std::exchange(provisional_, {});
  provisional_.reserve(closed.size());  // probably as many again
  std::set<ActivationId> reported;      // refused, and a caller gets the error
  for (Provisional& provisional : closed) {
    const auto own = refused.find(provisional.origin);
    if (own != refused.end()) {
      if (has_caller(provisional.item)) reported.insert(own->first);
      listener_.release_with_error(std::move(provisional.item), own->second.code, own->second.why);
      continue;
    }
    if (!refused.empty() && provisional.otherwise == number) {
      const auto& [id, any] = *refused.begin();
      if (has_caller(provisional.item)) reported.insert(id);
      listener_.release_with_error(std::move(provisional.item), any.code,
                                   any.why + "; this call has run, and may have seen that change");
      continue;
    }
    const bool is_unchanged = unchanged.contains(provisional.origin);
    const CommitNumber needs = is_unchanged ? provisional.otherwise : number;
    if (is_unchanged && provisional.item.kind == Outgoing::Kind::call) provisional.item.record->observed = needs.value;
    release_if_durable(needs, std::move(provisional.item));
  }
  return reported;
}

/// What waits in epic::saved() or epic::blocking() for another entity's change that is refused now: that never becomes
/// durable.
void Saving::fail_waiting(CommitNumber number, const Refusal& refusal) {
  for (detail::SavedAwaiter* const waiting : list_waiting(number)) {
    waiting->failure =
        make_exception(refusal.code, refusal.why + "; what waits here had seen that change, or may have");
    uses_.parked.resume(*waiting);
  }
}

/// For this batch, and for others' changes in it.
std::vector<detail::SavedAwaiter*> Saving::list_waiting(CommitNumber number) const {
  std::vector<detail::SavedAwaiter*> waiting;
  for (detail::ParkedWait* const one :
       uses_.parked.list(detail::WaitsFor::commit, static_cast<std::int64_t>(number.value)))
    if (auto* const awaiter = static_cast<detail::SavedAwaiter*>(one); awaiter->has_seen_others)
      waiting.push_back(awaiter);
  return waiting;
}

void Saving::on_committed(CommitNumber number) {
  ++counts_.commits;
  become_durable(batcher_.on_committed(number));
}

void Saving::become_durable(CommitNumber number) {
  for (Outgoing& item : gate_.on_durable(number)) listener_.release(std::move(item));
  uses_.parked.resume_until(detail::WaitsFor::commit, static_cast<std::int64_t>(number.value), SIZE_MAX);
  const auto sent_end = loose_sent_.upper_bound(number);
  for (auto sent = loose_sent_.begin(); sent != sent_end; sent = loose_sent_.erase(sent))
    settled_.push_back(sent->second);
  listener_.on_durable();
}

// ---- waiting ----

void Saving::hold(const Record& origin, Outgoing item) {
  const CommitNumber needs = observations_.observed_by(&origin);
  if (!gate_.is_open(needs)) bound(origin, item);
  if (gate_.is_open(needs) || needs < batcher_.forming()) return release_if_durable(needs, std::move(item));
  const Activation* activation = activation_of(&origin);
  const bool is_own = activation != nullptr && activation->is_dirty && activation->observed < needs;
  provisional_.push_back(
      {is_own ? activation->id : ActivationId{}, is_own ? activation->observed : needs, std::move(item)});
}

/// A slow store must not fill the memory with results: beyond the limit the caller gets an error instead, when it may
/// know that the method has run.
void Saving::bound(const Record& origin, Outgoing& item) {
  const std::size_t bytes = result_bytes_of(item);
  if (bytes == 0) return;
  if (held_bytes_ + bytes <= limits::kHeldBytesMax) {
    item.held = HeldBytes(held_bytes_, bytes);
    return;
  }
  const std::string why = fmt::format("results of {} MiB already wait for the store", held_bytes_ >> 20);
  if (auto* const error = std::get_if<ErrorPart>(&item.reply.outcome); error != nullptr) {
    error->message = "the text of the error was dropped: " + why;
    return;
  }
  const std::string dropped =
      fmt::format("the result of {} was dropped: {}; the method has run", uses_.words.describe(origin), why);
  if (item.kind == Outgoing::Kind::reply) {
    item.reply.outcome = ErrorPart{ErrorCode::call_failed, "epic::Error", dropped};
  } else {
    item.record->failure = make_exception(ErrorCode::call_failed, dropped, "epic::Error");
    static_cast<void>(item.record->emplace_result());
  }
}

void Saving::release_if_durable(CommitNumber needs, Outgoing item) {
  if (gate_.is_open(needs)) return listener_.release(std::move(item));
  gate_.hold(needs, std::move(item));
}

template <class Predicate>
std::vector<Outgoing> Saving::take_if(Predicate&& is_meant) {
  std::vector<Outgoing> taken = gate_.take_if(is_meant);
  std::erase_if(provisional_, [&](Provisional& provisional) {
    if (!is_meant(std::as_const(provisional.item))) return false;
    taken.push_back(std::move(provisional.item));
    return true;
  });
  return taken;
}

std::vector<RecordRef> Saving::take_calls(const std::function<bool(const Record&)>& is_meant) {
  std::vector<RecordRef> calls;
  for (Outgoing& item :
       take_if([&](const Outgoing& held) { return held.kind == Outgoing::Kind::call && is_meant(*held.record); }))
    calls.push_back(std::move(item.record));
  return calls;
}

Saving::Awaited Saving::await_seen() const {
  const Record* const current = uses_.scheduler.current;
  const CommitNumber needs = observations_.observed_by(current);
  const Activation* const activation = activation_of(current);
  return {needs, (activation != nullptr ? activation->observed : needs) >= batcher_.forming()};
}

Saving::Seen Saving::seen() const {
  const Record* const current = uses_.scheduler.current;
  const CommitNumber needs = observations_.observed_by(current);
  const Activation* const activation = activation_of(current);
  if (activation == nullptr) return {.origin = {}, .needs = needs, .others = needs};
  return {.origin = activation->id, .needs = needs, .others = activation->observed};
}

Saving::Awaited Saving::await_saved() {
  auto [needs, has_seen_others] = await_seen();
  Activation* const activation = activation_of(uses_.scheduler.current);
  if (activation != nullptr && activation->is_dirty) {
    save_now(*activation);
    needs = batcher_.forming();
  } else if (activation != nullptr) {
    needs = std::max(needs, activation->saved_in);
  }
  return {needs, has_seen_others};
}

// ---- time ----

void Saving::on_time() {
  const std::int64_t now_ns = uses_.scheduler.now_ns;
  while (!interval_saves_.empty() && interval_saves_.begin()->first <= now_ns) {
    Activation* activation = uses_.table.find(interval_saves_.begin()->second);
    interval_saves_.erase(interval_saves_.begin());
    if (activation == nullptr) continue;
    activation->get_rare().save_due_ns = 0;
    activation->trim();
    if (activation->is_dirty) save_now(*activation);
  }
  if (!uses_.admission.blocked.empty() && now_ns >= next_held_check_ns_) expire_held();
}

std::optional<std::int64_t> Saving::next_timer_ns() const {
  std::optional<std::int64_t> next;
  if (!interval_saves_.empty()) next = interval_saves_.begin()->first;
  if (!uses_.admission.blocked.empty()) next = std::min(next.value_or(INT64_MAX), next_held_check_ns_);
  return next;
}

/// A caller that waits for a result behind a store that cannot write gets the reason at the deadline; its own clock
/// only knows that no answer has come. A reply to another node is given up a little earlier, so that it arrives in
/// time. Held calls are in the table of calls and expire like others; here they only make room.
void Saving::expire_held() {
  const std::int64_t now_ns = uses_.scheduler.now_ns;
  next_held_check_ns_ = now_ns + limits::kHeldCheckEvery.count();
  const auto is_overdue = [now_ns](const Outgoing& item) {
    if (item.kind == Outgoing::Kind::call) return item.record->failure != nullptr;  // no caller waits
    return item.given_up_ns <= now_ns;
  };
  const std::string doing =
      "it has run, but what it did cannot be saved just now (it may be later): " + uses_.admission.blocked;
  for (Outgoing& item : take_if(is_overdue)) {
    if (item.kind == Outgoing::Kind::call) continue;
    const std::string message =
        item.kind == Outgoing::Kind::reply ? doing : uses_.words.describe_timeout(*item.record, doing);
    listener_.release_with_error(std::move(item), ErrorCode::timeout, message);
  }
}

}  // namespace epic::kernel
