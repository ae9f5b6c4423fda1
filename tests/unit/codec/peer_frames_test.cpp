#include "codec/peer_frames.hpp"

#include <catch2/catch.hpp>

#include "kernel/limits.hpp"
#include "support/frames.hpp"
#include "support/messages.hpp"

using namespace epic::kernel;
using namespace epic::test;
using epic::ErrorCode;
using epic::codec::PeerReader;
using epic::protocol::PeerMessage;

namespace {

std::vector<std::byte> hello() {
  std::vector<std::byte> frame;
  epic::codec::append_frame(HelloMessage{}, frame);
  return epic::test::payload_of(frame);
}

std::expected<PeerMessage, epic::protocol::WireError> decode_message(std::span<const std::byte> payload) {
  PeerReader reader;
  REQUIRE(reader.read(hello()).has_value());
  return reader.read(payload);
}

std::vector<std::byte> payload_of(const PeerMessage& message) {
  std::vector<std::byte> frame;
  epic::codec::append_frame(message, frame);
  return epic::test::payload_of(frame);
}

}  // namespace

TEST_CASE("peer frames: every message arrives as it was sent", "[codec]") {
  for (const PeerMessage& message : every_peer_message()) {
    CAPTURE(message.index());
    const auto decoded = decode_message(payload_of(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
}

TEST_CASE("peer frames: frames are gathered in one buffer and come apart again", "[codec]") {
  std::vector<std::byte> stream;
  for (const PeerMessage& message : every_peer_message()) epic::codec::append_frame(message, stream);

  epic::protocol::FrameBuffer buffer{limits::kFrameBytesMax};
  const auto room = buffer.prepare(stream.size());
  std::copy(stream.begin(), stream.end(), room.begin());
  buffer.commit(stream.size());
  for (const PeerMessage& message : every_peer_message()) {
    const auto payload = buffer.next();
    REQUIRE((payload.has_value() && payload->has_value()));
    CHECK(decode_message(**payload) == message);
  }
}

TEST_CASE("peer frames: damaged bytes give an error or another message, never a crash", "[codec]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  std::vector<PeerMessage> messages = every_peer_message();
  messages.emplace_back(
      BroadcastMessage{.first = {{NodeId{1}, 17, 81}, "Barrel/3", 1, MapVersion{4}, 1, {}, make_bytes(24), {}},
                       .steps = {1, 4},
                       .keys = {"4", "7"}});
  messages.emplace_back(EndedMessage{{81, 85}});
  for (const PeerMessage& message : messages) {
    const auto payload = payload_of(message);
    if (payload.size() < 4096)
      epic::test::for_damaged(payload, std::mt19937_64(seed),
                              [](std::span<const std::byte> damaged) { (void)decode_message(damaged); });
  }
}

TEST_CASE("peer frames: what is beyond the bounds is refused", "[codec]") {
  CallMessage call{{NodeId{1}, 1, 1}, "A/1", 0, MapVersion{1}, 1, {}, {}, {}};
  SECTION("arguments") { call.arguments = make_bytes(limits::kArgumentsBytesMax + 1); }
  SECTION("chain") { call.chain.resize(limits::kChainLengthMax + 1); }
  SECTION("name") { call.target = std::string(limits::kTypeNameBytesMax + limits::kKeyBytesMax + 2, 'x'); }
  CHECK_FALSE(decode_message(payload_of(call)).has_value());
}

TEST_CASE("peer frames: a path of waiting calls that is empty or too long is refused", "[codec]") {
  const std::size_t links = GENERATE(std::size_t{0}, limits::kChainLengthMax + 1);
  CHECK_FALSE(decode_message(payload_of(ProbeMessage{{NodeId{1}, 17, 81}, std::vector<WaitLink>(links)})).has_value());
}

TEST_CASE("peer frames: an unaligned payload is read all the same", "[codec]") {
  const PeerMessage message = every_peer_message()[1];
  const auto payload = payload_of(message);
  auto shifted = make_bytes(payload.size() + 1);
  std::copy(payload.begin(), payload.end(), shifted.begin() + 1);
  CHECK(decode_message(std::span(shifted).subspan(1)) == message);
}

TEST_CASE("peer frames: what a call does not carry takes no bytes", "[codec]") {
  CallMessage call{{NodeId{1}, 17, 81}, "Barrel/3", 1, MapVersion{4}, 29'000'000'000, {}, make_bytes(24), {}};
  const auto plain = payload_of(call);
  // Preface, table, root pointer; three words of numbers and three pointers; id, target, arguments.
  CHECK(plain.size() == 8 * (3 + 3 + 4 + 3 + 2 + 3));
  call.extensions = CallExtensions{};
  CHECK(payload_of(call).size() > plain.size());
}

TEST_CASE("peer frames: an error code without a name is refused", "[codec]") {
  const auto unknown = static_cast<epic::ErrorCode>(200);
  CHECK_FALSE(decode_message(payload_of(ReplyMessage{1, ErrorPart{unknown, {}, {}}})).has_value());
}

TEST_CASE("peer frames: a broadcast arrives as it was sent, and takes few bytes for each entity", "[codec]") {
  BroadcastMessage broadcast{
      .first = {{NodeId{1}, 17, 81}, "Barrel/3", 1, MapVersion{4}, 29'000'000'000, {}, make_bytes(24), {}},
      .steps = {},
      .keys = {}};
  CHECK(decode_message(payload_of(broadcast)) == PeerMessage(broadcast));
  for (std::uint32_t i = 1; i < limits::kBroadcastCallsMax; ++i) {
    broadcast.steps.push_back(i);
    broadcast.keys.push_back(std::to_string(1'000'000 + i));
  }
  const auto payload = payload_of(broadcast);
  CHECK(decode_message(payload) == PeerMessage(broadcast));
  CHECK(payload.size() / limits::kBroadcastCallsMax < 32);

  EndedMessage ended;
  for (std::uint64_t i = 0; i < limits::kEndedCallsMax; ++i) ended.sequences.push_back((std::uint64_t{1} << 40) + i);
  CHECK(decode_message(payload_of(ended)) == PeerMessage(ended));
  CHECK(payload_of(ended).size() / limits::kEndedCallsMax < 10);
}

TEST_CASE("peer frames: a broadcast beyond the bounds is refused", "[codec]") {
  BroadcastMessage broadcast{.first = {{NodeId{1}, 1, 1}, "A/1", 0, MapVersion{1}, 1, {}, {}, {}},
                             .steps = std::vector<std::uint32_t>(limits::kBroadcastCallsMax - 1, 2),
                             .keys = std::vector<std::string>(limits::kBroadcastCallsMax - 1, "k")};
  REQUIRE(decode_message(payload_of(broadcast)).has_value());
  SECTION("calls") {
    broadcast.steps.push_back(2);
    broadcast.keys.emplace_back("k");
  }
  SECTION("fewer keys than calls") { broadcast.keys.pop_back(); }
  SECTION("key") { broadcast.keys.back() = std::string(limits::kKeyBytesMax + 1, 'x'); }
  SECTION("arguments") { broadcast.first.arguments = make_bytes(limits::kArgumentsBytesMax + 1); }
  SECTION("idempotency key") {
    broadcast.first.extensions = CallExtensions{.trace = {}, .caller = {}, .idempotency_key = "once"};
  }
  CHECK_FALSE(decode_message(payload_of(broadcast)).has_value());
  const EndedMessage ended{std::vector<std::uint64_t>(limits::kEndedCallsMax + 1, 1)};
  CHECK_FALSE(decode_message(payload_of(ended)).has_value());
}
