#include "kernel/peer_sends.hpp"

#include <utility>

#include "kernel/limits.hpp"

namespace epic::kernel {

SharedParts shared_parts_of(Record& call, MapVersion version) {
  return {.type = call.callee->type(),
          .method = call.method,
          .arguments = call.arguments(),
          .caller = call.caller,
          .extensions = has_key(call) ? call.site->extensions.get() : nullptr,
          .deadline_ns = call.deadline_ns,
          .map_version = version};
}

void PeerSends::send(const PeerAddress& to, Message message) {
  if (const auto waiting = waiting_.find(to); waiting != waiting_.end()) send_broadcast(to, waiting->second);
  syscalls_.send(to, std::move(message));
}

bool PeerSends::try_join(const PeerAddress& to, const Record& call, const SharedParts& parts) {
  const auto waiting = waiting_.find(to);
  if (waiting == waiting_.end() || !waiting->second.broadcast) return false;
  auto& [first, message] = *waiting->second.broadcast;
  if (shared_parts_of(*first, message.first.map_version) != parts) return false;
  const std::uint64_t before = message.first.id.sequence;
  if (call.sequence <= before || call.sequence - before > UINT32_MAX) return false;
  message.steps.push_back(static_cast<std::uint32_t>(call.sequence - before));
  message.keys.emplace_back(call.callee->key());
  if (message.keys.size() + 1 == limits::kBroadcastCallsMax) send_broadcast(to, waiting->second);
  return true;
}

void PeerSends::begin(const PeerAddress& to, RecordRef call, CallMessage message) {
  Waiting& waiting = waiting_[to];
  send_broadcast(to, waiting);
  waiting.broadcast = Broadcast{std::move(call), {.first = std::move(message), .steps = {}, .keys = {}}};
}

void PeerSends::add_ended(const PeerAddress& to, std::uint64_t sequence) {
  Waiting& waiting = waiting_[to];
  waiting.ended.sequences.push_back(sequence);
  if (waiting.ended.sequences.size() == limits::kEndedCallsMax) send_ended(to, waiting);
}

void PeerSends::flush() {
  for (auto& [to, waiting] : std::exchange(waiting_, {})) {
    send_broadcast(to, waiting);
    send_ended(to, waiting);
  }
}

void PeerSends::send_broadcast(const PeerAddress& to, Waiting& waiting) {
  if (auto broadcast = std::exchange(waiting.broadcast, std::nullopt))
    syscalls_.send(to, std::move(broadcast->message));
}

void PeerSends::send_ended(const PeerAddress& to, Waiting& waiting) {
  if (!waiting.ended.sequences.empty()) syscalls_.send(to, std::exchange(waiting.ended, {}));
}

}  // namespace epic::kernel
