#pragma once
// Peers of several processes over pipes in memory, driven step by step, and a stranger whose bytes a test writes
// itself.

#include <catch2/catch.hpp>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/frames.hpp"
#include "support/peer_process.hpp"
#include "transport/peers.hpp"

namespace epic::test {

using namespace epic::kernel;

constexpr PeerAddress kOne{NodeId{1}, 11};
constexpr PeerAddress kTwo{NodeId{2}, 22};
constexpr PeerAddress kClient{NodeId{0}, 77};
constexpr transport::TransportLimits kSmall{
    .unsent_bytes_full = 64'000, .unsent_bytes_max = 256'000, .connections_max = 8};
constexpr std::int64_t kSecond = 1'000'000'000;

struct Net {
  PipeNet net;
  std::vector<PeerProcess*> processes;
  std::int64_t now_ns = 1;

  void listen(PeerProcess& process) {
    REQUIRE(process.peers.listen(address_of(process.address)).has_value());
    processes.push_back(&process);
  }
  void publish(const std::vector<PeerAddress>& members) {
    for (PeerProcess* process : processes) process->peers.set_map(map_of(1, members));
  }
  void tick() {
    for (PeerProcess* process : processes) {
      process->peers.on_time(now_ns);
      process->peers.flush();
    }
  }
  /// Until nothing more happens by itself; bytes come in pieces of at most `piece`.
  void settle(std::size_t piece = SIZE_MAX) {
    tick();
    for (auto steps = net.steps(); !steps.empty(); steps = net.steps()) {
      steps.front()(piece);
      tick();
    }
  }
  void pass(std::int64_t ns) {
    now_ns += ns;
    settle();
  }
};

/// The other side of a stream, played by the test byte by byte.
struct Stranger final : transport::StreamUser {
  explicit Stranger(transport::StreamPtr theirs) : stream(std::move(theirs)) { stream->start(*this); }
  template <class Message>
  void say(const Message& message) {
    std::vector<std::byte> frame;
    codec::append_frame(message, frame);
    say_bytes(frame);
  }
  void say_bytes(std::span<const std::byte> bytes) { REQUIRE(stream->write(bytes) == bytes.size()); }

  void on_open() override {}
  std::span<std::byte> room() override { return buffer.prepare(4096); }
  void on_bytes(std::size_t count) override {
    buffer.commit(count);
    while (true) {
      auto frame = buffer.next();
      REQUIRE(frame.has_value());
      if (!*frame) return;
      auto message = reader.read(**frame);
      REQUIRE(message.has_value());
      heard.push_back(std::move(*message));
    }
  }
  void on_writable() override {}
  void on_end(std::string) override {
    has_ended = true;
    stream->close();
  }

  transport::StreamPtr stream;
  protocol::FrameBuffer buffer{limits::kFrameBytesMax};
  codec::PeerReader reader;
  std::vector<protocol::PeerMessage> heard;
  bool has_ended = false;
};

inline HelloMessage hello_of(PeerAddress from, std::string fabric = "f/1") {
  return {.from = from, .fabric = std::move(fabric), .shard_count = 8, .methods = {}};
}

inline std::vector<std::uint64_t> calls_of(const PeerProcess& process) {
  std::vector<std::uint64_t> sequences;
  for (const auto& [from, message] : process.messages)
    if (const auto* call = std::get_if<CallMessage>(&message)) sequences.push_back(call->id.sequence);
  return sequences;
}

inline const ReplyMessage& reply_of(const PeerProcess& process, std::size_t index = 0) {
  REQUIRE(process.messages.size() > index);
  return std::get<ReplyMessage>(process.messages[index].second);
}

inline bool is_refusal(const ReplyMessage& reply) { return std::holds_alternative<RefusedPart>(reply.outcome); }

}  // namespace epic::test
