#include "kernel/activations/replacements.hpp"

#include <fmt/format.h>

#include "kernel/limits.hpp"
#include "kernel/placement.hpp"

namespace epic::kernel {

std::expected<Replacements::Target, ErrorPart> Replacements::check(const NewState& asked) const {
  const auto refuse = [](ErrorCode code, std::string message) {
    return std::unexpected(ErrorPart{code, {}, std::move(message)});
  };
  const TypeEntry* type = types_.find(asked.type);
  if (type == nullptr)
    return refuse(ErrorCode::no_such_type, fmt::format("no entity class '{}' in this project's modules", asked.type));
  const std::string text = fmt::format("{}/{}", type->info->stored_name(), asked.key);
  const std::string shown = types_.shown(text);
  detail::NamePtr name = detail::parse_name(text);
  if (!name) return refuse(ErrorCode::bad_arguments, fmt::format("'{}' cannot name an entity", shown));
  if (!type->is_stored)
    return refuse(ErrorCode::bad_arguments, fmt::format("nothing of {} is saved, so nothing can be put there", shown));
  if (asked.state && asked.state->size() > limits::kStateBytesMax)
    return refuse(ErrorCode::state_too_large, fmt::format("the state of {} has {} bytes, and {} is the most", shown,
                                                          asked.state->size(), limits::kStateBytesMax));
  const ShardId shard = placement_.shard_of(text);
  if (!routing_.is_active(shard))
    return refuse(ErrorCode::unavailable, fmt::format("this node does not own {}'s shard, {}", shown, shard));
  if (!admission_.refusal().empty()) return refuse(ErrorCode::unavailable, std::string(admission_.refusal()));
  if (count_ >= limits::kReplacementsMax)
    return refuse(ErrorCode::overloaded, fmt::format("{} states are being replaced already", count_));
  if (const Activation* activation = table_.find(text); activation != nullptr && activation->replacement() != nullptr)
    return refuse(ErrorCode::unavailable, fmt::format("the state of {} is being replaced already", shown));
  return Target{std::move(name), type, shard};
}

void Replacements::begin(Activation& activation, NewState asked, OnReplaced on_end) {
  const std::int64_t deadline_ns = clock_.now_ns + std::chrono::nanoseconds(limits::kReplaceTimeout).count();
  deadlines_.emplace(deadline_ns, activation.id);
  ++count_;
  activation.get_rare().replacement = std::make_unique<Replacement>(Replacement{.state = std::move(asked.state),
                                                                                .only_if = asked.only_if,
                                                                                .on_end = std::move(on_end),
                                                                                .deadline_ns = deadline_ns});
}

std::optional<Replaced> Replacements::find_outcome(const Activation& activation) {
  const Replacement& replacement = *activation.replacement();
  if (replacement.is_written) return Replaced::done;
  if (replacement.only_if && activation.version != *replacement.only_if) return Replaced::passed_over;
  const bool is_equal = replacement.state ? activation.has_saved && activation.saved_hash == hash128(*replacement.state)
                                          : !activation.has_row;
  return is_equal ? std::optional(Replaced::equal) : std::nullopt;
}

void Replacements::end(Activation& activation, std::expected<Replaced, ErrorPart> outcome) {
  const std::unique_ptr<Replacement> ended = std::move(activation.rare->replacement);
  deadlines_.erase({ended->deadline_ns, activation.id});
  --count_;
  ended->on_end(std::move(outcome));
}

std::vector<ActivationId> Replacements::take_overdue() {
  std::vector<ActivationId> overdue;
  while (!deadlines_.empty() && deadlines_.begin()->first <= clock_.now_ns) {
    overdue.push_back(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
  }
  return overdue;
}

}  // namespace epic::kernel
