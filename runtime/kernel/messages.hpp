#pragma once
// Messages: what nodes and clients say to each other. Described structs, which the codecs encode as they do users' own.
//
// A peer introduces itself with Hello, once per connection; from then on a method is an index into the sender's table.
// Arguments and results are read with the schema that the writer's table names.
//
// Two neighbouring versions of epic talk to each other. Fields are matched by name, so they may be added, but never
// change their meaning. tests/unit/protocol/recorded/ holds frames that every later version must read.

#include <boost/describe/class.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "epic/error.hpp"
#include "kernel/ids.hpp"
#include "kernel/placement.hpp"

namespace epic::kernel {

/// Who is at the other end: a node with its incarnation, or a client (node 0) with a number assigned by the driver.
struct PeerAddress {
  NodeId node;
  std::uint64_t life = 0;  // Incarnation of a node; number of a client
  auto operator<=>(const PeerAddress&) const = default;
  [[nodiscard]] bool is_client() const { return node == NodeId{0}; }
};
BOOST_DESCRIBE_STRUCT(PeerAddress, (), (node, life))

/// Identifies a call permanently: its maker, and its sequence number.
struct CallId {
  NodeId node;
  std::uint64_t life = 0;
  std::uint64_t sequence = 0;
  auto operator<=>(const CallId&) const = default;
};
BOOST_DESCRIBE_STRUCT(CallId, (), (node, life, sequence))

struct MethodEntry {
  std::string type;
  std::string method;
  std::string arguments_schema;  // canonical text, reflect/schema.hpp
  std::string result_schema;     // empty: void
  bool operator==(const MethodEntry&) const = default;
};
BOOST_DESCRIBE_STRUCT(MethodEntry, (), (type, method, arguments_schema, result_schema))

struct HelloMessage {
  std::uint32_t protocol = 1;
  PeerAddress from;
  std::string fabric;  // both ends must have the same one
  std::uint32_t shard_count = 0;
  std::vector<MethodEntry> methods;
  bool takes_broadcasts = false;  // BroadcastMessage and EndedMessage
  PlacementGroups groups = {};
  bool places_groups = false;  // it finds the shards of classes in groups
  bool operator==(const HelloMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(HelloMessage, (),
                      (protocol, from, fabric, shard_count, methods, takes_broadcasts, groups, places_groups))

struct ChainLink {
  CallId id;
  std::string entity;  // "Type/Key"; "setup" or "client" at the root
  std::string method;
  bool operator==(const ChainLink&) const = default;
};
BOOST_DESCRIBE_STRUCT(ChainLink, (), (id, entity, method))

/// The trace that a call belongs to, and the span that made it: https://www.w3.org/TR/trace-context/
struct TraceContext {
  std::uint64_t trace_high = 0;
  std::uint64_t trace_low = 0;
  std::uint64_t span = 0;
  std::uint8_t flags = 0;
  bool operator==(const TraceContext&) const = default;
};
BOOST_DESCRIBE_STRUCT(TraceContext, (), (trace_high, trace_low, span, flags))

/// What a call may carry around its arguments. What is absent takes no bytes.
struct CallExtensions {
  std::optional<TraceContext> trace = {};
  std::string caller;           // on whose behalf, as the gateway has established it
  std::string idempotency_key;  // of an outside caller that may repeat itself
  bool operator==(const CallExtensions&) const = default;
};
BOOST_DESCRIBE_STRUCT(CallExtensions, (), (trace, caller, idempotency_key))

struct CallMessage {
  CallId id;
  std::string target;            // "Type/Key"
  std::uint32_t method = 0;      // index in the sender's HelloMessage::methods
  MapVersion map_version;        // the shard map that the sender used
  std::int64_t patience_ns = 0;  // time left until the deadline; recorded frames have it under this name
  std::vector<ChainLink> chain;  // the callers of this call, outermost first
  std::vector<std::byte> arguments;
  std::optional<CallExtensions> extensions = {};
  bool operator==(const CallMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(CallMessage, (), (id, target, method, map_version, patience_ns, chain, arguments, extensions))

/// Calls that differ in nothing but their number and their entity, which are of one class. Each is a call like any
/// other, but that its result is not returned: one that ends well is in an EndedMessage, others get a reply of their
/// own.
struct BroadcastMessage {
  CallMessage first;
  std::vector<std::uint32_t> steps;  // of the others: their number, less that of the first
  std::vector<std::string> keys;     // … and the key of their entity
  bool operator==(const BroadcastMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(BroadcastMessage, (), (first, steps, keys))

/// These calls of broadcasts have ended well.
struct EndedMessage {
  std::vector<std::uint64_t> sequences;
  bool operator==(const EndedMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(EndedMessage, (), (sequences))

/// The caller has cancelled the call. Advice: a receiver that does not know the message lets the call run.
struct CancelMessage {
  CallId id;
  bool operator==(const CancelMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(CancelMessage, (), (id))

struct ResultPart {
  std::vector<std::byte> bytes;
  bool operator==(const ResultPart&) const = default;
};
BOOST_DESCRIBE_STRUCT(ResultPart, (), (bytes))
struct ErrorPart {
  ErrorCode code{};
  std::string exception_type;  // of a method's exception, its C++ name; empty for an error of the kernel
  std::string message;         // timeout: only what delays the call; the caller's node adds how long it has waited
  bool operator==(const ErrorPart&) const = default;
};
BOOST_DESCRIBE_STRUCT(ErrorPart, (), (code, exception_type, message))
/// The receiver does not own the shard and has done nothing; the sender retries under a newer map.
struct RefusedPart {
  MapVersion map_version;
  bool operator==(const RefusedPart&) const = default;
};
BOOST_DESCRIBE_STRUCT(RefusedPart, (), (map_version))

/// Call 0 is never made. A refusal of it means that the sender is leaving, has not started what it has not answered,
/// and stops reading: every unanswered call counts as refused.
struct ReplyMessage {
  std::uint64_t sequence = 0;  // of the CallId
  std::variant<ResultPart, ErrorPart, RefusedPart> outcome;
  bool operator==(const ReplyMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(ReplyMessage, (), (sequence, outcome))

/// A step on the way from a call to what it waits for.
struct WaitLink {
  CallId id;
  std::string entity;  // as in ChainLink
  std::string method;
  NodeId node;  // where it waits or runs
  std::int64_t locked_out_since_ns =
      0;  // wall clock of its node; 0: it runs, and holds the lock or works for its holder
  bool operator==(const WaitLink&) const = default;
};
BOOST_DESCRIBE_STRUCT(WaitLink, (), (id, entity, method, node, locked_out_since_ns))

/// "The first link waits for your call `target`, by this path: what does that wait for?" Passed on, never answered.
struct ProbeMessage {
  CallId target;
  std::vector<WaitLink> path;
  bool operator==(const ProbeMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(ProbeMessage, (), (target, path))

/// A ring of waiting calls was found, and one of them has failed. To the nodes in the ring.
struct DeadlockMessage {
  CallId victim;
  std::vector<WaitLink> ring;
  bool operator==(const DeadlockMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(DeadlockMessage, (), (victim, ring))

/// Messages of entities to entities of these shards have become durable. Advice: their owner finds them anyway.
struct MailHintMessage {
  std::vector<ShardId> shards;
  bool operator==(const MailHintMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(MailHintMessage, (), (shards))

using Message = std::variant<HelloMessage, CallMessage, ReplyMessage, ProbeMessage, DeadlockMessage, CancelMessage,
                             MailHintMessage, BroadcastMessage, EndedMessage>;

/// Visits the number of each call that the message makes.
template <class Visit>
void for_each_call(const Message& message, Visit&& visit) {
  if (const auto* const call = std::get_if<CallMessage>(&message)) {
    visit(call->id.sequence);
  } else if (const auto* const broadcast = std::get_if<BroadcastMessage>(&message)) {
    visit(broadcast->first.id.sequence);
    for (const std::uint32_t step : broadcast->steps) visit(broadcast->first.id.sequence + step);
  }
}

/// Which node owns which shard, as published by coordination.
struct ShardMap {
  struct Member {
    NodeId node;
    Incarnation incarnation;
    std::string address;       // path of its socket, for processes of its machine, and of all if it has no host
    std::string machine = {};  // by name; empty: there is only one
    std::string host = {};     // IP address, for processes of other machines
    std::uint16_t port = 0;
    bool operator==(const Member&) const = default;
  };
  MapVersion version;
  std::vector<NodeId> owners;  // by shard; node 0: no owner yet
  std::vector<Member> members;
  std::vector<ShardId> moving;          // asked back from their owners, which may already have released them
  std::vector<MapVersion> owned_since;  // by shard: the map that granted it to its owner; empty: they all did
  std::vector<ShardId> orphaned = {};   // those whose owner before this one has died, and did not give them back
  bool operator==(const ShardMap&) const = default;
};
BOOST_DESCRIBE_STRUCT(ShardMap::Member, (), (node, incarnation, address, machine, host, port))
BOOST_DESCRIBE_STRUCT(ShardMap, (), (version, owners, members, moving, owned_since, orphaned))

/// The bound of limits.hpp that a message is beyond, as a sentence; empty if it keeps them all. A sender checks what it
/// is about to send, a receiver what has come.
[[nodiscard]] std::string find_fault(const CallMessage& call);
[[nodiscard]] std::string find_fault(const BroadcastMessage& broadcast);
[[nodiscard]] std::string find_fault(const EndedMessage& ended);
[[nodiscard]] std::string find_fault(const ReplyMessage& reply);
[[nodiscard]] std::string find_fault(const ProbeMessage& probe);
[[nodiscard]] std::string find_fault(const DeadlockMessage& deadlock);
/// Why it cannot be an idempotency key, as the end of a sentence; empty: it can.
[[nodiscard]] std::string find_key_fault(std::string_view key);

}  // namespace epic::kernel
