#pragma once
// Frames: calls between nodes, as messages.
//
//   leave ─┬▶ Activations::activate   the entity is this node's
//          ├▶ Saving::hold            what the call has seen is not durable yet
//          ├▶ send                    to the node that owns the entity
//          ├▶ Routing::park           until that is known
//          └▶ refuse                  it came from a node that should have sent it elsewhere
//   receive ─▶ Calls::route  …  reply ─▶ Saving::hold ─▶ release
//
// A method is a number in the sender's table, which comes with its Hello. Arguments and results are read with the
// schemas that the table names.
//
// A call of a broadcast is a call like any other. But to a peer that takes broadcasts, those of one leave together, and
// their ends come back together (PeerSends).
//
// Invariant: an arrived call is answered once: with its outcome, an error or a refusal.
// Not here:  where a call goes (routing/), bytes and connections (transport/), the call itself (calls/).

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernel/activations/activations.hpp"
#include "kernel/answers/answers.hpp"
#include "kernel/calls/cancellations.hpp"
#include "kernel/mail/inbox.hpp"
#include "kernel/peer_sends.hpp"
#include "kernel/placement.hpp"

namespace epic::kernel {

class Frames {
 public:
  struct Uses {
    PeerAddress self;
    const Placement& placement;
    const Codec& codec;
    const Admission& admission;
    Scheduler& scheduler;
    TypeTable& types;
    const CallWords& words;
    Routing& routing;
    Events& events;
    Saving& saving;
    Calls& calls;
    Cancellations& cancellations;
    Activations& activations;
    Inbox& inbox;
    Answers& answers;
    PeerSends& sends;
    Syscalls& syscalls;
  };

  explicit Frames(const Uses& uses) : uses_(uses) {}

  /// The call's entity is not in memory here. `maker`: the execution that makes the call just now; null: it has been
  /// under way, or comes from outside.
  void leave(RecordRef call, const TypeEntry& type, const Record* maker);
  /// An open call that came from outside, or has waited for its shard, goes on. One with an idempotency key never
  /// enters its entity: on the node that owns that, Answers has it.
  void route(RecordRef call);
  /// The outcome of a call from another node or an outside caller, held until what it has observed is durable.
  void reply(Record& call);
  /// What the item has seen is durable: it leaves.
  void release(Outgoing item);
  /// What the item has seen cannot be saved: its receiver gets the error instead.
  void release_with_error(Outgoing item, ErrorCode code, const std::string& message);
  /// Held calls, to shards that are this node's now, no longer leave the node. They go before those made from here on.
  void park_held();

  void on_hello(const PeerAddress& from, const HelloMessage& hello);
  void on_message(const PeerAddress& from, Message message);
  /// Unanswered messages to it will not be answered. `running`: see Kernel.
  void on_peer_lost(const PeerAddress& peer, std::string_view running = {});
  void on_time() { end_lost(); }
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return uses_.routing.has_lost() ? std::optional(std::int64_t{0}) : std::nullopt;
  }
  /// Calls here waited for each other, and one has failed: reports it to the nodes that have a part in it.
  void on_deadlock(const DeadlockMessage& deadlock);

 private:
  void leave_local(RecordRef record, const TypeEntry& type, const Record* maker);
  /// All of it but the call's number, its entity and the encoded arguments.
  [[nodiscard]] CallMessage message_of(const SharedParts& parts, const TypeEntry& type) const;
  void send(RecordRef record, const TypeEntry& type, ShardId shard, const PeerAddress& to);
  void note_sent(Record& record, ShardId shard, const PeerAddress& to);
  void refuse(Record& record);
  /// `shared`: instead of the message's own arguments, for a call of a broadcast, of which only the end is reported.
  void receive(const PeerAddress& from, const CallMessage& call, SharedChain chain,
               std::shared_ptr<const ArrivedArguments> shared);
  void receive(const PeerAddress& from, BroadcastMessage broadcast);
  void receive(const PeerAddress& from, const EndedMessage& ended);
  void receive(const PeerAddress& from, ReplyMessage reply);
  void receive(const DeadlockMessage& deadlock);
  void take_back(const PeerAddress& peer);
  void end_lost();
  void on_refused(Record& record);
  [[nodiscard]] bool takes_broadcasts(const PeerAddress& peer) const;
  /// The method to which the peer has given this number; null: it has given it to none.
  [[nodiscard]] const PeerMethod* find_announced(const PeerAddress& by, std::uint32_t number) const;
  [[nodiscard]] const PeerMethod* find_method(const PeerAddress& of, const reflect::MethodInfo& method) const;
  void read_result(Record& record, const ResultPart& result);
  void fail(Record& record, ErrorCode code, const std::string& message) { uses_.calls.fail(record, code, message); }
  void reply_error(const PeerAddress& to, std::uint64_t sequence, ErrorCode code, std::string message);
  [[nodiscard]] ReplyMessage make_reply(Record& record) const;
  [[nodiscard]] bool may_be_seen(const Record& record) const;
  static detail::CallSite& site_of(Record& record, ShardId shard);

  Uses uses_;
  std::map<PeerAddress, PeerTable> peers_;
  std::map<PeerAddress, std::string> deaths_;  // of lost peers whose calls have not all ended; what is known of them
};

}  // namespace epic::kernel
