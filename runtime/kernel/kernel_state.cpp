// Saving, and the gate: dirty entities become batches, and what leaves waits for the commits that it has observed.

#include <fmt/format.h>

#include <stdexcept>

#include <algorithm>
#include <utility>

#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

namespace {

/// How long before its deadline a reply to another node is given up, so that the error arrives in time.
constexpr std::int64_t kLeadMaxNs = 500'000'000;

}  // namespace

void Kernel::mark_dirty(Activation& activation) {
  if (activation.type->info->durability == reflect::Durability::interval &&
      activation.state == Activation::State::active && !is_draining_) {
    activation.is_dirty = true;
    std::int64_t& due_ns = activation.get_rare().save_due_ns;
    if (due_ns > execution_.now_ns) return;  // already listed
    due_ns = execution_.ns_from_now(activation.type->info->save_interval.count());
    interval_saves_.emplace(due_ns, activation.id);
    return;
  }
  batcher_.add(activation);
}

bool Kernel::is_unsaved(const Activation& activation) const {
  return activation.is_dirty || activation.saved_in > gate_.durable();
}

// ---- leaving ----

/// Releases something that `origin` has brought about, once what `origin` has observed is durable.
void Kernel::release_when_durable(const Record* origin, Outgoing item) {
  const CommitNumber needs = observations_.observed_by(origin);
  if (gate_.is_open(needs)) return release(std::move(item));
  const Activation* activation = activation_of(origin);
  const bool is_own = activation != nullptr && activation->is_dirty && activation->observed < needs;
  hold(needs, is_own ? activation : nullptr, std::move(item));
}

/// `own`: whose own change the item needs; null: the change is another's.
void Kernel::hold(CommitNumber needs, const Activation* own, Outgoing item) {
  if (needs < batcher_.forming()) return gate_.hold(needs, std::move(item));
  provisional_.push_back(
      {own != nullptr ? own->id : ActivationId{}, own != nullptr ? own->observed : needs, std::move(item)});
}

/// Held calls, to shards that are this node's now, no longer leave the node. They go before those made from here on.
void Kernel::park_held() {
  const auto is_ours = [this](const Outgoing& item) {
    const auto* call = std::get_if<HeldCall>(&item);
    return call != nullptr && routing_.is_ours(shard_of(call->record->callee->text));
  };
  std::vector<Outgoing> ours = gate_.take_if(is_ours);
  std::erase_if(provisional_, [&](Provisional& provisional) {
    if (!is_ours(provisional.item)) return false;
    ours.push_back(std::move(provisional.item));
    return true;
  });
  for (Outgoing& item : ours) {
    const RecordRef record = std::get<HeldCall>(item).record;
    if (!record->failure) routing_.park(site_of(*record));
  }
}

void Kernel::release(Outgoing item) {
  if (auto* call = std::get_if<HeldCall>(&item)) {
    calls_.route(std::move(call->record));
  } else if (auto* reply = std::get_if<HeldReply>(&item)) {
    syscalls_.send(reply->to, std::move(reply->reply));
  } else {
    Record& record = *std::get<HeldEnd>(item).record;
    const auto on_end = std::exchange(record.site->on_end, nullptr);
    if (on_end) on_end(record);
  }
}

/// The change that this item depends on cannot be saved: its receiver gets the error instead of the result.
void Kernel::release_with_error(Outgoing item, ErrorCode code, const std::string& message) {
  if (auto* reply = std::get_if<HeldReply>(&item)) {
    reply->reply.outcome = ErrorPart{code, {}, message};
  } else if (auto* end = std::get_if<HeldEnd>(&item)) {
    end->record->failure = make_exception(code, message);
  } else {
    const RecordRef record = std::get<HeldCall>(item).record;
    if (!record->failure) fail(*record, code, message);
    return;
  }
  release(std::move(item));
}

/// A caller that waits for a result behind a store that cannot write gets the reason at the deadline; its own clock
/// only knows that no answer has come. A reply to another node is given up a little earlier, so that it arrives in
/// time. Held calls are in the table of calls and expire like others; here they only make room.
void Kernel::expire_held() {
  next_held_check_ns_ = execution_.now_ns + limits::kHeldCheckEvery.count();
  const auto is_overdue = [this](const Outgoing& item) {
    if (const auto* call = std::get_if<HeldCall>(&item)) return call->record->failure != nullptr;  // no caller waits
    if (const auto* end = std::get_if<HeldEnd>(&item)) return end->record->deadline_ns <= execution_.now_ns;
    const Record& record = *std::get<HeldReply>(item).record;
    return record.deadline_ns - std::min(record.patience_ns / 10, kLeadMaxNs) <= execution_.now_ns;
  };
  std::vector<Outgoing> overdue = gate_.take_if(is_overdue);
  std::erase_if(provisional_, [&](Provisional& provisional) {
    if (!is_overdue(provisional.item)) return false;
    overdue.push_back(std::move(provisional.item));
    return true;
  });
  for (Outgoing& item : overdue) {
    if (std::holds_alternative<HeldCall>(item)) continue;
    const auto* reply = std::get_if<HeldReply>(&item);
    const RecordRef record = reply != nullptr ? reply->record : std::get<HeldEnd>(item).record;
    const bool is_from_peer = reply != nullptr;
    const std::string doing = "it has run, but what it did cannot be saved just now (it may be later): " + blocked_;
    release_with_error(std::move(item), ErrorCode::timeout,
                       is_from_peer ? doing : words_.describe_timeout(*record, doing));
  }
}

