#include <catch2/catch.hpp>
#include <random>

#include "codec/message_frames.hpp"
#include "protocol/supervision.hpp"
#include "support/frames.hpp"
#include "support/messages.hpp"

using namespace epic::codec;
using namespace epic::protocol;
using namespace epic::test;

namespace {

template <class Family>
std::vector<std::byte> payload_of(const Family& message) {
  std::vector<std::byte> frame;
  FrameWriter<Family>().append(message, frame);
  return epic::test::payload_of(frame);
}

std::expected<ToNode, WireError> decode_to_node(std::span<const std::byte> payload) {
  return FrameReader<ToNode>().read(payload);
}

std::expected<FromNode, WireError> decode_from_node(std::span<const std::byte> payload) {
  return FrameReader<FromNode>().read(payload);
}

}  // namespace

TEST_CASE("supervision frames: every message to a node arrives as it was sent", "[codec]") {
  for (const ToNode& message : every_message_to_node()) {
    CAPTURE(message.index());
    const auto decoded = decode_to_node(payload_of(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
}

TEST_CASE("supervision frames: every message from a node arrives as it was sent", "[codec]") {
  for (const FromNode& message : every_message_from_node()) {
    CAPTURE(message.index());
    const auto decoded = decode_from_node(payload_of(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
}

TEST_CASE("supervision frames: damaged bytes give an error or another message, never a crash", "[codec]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  for (const ToNode& message : every_message_to_node())
    epic::test::for_damaged(payload_of(message), std::mt19937_64(seed),
                            [](std::span<const std::byte> bytes) { (void)decode_to_node(bytes); });
  for (const FromNode& message : every_message_from_node())
    epic::test::for_damaged(payload_of(message), std::mt19937_64(seed),
                            [](std::span<const std::byte> bytes) { (void)decode_from_node(bytes); });
}

TEST_CASE("supervision frames: no bytes at all are no message", "[codec]") {
  const auto decoded = decode_to_node({});
  REQUIRE_FALSE(decoded.has_value());
  CHECK(decoded.error().what.find("malformed") != std::string::npos);
}
