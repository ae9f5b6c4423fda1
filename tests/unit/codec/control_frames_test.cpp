#include <catch2/catch.hpp>

#include "codec/message_frames.hpp"
#include "protocol/control_frames.hpp"
#include "support/frames.hpp"
#include "support/messages.hpp"

using namespace epic::protocol;
using epic::codec::FrameReader;
using epic::codec::FrameWriter;

namespace {

std::vector<std::byte> payload_of(const ControlMessage& message) {
  std::vector<std::byte> frame;
  FrameWriter<ControlMessage>().append(message, frame);
  return epic::test::payload_of(frame);
}

}  // namespace

TEST_CASE("control frames: requests and answers arrive as they were sent", "[codec]") {
  for (const ControlMessage& message : epic::test::every_control_message())
    CHECK(FrameReader<ControlMessage>().read(payload_of(message)) == message);
}

TEST_CASE("control frames: damaged bytes give an error or another message, never a crash", "[codec]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  for (const ControlMessage& message : epic::test::every_control_message())
    epic::test::for_damaged(payload_of(message), std::mt19937_64(seed),
                            [](std::span<const std::byte> bytes) { (void)FrameReader<ControlMessage>().read(bytes); });
}
