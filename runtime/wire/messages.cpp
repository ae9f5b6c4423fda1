#include "wire/messages.hpp"

#include <fmt/format.h>

#include "kernel/limits.hpp"
#include "wire/capnp_frame.hpp"
#include "wire/capnp_shard_map.hpp"
#include "wire/wire.capnp.h"

namespace epic::wire {

namespace {

using kernel::CallId;
using kernel::CallMessage;
using kernel::DeadlockMessage;
using kernel::ErrorPart;
using kernel::HelloMessage;
using kernel::Message;
using kernel::ProbeMessage;
using kernel::RefusedPart;
using kernel::ReplyMessage;
using kernel::ResultPart;
using kernel::WaitLink;

// Most calls fit the stack; what does not gets a first segment of its own size, so that nothing is copied twice.
constexpr std::size_t kScratchWords = 128;
constexpr std::size_t kEnvelopeBytes = 256;
constexpr std::size_t kChainLinkBytes = 128;

/// Builds one message and appends its frame. `bytes_hint`: about how large it will be.
template <class Write>
void append_built(std::size_t bytes_hint, std::vector<std::byte>& out, Write write) {
  const auto build = [&](capnp::MessageBuilder& builder) {
    write(builder.initRoot<schema::Message>());
    append_message_frame(builder, out);
  };
  if (bytes_hint <= kScratchWords * sizeof(capnp::word)) {
    capnp::word scratch[kScratchWords] = {};
    capnp::MallocMessageBuilder builder{kj::ArrayPtr<capnp::word>(scratch, kScratchWords)};
    build(builder);
  } else {
    capnp::MallocMessageBuilder builder{static_cast<unsigned>(bytes_hint / sizeof(capnp::word) + 1)};
    build(builder);
  }
}

capnp::Data::Reader to_data(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()};
}

std::vector<std::byte> to_bytes(capnp::Data::Reader data) {
  const auto* begin = reinterpret_cast<const std::byte*>(data.begin());
  return {begin, begin + data.size()};
}

void write(schema::CallId::Builder to, const CallId& id) {
  to.setNode(id.node.value);
  to.setLife(id.life);
  to.setSequence(id.sequence);
}

CallId read(schema::CallId::Reader from) {
  return {kernel::NodeId{from.getNode()}, from.getLife(), from.getSequence()};
}

void write(schema::Hello::Builder to, const HelloMessage& hello) {
  to.setProtocol(hello.protocol);
  to.setNode(hello.from.node.value);
  to.setLife(hello.from.life);
  to.setFabric(to_text(hello.fabric));
  to.setShardCount(hello.shard_count);
  auto methods = to.initMethods(static_cast<unsigned>(hello.methods.size()));
  for (unsigned i = 0; i < methods.size(); ++i) {
    methods[i].setType(to_text(hello.methods[i].type));
    methods[i].setMethod(to_text(hello.methods[i].method));
    methods[i].setArgumentsSchema(to_text(hello.methods[i].arguments_schema));
    methods[i].setResultSchema(to_text(hello.methods[i].result_schema));
  }
}

HelloMessage read(schema::Hello::Reader from) {
  HelloMessage hello{.protocol = from.getProtocol(),
                     .from = {kernel::NodeId{from.getNode()}, from.getLife()},
                     .fabric = to_string(from.getFabric()),
                     .shard_count = from.getShardCount(),
                     .methods = {}};
  for (const auto entry : from.getMethods())
    hello.methods.push_back({to_string(entry.getType()), to_string(entry.getMethod()),
                             to_string(entry.getArgumentsSchema()), to_string(entry.getResultSchema())});
  return hello;
}

void write(schema::Call::Builder to, const CallMessage& call) {
  write(to.initId(), call.id);
  to.setTarget(to_text(call.target));
  to.setMethod(call.method);
  to.setMapVersion(call.map_version.value);
  to.setPatienceNs(call.patience_ns);
  if (!call.chain.empty()) {
    auto chain = to.initChain(static_cast<unsigned>(call.chain.size()));
    for (unsigned i = 0; i < chain.size(); ++i) {
      write(chain[i].initId(), call.chain[i].id);
      chain[i].setEntity(to_text(call.chain[i].entity));
      chain[i].setMethod(to_text(call.chain[i].method));
    }
  }
  to.setArguments(to_data(call.arguments));
}

std::expected<PeerMessage, WireError> read(schema::Call::Reader from) {
  namespace limits = kernel::limits;
  const capnp::Data::Reader arguments = from.getArguments();
  const capnp::List<schema::ChainLink>::Reader chain = from.getChain();
  const capnp::Text::Reader target = from.getTarget();
  if (arguments.size() > limits::kArgumentsBytesMax)
    return std::unexpected(WireError{fmt::format("a call with {} bytes of arguments", arguments.size())});
  if (chain.size() > limits::kChainLengthMax)
    return std::unexpected(WireError{fmt::format("a call with a chain of {} calls", chain.size())});
  if (target.size() > limits::kTypeNameBytesMax + 1 + limits::kKeyBytesMax)
    return std::unexpected(WireError{fmt::format("a call to a name of {} bytes", target.size())});

  CallMessage call{.id = read(from.getId()),
                   .target = to_string(target),
                   .method = from.getMethod(),
                   .map_version = kernel::MapVersion{from.getMapVersion()},
                   .patience_ns = from.getPatienceNs(),
                   .chain = {},
                   .arguments = to_bytes(arguments)};
  call.chain.reserve(chain.size());
  for (const auto link : chain)
    call.chain.push_back({read(link.getId()), to_string(link.getEntity()), to_string(link.getMethod())});
  return call;
}

void write(schema::Reply::Builder to, const ReplyMessage& reply) {
  to.setSequence(reply.sequence);
  if (const auto* result = std::get_if<ResultPart>(&reply.outcome)) {
    to.setResult(to_data(result->bytes));
  } else if (const auto* error = std::get_if<ErrorPart>(&reply.outcome)) {
    auto part = to.initError();
    part.setCode(static_cast<std::uint8_t>(error->code));
    part.setExceptionType(to_text(error->exception_type));
    part.setMessage(to_text(error->message));
  } else {
    to.setRefusedAtMap(std::get<RefusedPart>(reply.outcome).map_version.value);
  }
}

std::expected<PeerMessage, WireError> read(schema::Reply::Reader from) {
  switch (from.which()) {
    case schema::Reply::RESULT:
      return ReplyMessage{from.getSequence(), ResultPart{to_bytes(from.getResult())}};
    case schema::Reply::ERROR: {
      const auto error = from.getError();
      if (error.getCode() < static_cast<std::uint8_t>(ErrorCode::call_failed) ||
          error.getCode() > static_cast<std::uint8_t>(ErrorCode::internal))
        return std::unexpected(WireError{fmt::format("a reply with the unknown error code {}", error.getCode())});
      return ReplyMessage{from.getSequence(),
                          ErrorPart{static_cast<ErrorCode>(error.getCode()), to_string(error.getExceptionType()),
                                    to_string(error.getMessage())}};
    }
    case schema::Reply::REFUSED_AT_MAP:
      return ReplyMessage{from.getSequence(), RefusedPart{kernel::MapVersion{from.getRefusedAtMap()}}};
  }
  return std::unexpected(WireError{"a reply that this version does not know"});
}

void write(capnp::List<schema::WaitLink>::Builder to, const std::vector<WaitLink>& path) {
  for (unsigned i = 0; i < to.size(); ++i) {
    write(to[i].initId(), path[i].id);
    to[i].setEntity(to_text(path[i].entity));
    to[i].setMethod(to_text(path[i].method));
    to[i].setNode(path[i].node.value);
    to[i].setLockedOutSinceNs(path[i].locked_out_since_ns);
  }
}

std::expected<std::vector<WaitLink>, WireError> read(capnp::List<schema::WaitLink>::Reader from) {
  if (from.size() == 0 || from.size() > kernel::limits::kChainLengthMax)
    return std::unexpected(WireError{fmt::format("a path of {} waiting calls", from.size())});
  std::vector<WaitLink> path;
  path.reserve(from.size());
  for (const auto link : from)
    path.push_back({read(link.getId()), to_string(link.getEntity()), to_string(link.getMethod()),
                    kernel::NodeId{link.getNode()}, link.getLockedOutSinceNs()});
  return path;
}

std::expected<PeerMessage, WireError> read(schema::Probe::Reader from) {
  auto path = read(from.getPath());
  if (!path) return std::unexpected(path.error());
  return ProbeMessage{read(from.getTarget()), std::move(*path)};
}

std::expected<PeerMessage, WireError> read(schema::Deadlock::Reader from) {
  auto ring = read(from.getRing());
  if (!ring) return std::unexpected(ring.error());
  return DeadlockMessage{read(from.getVictim()), std::move(*ring)};
}

std::size_t size_hint(const CallMessage& call) {
  return kEnvelopeBytes + call.target.size() + call.arguments.size() + call.chain.size() * kChainLinkBytes;
}

std::size_t size_hint(const ReplyMessage& reply) {
  const auto* result = std::get_if<ResultPart>(&reply.outcome);
  return kEnvelopeBytes + (result ? result->bytes.size() : 0);
}

}  // namespace