// ---- batches ----

void Kernel::seal() {
  const Scope scope(*this);
  if (must_sweep_leaving_) sweep_leaving();
  if (!batcher_.has_dirty() || !batcher_.may_send()) return;
  const auto [number, dirty] = batcher_.seal();
  Batch batch;
  batch.number = number;
  batch.writer = Incarnation{options_.self.life};
  batch.operations.reserve(dirty.size());
  NotSealed not_sealed;
  for (const ActivationId id : dirty) {
    Activation* activation = activations_.find(id);
    if (activation == nullptr || !std::exchange(activation->is_dirty, false)) continue;  // listed twice, or discarded
    const Sealed sealed = encode_into(batch, *activation);
    if (sealed == Sealed::changed) {
      activation->saved_in = number;
      if (activation->type->is_gated) activation->observed = number;
    } else {
      not_sealed.emplace(id, sealed);
    }
  }
  settle(number, not_sealed);
  ++stats_.batches;
  stats_.rows += batch.operations.size();
  if (batch.operations.empty()) {  // as durable as what went before it
    if (!batcher_.is_committing()) become_durable(number);
    return;
  }
  std::size_t bytes = 0;
  for (const Operation& operation : batch.operations) {
    bytes += bytes_of(operation);
    const ShardId shard = kernel::shard_of(operation);
    if (routing_.note_change(shard, number)) batch.epochs.push_back({shard, routing_.epoch_of(shard)});
  }
  batcher_.on_sent(number, bytes);
  syscalls_.commit(std::move(batch));
}

Kernel::Sealed Kernel::encode_into(Batch& batch, Activation& activation) {
  if (const Replacement* one = activation.replacement(); one != nullptr && one->is_written)
    return encode_replacement(batch, activation);
  const reflect::EntityInfo& info = *activation.type->info;
  std::vector<std::byte> bytes;
  try {
    codec_.encode(info.state, info.object(activation.entity), bytes);
  } catch (const std::length_error&) {
    if (!activation.is_erased) return Sealed::too_large;
    bytes.clear();
  }
  const Hash128 hash = hash128(bytes);
  const Hash128* const erased = activation.erased_hash();
  const bool is_removal = activation.is_erased && (erased == nullptr || *erased == hash);
  if (std::exchange(activation.is_erased, false)) {
    activation.has_saved = false;
    activation.state_bytes = 0;
    events_.add(Happening::erased, activation.subject(), "by epic::erase()", execution_.now_ns);
  }
  std::optional<std::vector<std::byte>> state;
  if (is_removal) {
    activation.get_rare().erased_hash = hash;
  } else {
    if (bytes.empty() || bytes.size() > limits::kStateBytesMax) return Sealed::too_large;
    if (activation.has_saved ? activation.saved_hash == hash : erased != nullptr && *erased == hash)
      return Sealed::unchanged;
    activation.has_saved = true;
    activation.saved_hash = hash;
    activation.state_bytes = static_cast<std::uint32_t>(bytes.size());
    if (activation.state == Activation::State::active) measure(activation);
    state = std::move(bytes);
  }
  activation.saved_at_ns = state ? execution_.wall_ns : 0;
  const bool is_put = state.has_value();
  add_operation(batch, activation, std::move(state));
  if (is_put)
    activation.save_event =
        events_.add_save(activation.subject(), activation.save_event, batch.number, activation.state_bytes);
  return Sealed::changed;
}

