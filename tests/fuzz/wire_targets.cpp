#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "codec/capnp_codec.hpp"
#include "codec/peer_frames.hpp"
#include "codec/snapshot_json.hpp"
#include "fuzz/target.hpp"
#include "protocol/control_frames.hpp"
#include "protocol/json.hpp"
#include "protocol/supervision.hpp"
#include "reflect/schema_of.hpp"
#include "support/messages.hpp"
#include "support/peer_process.hpp"
#include "support/sample_types.hpp"

namespace epic::fuzz {
namespace {

using codec::FrameReader;
using codec::Opening;
using protocol::FrameBuffer;

template <class Family>
Bytes frame_of(const Family& message, Opening opening) {
  Bytes frame;
  std::visit([&](const auto& one) { codec::append_message<Family>(one, opening, frame); }, message);
  return frame;
}

template <class Family>
std::vector<Bytes> frames_of(const std::vector<Family>& messages, std::size_t bytes_max) {
  std::vector<Bytes> frames;
  for (const Family& message : messages) {
    Bytes frame = frame_of(messages.front(), Opening::yes);
    const Bytes second = frame_of(message, Opening::no);
    frame.insert(frame.end(), second.begin(), second.end());
    if (frame.size() <= bytes_max) frames.push_back(std::move(frame));
  }
  return frames;
}

/// A stream of bytes as a socket brings it: cut into frames, and each read. What can be read can be sent again. The
/// first byte says in how large pieces the rest arrives.
template <class Family>
void read_stream(std::span<const std::byte> input, std::size_t frame_bytes_max) {
  if (input.empty()) return;
  const std::size_t piece = 1 + std::to_integer<std::size_t>(input[0]) * 16;
  input = input.subspan(1);
  FrameBuffer buffer(frame_bytes_max);
  FrameReader<Family> reader;
  while (!input.empty()) {
    const auto room = buffer.prepare();
    const std::size_t count = std::min({piece, input.size(), room.size()});
    std::memcpy(room.data(), input.data(), count);
    buffer.commit(count);
    input = input.subspan(count);
    while (true) {
      const auto payload = buffer.next();
      if (!payload) return;
      if (!*payload) break;
      const auto message = reader.read(**payload);
      if (!message) return;
      const Bytes again = frame_of(*message, Opening::yes);
      const auto same = FrameReader<Family>().read(std::span(again).subspan(protocol::kFrameHeaderBytes));
      require(same.has_value() && *same == *message);
    }
  }
}

std::vector<Bytes> as_stream(std::vector<Bytes> frames) {
  for (Bytes& frame : frames) frame.insert(frame.begin(), std::byte{4});
  return frames;
}

constexpr std::size_t kExampleBytesMax = 4096;  // libFuzzer's inputs are no longer by default
constexpr std::size_t kFrameBytesMax = 1u << 20;

void peer_frames(std::span<const std::byte> input) { read_stream<protocol::PeerMessage>(input, kFrameBytesMax); }
std::vector<Bytes> peer_examples() { return as_stream(frames_of(test::every_peer_message(), kExampleBytesMax)); }

/// What a dialling process does with what a node says.
struct Deaf final : transport::StreamUser {
  void on_open() override {}
  std::span<std::byte> room() override { return room_; }
  void on_bytes(std::size_t) override {}
  void on_writable() override {}
  void on_end(std::string) override {}
  std::array<std::byte, 4096> room_{};
};

/// A node that somebody has dialled, who has proved itself already. By the first byte it introduces itself or not, and
/// its bytes come in pieces of a size. Whatever it says, only a peer's messages count, and another peer hears nothing.
void peer_streams(std::span<const std::byte> input) {
  if (input.empty()) return;
  const auto how = std::to_integer<std::size_t>(input[0]);
  const kernel::PeerAddress self{kernel::NodeId{1}, 11};
  const kernel::PeerAddress other{kernel::NodeId{2}, 17};
  test::PipeNet net;
  test::PeerProcess node(net, self, "arena/7", 64);
  test::PeerProcess witness(net, {kernel::NodeId{3}, 0x9e3779b97f4a7c15}, "arena/7", 64);
  for (test::PeerProcess* process : {&node, &witness}) {
    require(process->peers.listen(test::address_of(process->address)).has_value());
    process->peers.set_map(test::map_of(1, {self, other, witness.address}));
  }
  node.peers.send(witness.address, test::call_of(self, 1));
  Deaf deaf;
  const auto wire = net.dial(test::address_of(self));
  wire->start(deaf);
  Bytes bytes;
  if (how % 2 == 1)
    bytes = frame_of(protocol::PeerMessage(
                         kernel::HelloMessage{.from = other, .fabric = "arena/7", .shard_count = 64, .methods = {}}),
                     Opening::yes);
  bytes.insert(bytes.end(), input.begin() + 1, input.end());
  require(wire->write(bytes) == bytes.size());
  for (std::int64_t now_ns = 2; now_ns < 20'000; ++now_ns) {
    for (test::PeerProcess* process : {&node, &witness}) {
      process->peers.on_time(now_ns);
      process->peers.flush();
    }
    const auto steps = net.steps();
    if (steps.empty()) break;
    steps.front()(64 + how / 2 * 16);
  }
  for (const auto& [from, message] : node.messages) require(std::ranges::find(node.hellos, from) != node.hellos.end());
  require(witness.messages.size() == 1);
  require(node.peers.unsent_bytes() < 1u << 20);
  wire->close();
}

void control_frames(std::span<const std::byte> input) { read_stream<protocol::ControlMessage>(input, kFrameBytesMax); }
std::vector<Bytes> control_examples() { return as_stream(frames_of(test::every_control_message(), kExampleBytesMax)); }

// A row of the store: the schema that it was written with (its length in two bytes, its text), and the state. It is
// read by the class as it is now, and shown as JSON by its own schema.
void snapshot_rows(std::span<const std::byte> input) {
  static const codec::CapnpCodec codec;
  static const auto& type = reflect::type_of<sample::Whole>();
  static const reflect::Schema current = reflect::schema_of(type);
  std::uint16_t text_bytes = 0;
  if (input.size() < sizeof text_bytes) return;
  std::memcpy(&text_bytes, input.data(), sizeof text_bytes);
  input = input.subspan(sizeof text_bytes);
  const auto text = text_of(input.subspan(0, std::min<std::size_t>(text_bytes, input.size())));
  // A length of 0 stands for the current schema, so that mutation need not find it.
  const auto parsed =
      text.empty() ? std::expected<reflect::Schema, std::string>(current) : reflect::Schema::parse(text);
  if (!parsed) return;
  const std::span bytes = input.subspan(text.size());
  (void)codec::to_json(*parsed, bytes);

  sample::Whole value;
  if (!codec.decode(bytes, *parsed, type, &value)) return;
  Bytes once;
  codec.encode(type, &value, once);
  sample::Whole again;
  require(codec.decode(once, current, type, &again).has_value());
  Bytes twice;
  codec.encode(type, &again, twice);
  require(once == twice);
}

std::vector<Bytes> row_examples() {
  const auto& type = reflect::type_of<sample::Whole>();
  const std::string schema = reflect::schema_of(type).text();
  std::vector<Bytes> examples;
  for (const std::string& text : {std::string(), schema}) {
    const auto text_bytes = static_cast<std::uint16_t>(text.size());
    Bytes row(sizeof text_bytes);
    std::memcpy(row.data(), &text_bytes, sizeof text_bytes);
    const Bytes schema_bytes = bytes_of(text);
    row.insert(row.end(), schema_bytes.begin(), schema_bytes.end());
    const sample::Whole value = sample::whole();
    Bytes state;
    codec::CapnpCodec().encode(type, &value, state);
    row.insert(row.end(), state.begin(), state.end());
    examples.push_back(std::move(row));
  }
  return examples;
}

constexpr Target kWireTargets[] = {
    {"peer-frames", peer_frames, peer_examples},
    {"peer-streams", peer_streams, peer_examples},
    {"control-frames", control_frames, control_examples},
    {"snapshot-rows", snapshot_rows, row_examples},
};

}  // namespace

std::span<const Target> wire_targets() { return kWireTargets; }

}  // namespace epic::fuzz