void append_frame(const HelloMessage& hello, std::vector<std::byte>& out) {
  append_built(kEnvelopeBytes * (1 + hello.methods.size()), out,
               [&](schema::Message::Builder root) { write(root.initHello(), hello); });
}

void append_frame(const CallMessage& call, std::vector<std::byte>& out) {
  append_built(size_hint(call), out, [&](schema::Message::Builder root) { write(root.initCall(), call); });
}

void append_frame(const ReplyMessage& reply, std::vector<std::byte>& out) {
  append_built(size_hint(reply), out, [&](schema::Message::Builder root) { write(root.initReply(), reply); });
}

void append_frame(const kernel::ShardMap& map, std::vector<std::byte>& out) {
  append_built(kEnvelopeBytes * (1 + map.members.size()) + map.owners.size() * sizeof(std::uint16_t), out,
               [&](schema::Message::Builder root) { write_shard_map(root.initShardMap(), map); });
}

void append_frame(const ProbeMessage& probe, std::vector<std::byte>& out) {
  append_built(kEnvelopeBytes + probe.path.size() * kChainLinkBytes, out, [&](schema::Message::Builder root) {
    auto to = root.initProbe();
    write(to.initTarget(), probe.target);
    write(to.initPath(static_cast<unsigned>(probe.path.size())), probe.path);
  });
}

