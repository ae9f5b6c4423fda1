#pragma once
// PeerSends: what goes to other nodes about calls. The calls of a broadcast to one node leave as one message, and what
// they have in common is encoded once; so do the ends of those that other nodes have made here.
//
// They gather while the kernel works, and leave when a tick is over, or when the message is full. Before that they
// leave ahead of anything else that is sent here to the same node: a call that was made later starts later, and a call
// that is cancelled has been made.
//
// Invariant: calls that share a message have equal SharedParts, and the message is made from nothing else.
// Not here:  which calls there are, and what is in one (frames/, calls/); whether a peer takes such messages (frames/).

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "kernel/messages.hpp"
#include "kernel/record.hpp"
#include "kernel/syscalls.hpp"

namespace epic::kernel {

/// All that a call's message is made from, except its number and its entity (Frames::send).
struct SharedParts {
  std::string_view type;  // of the entity
  const reflect::MethodInfo* method = nullptr;
  const void* arguments = nullptr;
  const Record* caller = nullptr;              // for the chain and the trace
  const CallExtensions* extensions = nullptr;  // of a call with an idempotency key
  std::int64_t deadline_ns = 0;
  MapVersion map_version;
  bool operator==(const SharedParts&) const = default;
};
[[nodiscard]] SharedParts shared_parts_of(Record& call, MapVersion version);

class PeerSends {
 public:
  explicit PeerSends(Syscalls& syscalls) : syscalls_(syscalls) {}

  /// Behind the calls that wait for `to`.
  void send(const PeerAddress& to, Message message);
  /// True: the call leaves with those of its broadcast that wait for `to`.
  [[nodiscard]] bool try_join(const PeerAddress& to, const Record& call, const SharedParts& parts);
  /// The first of them. Others may join it.
  void begin(const PeerAddress& to, RecordRef call, CallMessage message);
  /// A call of a broadcast, which has come from `to`, has ended well.
  void add_ended(const PeerAddress& to, std::uint64_t sequence);

  /// All that waits leaves.
  void flush();
  /// The peer is lost, with what waits for it.
  void forget(const PeerAddress& peer) { waiting_.erase(peer); }
  [[nodiscard]] bool is_empty() const { return waiting_.empty(); }

 private:
  struct Broadcast {
    RecordRef first;  // kept: its arguments stand for the broadcast
    BroadcastMessage message;
  };
  struct Waiting {
    std::optional<Broadcast> broadcast;
    EndedMessage ended;
  };
  void send_broadcast(const PeerAddress& to, Waiting& waiting);
  void send_ended(const PeerAddress& to, Waiting& waiting);

  Syscalls& syscalls_;
  std::map<PeerAddress, Waiting> waiting_;
};

}  // namespace epic::kernel
