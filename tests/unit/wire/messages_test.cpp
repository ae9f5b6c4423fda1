#include "wire/messages.hpp"

#include <catch2/catch.hpp>

#include "kernel/limits.hpp"
#include "support/frames.hpp"

using namespace epic::kernel;
using epic::ErrorCode;
using epic::wire::decode_message;
using epic::wire::PeerMessage;

namespace {

std::vector<std::byte> bytes(std::size_t count, std::byte fill = std::byte{0xab}) {
  return std::vector<std::byte>(count, fill);
}

std::vector<PeerMessage> every_message() {
  const CallId root{NodeId{0}, 9, 1};
  return {
      HelloMessage{
          1, {NodeId{2}, 17}, "arena/7", 64, {{"Player", "enter_level", "(a)", ""}, {"Barrel", "on_hit", "", "(b)"}}},
      CallMessage{{NodeId{1}, 17, 81}, "Barrel/3", 1, MapVersion{4}, 29'000'000'000, {}, bytes(24)},
      CallMessage{{NodeId{1}, 17, 82},
                  "Barrel/{x} y/z",
                  0,
                  MapVersion{4},
                  -1,
                  {{root, "client", ""}, {CallId{NodeId{2}, 3, 4}, "Player/Bob", "enter_level"}},
                  bytes(1 << 20)},
      CallMessage{{}, "", 0, MapVersion{0}, 0, {}, {}},
      ReplyMessage{81, ResultPart{bytes(1)}},
      ReplyMessage{82, ResultPart{}},
      ReplyMessage{83, ErrorPart{ErrorCode::call_failed, "std::invalid_argument", "no such level: 9"}},
      ReplyMessage{84, RefusedPart{MapVersion{5}}},
      ShardMap{MapVersion{6},
               {NodeId{1}, NodeId{0}, NodeId{2}},
               {{NodeId{1}, Incarnation{17}, "/tmp/a.sock"}},
               {ShardId{2}},
               {MapVersion{1}, MapVersion{6}, MapVersion{2}}},
      ProbeMessage{{NodeId{1}, 17, 81}, {{{NodeId{2}, 3, 4}, "Fork/1", "take", NodeId{2}, 1'700'000'000}}},
      DeadlockMessage{{NodeId{2}, 3, 4},
                      {{{NodeId{2}, 3, 4}, "Fork/1", "take", NodeId{2}, 1'700'000'000},
                       {{NodeId{1}, 17, 81}, "Fork/2", "take", NodeId{1}, 0}}},
  };
}

std::vector<std::byte> payload_of(const PeerMessage& message) {
  std::vector<std::byte> frame;
  epic::wire::append_frame(message, frame);
  return epic::test::payload_of(frame);
}

}  // namespace

TEST_CASE("messages: every message arrives as it was sent", "[wire]") {
  for (const PeerMessage& message : every_message()) {
    CAPTURE(message.index());
    const auto decoded = decode_message(payload_of(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
}

TEST_CASE("messages: frames are gathered in one buffer and come apart again", "[wire]") {
  std::vector<std::byte> stream;
  for (const PeerMessage& message : every_message()) epic::wire::append_frame(message, stream);

  epic::wire::FrameBuffer buffer{limits::kFrameBytesMax};
  const auto room = buffer.prepare(stream.size());
  std::copy(stream.begin(), stream.end(), room.begin());
  buffer.commit(stream.size());
  for (const PeerMessage& message : every_message()) {
    const auto payload = buffer.next();
    REQUIRE((payload.has_value() && payload->has_value()));
    CHECK(decode_message(**payload) == message);
  }
}

TEST_CASE("messages: damaged bytes give an error or another message, never a crash", "[wire]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  for (const PeerMessage& message : every_message()) {
    const auto payload = payload_of(message);
    if (payload.size() < 4096)
      epic::test::for_damaged(payload, std::mt19937_64(seed),
                              [](std::span<const std::byte> damaged) { (void)decode_message(damaged); });
  }
}

TEST_CASE("messages: what is beyond the bounds is refused", "[wire]") {
  CallMessage call{{NodeId{1}, 1, 1}, "A/1", 0, MapVersion{1}, 1, {}, {}};
  SECTION("arguments") { call.arguments = bytes(limits::kArgumentsBytesMax + 1); }
  SECTION("chain") { call.chain.resize(limits::kChainLengthMax + 1); }
  SECTION("name") { call.target = std::string(limits::kTypeNameBytesMax + limits::kKeyBytesMax + 2, 'x'); }
  CHECK_FALSE(decode_message(payload_of(call)).has_value());
}

TEST_CASE("messages: a path of waiting calls that is empty or too long is refused", "[wire]") {
  const std::size_t links = GENERATE(std::size_t{0}, limits::kChainLengthMax + 1);
  CHECK_FALSE(decode_message(payload_of(ProbeMessage{{NodeId{1}, 17, 81}, std::vector<WaitLink>(links)})).has_value());
}

TEST_CASE("messages: an unaligned payload is read all the same", "[wire]") {
  const PeerMessage message = every_message()[1];
  const auto payload = payload_of(message);
  auto shifted = bytes(payload.size() + 1);
  std::copy(payload.begin(), payload.end(), shifted.begin() + 1);
  CHECK(decode_message(std::span(shifted).subspan(1)) == message);
}
