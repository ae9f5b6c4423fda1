#include "kernel/messages.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "kernel/limits.hpp"
#include "reflect/utf8.hpp"

namespace epic::kernel {
namespace {

std::string find_path_fault(const std::vector<WaitLink>& path) {
  if (!path.empty() && path.size() <= limits::kChainLengthMax) return {};
  return fmt::format("a path of {} waiting calls, and 1 to {} are allowed", path.size(), limits::kChainLengthMax);
}

}  // namespace

std::string find_fault(const CallMessage& call) {
  constexpr std::size_t kTargetBytesMax = limits::kTypeNameBytesMax + 1 + limits::kKeyBytesMax;
  if (call.arguments.size() > limits::kArgumentsBytesMax)
    return fmt::format("a call with {} bytes of arguments, and {} are allowed", call.arguments.size(),
                       limits::kArgumentsBytesMax);
  if (call.chain.size() > limits::kChainLengthMax)
    return fmt::format("a call that {} calls wait for, and {} are allowed", call.chain.size(), limits::kChainLengthMax);
  if (call.target.size() > kTargetBytesMax)
    return fmt::format("a call to an entity with a name of {} bytes, and {} are allowed", call.target.size(),
                       kTargetBytesMax);
  if (!call.extensions) return {};
  if (call.extensions->idempotency_key.size() > limits::kIdempotencyKeyBytesMax)
    return fmt::format("a call with an idempotency key of {} bytes, and {} are allowed",
                       call.extensions->idempotency_key.size(), limits::kIdempotencyKeyBytesMax);
  if (call.extensions->caller.size() > limits::kSubjectBytesMax)
    return fmt::format("a call on behalf of a caller with a name of {} bytes, and {} are allowed",
                       call.extensions->caller.size(), limits::kSubjectBytesMax);
  return {};
}

std::string find_fault(const BroadcastMessage& broadcast) {
  if (broadcast.keys.size() != broadcast.steps.size() || broadcast.keys.size() >= limits::kBroadcastCallsMax)
    return fmt::format("a broadcast of {} calls to {} entities, and {} are allowed", broadcast.steps.size() + 1,
                       broadcast.keys.size() + 1, limits::kBroadcastCallsMax);
  for (const std::string& key : broadcast.keys)
    if (key.size() > limits::kKeyBytesMax)
      return fmt::format("a broadcast to an entity with a key of {} bytes, and {} are allowed", key.size(),
                         limits::kKeyBytesMax);
  if (broadcast.first.extensions && !broadcast.first.extensions->idempotency_key.empty())
    return "a broadcast with an idempotency key, which stands for one call";
  return find_fault(broadcast.first);
}

std::string find_fault(const EndedMessage& ended) {
  if (ended.sequences.size() <= limits::kEndedCallsMax) return {};
  return fmt::format("{} calls that have ended, and {} are allowed", ended.sequences.size(), limits::kEndedCallsMax);
}

std::string find_key_fault(std::string_view key) {
  if (key.empty()) return "it is empty";
  if (key.size() > limits::kIdempotencyKeyBytesMax)
    return fmt::format("it has {} bytes, and {} is the most", key.size(), limits::kIdempotencyKeyBytesMax);
  const auto is_control = [](char one) { return static_cast<unsigned char>(one) < 0x20 || one == 0x7f; };
  if (!reflect::is_utf8(key) || std::ranges::any_of(key, is_control)) return "it is not plain UTF-8 text";
  return {};
}

std::string find_fault(const ReplyMessage& reply) {
  const auto* const result = std::get_if<ResultPart>(&reply.outcome);
  if (result == nullptr || result->bytes.size() <= limits::kArgumentsBytesMax) return {};
  return fmt::format("a result of {} bytes, and {} are allowed", result->bytes.size(), limits::kArgumentsBytesMax);
}

std::string find_fault(const ProbeMessage& probe) { return find_path_fault(probe.path); }
std::string find_fault(const DeadlockMessage& deadlock) { return find_path_fault(deadlock.ring); }

}  // namespace epic::kernel
