// States from outside: an import replaces an entity's state.
//
// A live instance is deactivated in order: its running calls end (and calls that those wait for may still enter), its
// changes are saved, and it leaves memory. Otherwise only its version is loaded. Either way an activation without an
// instance remains, where calls wait; the new state goes into the next batch under it, and when that is durable the
// calls go to a new instance.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/assert.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

namespace {

ErrorPart make_error(ErrorCode code, std::string message) { return {code, {}, std::move(message)}; }

}  // namespace

void Kernel::replace(std::string_view type_name, std::string_view key, std::optional<std::vector<std::byte>> state,
                     std::optional<Version> only_if, OnReplaced on_end) {
  const Scope scope(*this);
  const auto refuse = [&](ErrorCode code, std::string message) {
    on_end(std::unexpected(make_error(code, std::move(message))));
  };
  const TypeEntry* type = types_.find(type_name);
  if (type == nullptr)
    return refuse(ErrorCode::no_such_type, fmt::format("no entity class '{}' in this project's modules", type_name));
  const std::string text = fmt::format("{}/{}", type->info->stored_name(), key);
  const std::string shown = types_.shown(text);
  const detail::NamePtr name = detail::parse_name(text);
  if (!name) return refuse(ErrorCode::bad_arguments, fmt::format("'{}' cannot name an entity", shown));
  if (!type->is_stored)
    return refuse(ErrorCode::bad_arguments, fmt::format("nothing of {} is saved, so nothing can be put there", shown));
  if (state && state->size() > limits::kStateBytesMax)
    return refuse(ErrorCode::state_too_large, fmt::format("the state of {} has {} bytes, and {} is the most", shown,
                                                          state->size(), limits::kStateBytesMax));
  const ShardId shard = shard_of(text);
  if (!routing_.is_active(shard))
    return refuse(ErrorCode::unavailable, fmt::format("this node does not own {}'s shard, {}", shown, shard));
  if (is_draining_ || !blocked_.empty())
    return refuse(ErrorCode::unavailable, is_draining_ ? "this node is shutting down" : blocked_);
  if (replacements_.size() >= limits::kReplacementsMax)
    return refuse(ErrorCode::overloaded, fmt::format("{} states are being replaced already", replacements_.size()));

  Activation* activation = activations_.find(text);
  if (activation != nullptr && activation->replacement() != nullptr)
    return refuse(ErrorCode::unavailable, fmt::format("the state of {} is being replaced already", shown));
  auto replacement = std::make_unique<Replacement>(
      Replacement{.state = std::move(state),
                  .only_if = only_if,
                  .on_end = std::move(on_end),
                  .deadline_ns = execution_.now_ns + std::chrono::nanoseconds(limits::kReplacePatience).count()});
  if (activation == nullptr) {
    activation = &add_activation(name, *type, shard);
    syscalls_.load(activation->id, type->info->stored_name(), name->key());
  }
  replacements_.emplace(replacement->deadline_ns, activation->id);
  activation->get_rare().replacement = std::move(replacement);
  if (activation->state == Activation::State::active) begin_replacing(*activation);
}

/// From here on new calls wait.
void Kernel::begin_replacing(Activation& activation) {
  activation.state = Activation::State::ending;
  check_stop(activation);
}

/// The instance has nothing left to save, or there is none; the new state goes into the forming batch. Called again
/// when that is durable.
void Kernel::write_replacement(Activation& activation) {
  Replacement& replacement = *activation.replacement();
  std::optional<Replaced> outcome;
  if (replacement.is_written)
    outcome = Replaced::done;
  else if (replacement.only_if && activation.version != *replacement.only_if)
    outcome = Replaced::passed_over;
  else if (replacement.state ? activation.has_saved && activation.saved_hash == hash128(*replacement.state)
                             : !activation.has_row)
    outcome = Replaced::equal;
  if (outcome) {
    if (activation.stop_asked_ns() != 0) add_left(activation);
    end_replacing(activation, *outcome);
    return drop(activation);
  }
  end_suspended(activation);
  if (activation.entity != nullptr) activation.type->info->destroy(std::exchange(activation.entity, nullptr));
  activation.state = Activation::State::replacing;
  replacement.is_written = true;
  batcher_.add(activation);
  leaving_.push_back(activation.id);
}

Kernel::Sealed Kernel::encode_replacement(Batch& batch, Activation& activation) {
  if (std::exchange(activation.replacement()->is_encoded, true)) return Sealed::unchanged;
  add_operation(batch, activation, std::move(activation.replacement()->state));
  return Sealed::changed;
}

void Kernel::end_replacing(Activation& activation, std::expected<Replaced, ErrorPart> outcome) {
  const std::unique_ptr<Replacement> ended = std::move(activation.rare->replacement);
  replacements_.erase({ended->deadline_ns, activation.id});
  ended->on_end(std::move(outcome));
}

/// Running calls have had their time: those entities go on unchanged.
void Kernel::call_off_replacements() {
  while (!replacements_.empty() && replacements_.begin()->first <= execution_.now_ns) {
    Activation* activation = activations_.find(replacements_.begin()->second);
    replacements_.erase(replacements_.begin());
    EPIC_ASSERT(activation != nullptr && activation->replacement() != nullptr, "a replacement of nothing");
    const bool is_ending = activation->state == Activation::State::ending;
    if (!is_ending && activation->state != Activation::State::starting) continue;  // being written: the store decides
    end_replacing(*activation, std::unexpected(make_error(
                                   ErrorCode::timeout,
                                   fmt::format("{} calls of {} still ran after {} s; its state was left as it is",
                                               activation->running, words_.shown(activation->name),
                                               limits::kReplacePatience / std::chrono::seconds(1)))));
    if (is_ending) become_active(*activation);
  }
}

}  // namespace epic::kernel