void append_frame(const DeadlockMessage& deadlock, std::vector<std::byte>& out) {
  append_built(kEnvelopeBytes + deadlock.ring.size() * kChainLinkBytes, out, [&](schema::Message::Builder root) {
    auto to = root.initDeadlock();
    write(to.initVictim(), deadlock.victim);
    write(to.initRing(static_cast<unsigned>(deadlock.ring.size())), deadlock.ring);
  });
}

void append_frame(const PeerMessage& message, std::vector<std::byte>& out) {
  std::visit([&](const auto& one) { append_frame(one, out); }, message);
}

void append_frame(const Message& message, std::vector<std::byte>& out) {
  std::visit([&](const auto& one) { append_frame(one, out); }, message);
}

std::expected<PeerMessage, WireError> decode_message(std::span<const std::byte> payload) {
  return decode_frame<schema::Message>(payload,
                                       [](schema::Message::Reader from) -> std::expected<PeerMessage, WireError> {
                                         switch (from.which()) {
                                           case schema::Message::HELLO:
                                             return read(from.getHello());
                                           case schema::Message::CALL:
                                             return read(from.getCall());
                                           case schema::Message::REPLY:
                                             return read(from.getReply());
                                           case schema::Message::SHARD_MAP:
                                             return read_shard_map(from.getShardMap());
                                           case schema::Message::PROBE:
                                             return read(from.getProbe());
                                           case schema::Message::DEADLOCK:
                                             return read(from.getDeadlock());
                                         }
                                         return std::unexpected(WireError{"a message that this version does not know"});
                                       });
}

}  // namespace epic::wire