/// The next version of an entity: this state, or none.
void Kernel::add_operation(Batch& batch, Activation& activation, std::optional<std::vector<std::byte>> state) {
  TypeEntry& type = *types_.find(activation.type->info->type_name);
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
void Kernel::settle(CommitNumber number, const NotSealed& not_sealed) {
  const auto refused = std::ranges::find(not_sealed, Sealed::too_large, &NotSealed::value_type::second);
  std::vector<Provisional> closed = std::exchange(provisional_, {});
  provisional_.reserve(closed.size());  // probably as many again
  for (Provisional& provisional : closed) {
    const auto result = not_sealed.find(provisional.origin);
    const bool is_own = result != not_sealed.end() && result->second == Sealed::too_large;
    const bool may_have_seen_it = refused != not_sealed.end() && provisional.otherwise == number;
    if (is_own || may_have_seen_it) {
      const Activation* activation = activations_.find(is_own ? provisional.origin : refused->first);
      release_with_error(
          std::move(provisional.item), ErrorCode::state_too_large,
          fmt::format(
              "the change to {} was refused and undone: its encoded state is above {} bytes, or nests too deeply{}",
              activation == nullptr ? std::string("the entity") : words_.shown(activation->name),
              limits::kStateBytesMax, is_own ? "" : "; this call has run, and may have seen that change"));
      continue;
    }
    const bool is_unchanged = result != not_sealed.end() && result->second == Sealed::unchanged;
    const CommitNumber needs = is_unchanged ? provisional.otherwise : number;
    if (auto* call = is_unchanged ? std::get_if<HeldCall>(&provisional.item) : nullptr)
      call->record->observed = needs.value;
    if (gate_.is_open(needs))
      release(std::move(provisional.item));
    else
      gate_.hold(needs, std::move(provisional.item));
  }
  for (const auto& [id, sealed] : not_sealed)
    if (Activation* activation = sealed == Sealed::too_large ? activations_.find(id) : nullptr)
      discard(*activation, ErrorCode::state_too_large,
              fmt::format("{}: its encoded state is above {} bytes; the instance is dropped and starts again from its "
                          "last saved state",
                          words_.shown(activation->name), limits::kStateBytesMax));
}

void Kernel::on_committed(CommitNumber number) {
  const Scope scope(*this);
  ++stats_.commits;
  become_durable(batcher_.on_committed(number));
}

void Kernel::on_store_writing(bool is_writing) { batcher_.on_store_writing(is_writing); }

void Kernel::on_store_blocked(std::string reason) { blocked_ = std::move(reason); }

void Kernel::become_durable(CommitNumber number) {
  for (Outgoing& item : gate_.on_durable(number)) release(std::move(item));
  routing_.on_committed();
  const auto end = saved_waiters_.upper_bound(number);
  for (auto waiting = saved_waiters_.begin(); waiting != end; ++waiting) execution_.queue.push_resume(*waiting->second);
  saved_waiters_.erase(saved_waiters_.begin(), end);
  sweep_leaving();
}

/// Deactivates those whose last change is now durable.
void Kernel::sweep_leaving() {
  must_sweep_leaving_ = false;
  for (const ActivationId id : std::exchange(leaving_, {})) {
    Activation* activation = activations_.find(id);
    if (activation == nullptr) continue;
    if (is_unsaved(*activation)) {
      leaving_.push_back(id);
    } else if (activation->replacement() != nullptr) {
      write_replacement(*activation);
    } else {
      if (activation->entity != nullptr) add_left(*activation);
      drop(*activation);
    }
  }
}

// ---- from inside an entity ----

bool Kernel::wait_saved(detail::Waiter& waiter) {
  calls_.end_turn();
  Activation* activation = activation_of(execution_.current);
  CommitNumber needs = observations_.observed_by(execution_.current);
  if (activation != nullptr && activation->is_dirty) {  // also for interval classes: save now
    if (activation->type->info->durability == reflect::Durability::interval) batcher_.add(*activation);
    needs = batcher_.forming();
  } else if (activation != nullptr) {
    needs = std::max(needs, activation->saved_in);
  }
  if (gate_.is_open(needs)) return false;
  waiter.execution = execution_.current;
  waiter.remaining = 1;
  saved_waiters_.emplace(needs, &waiter);
  execution_.current = nullptr;
  return true;
}

void Kernel::cancel_saved(detail::Waiter& waiter) {
  execution_.queue.drop(waiter);
  std::erase_if(saved_waiters_, [&](const auto& waiting) { return waiting.second == &waiter; });
}

void Kernel::erase_current() {
  Activation* activation = activation_of(execution_.current);
  if (activation == nullptr) throw std::logic_error("epic::erase() was called outside of an entity's method");
  if (!activation->type->is_stored) return;
  activation->is_erased = true;
  if (activation->rare != nullptr) activation->rare->erased_hash.reset();
  if (!activation->is_dirty) mark_dirty(*activation);
  if (execution_.current->is_read_only) note_erased(*activation);  // its turn changes nothing any longer
}

/// The turn that erased is over: later changes are saved again.
void Kernel::note_erased(Activation& activation) {
  if (activation.erased_hash() != nullptr) return;
  std::vector<std::byte> bytes;
  try {
    codec_.encode(activation.type->info->state, activation.type->info->object(activation.entity), bytes);
  } catch (const std::length_error&) {  // refused when it is saved, unless it is erased by then
    bytes.clear();
  }
  activation.get_rare().erased_hash = hash128(bytes);
}

}  // namespace epic::kernel
