#include "cluster/control/frames.hpp"

#include <catch2/catch.hpp>

#include "support/frames.hpp"

using namespace epic::cluster;

namespace {

template <class Message>
std::vector<std::byte> payload_of(const Message& message) {
  std::vector<std::byte> frame;
  append_frame(message, frame);
  return epic::test::payload_of(frame);
}

const ControlRequest kRequest{7, "call", R"({"entity":"Player/Bob","method":"get_score"})"};
const ControlAnswer kAnswer{7, ControlStatus::not_found, R"({"message":"no","detail":null})", false};

}  // namespace

TEST_CASE("control frames: requests and answers arrive as they were sent", "[cluster]") {
  CHECK(decode_control_request(payload_of(kRequest)) == kRequest);
  CHECK(decode_control_answer(payload_of(kAnswer)) == kAnswer);
}

TEST_CASE("control frames: damaged bytes give an error or another message, never a crash", "[cluster]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  epic::test::for_damaged(payload_of(kRequest), std::mt19937_64(seed),
                          [](std::span<const std::byte> bytes) { (void)decode_control_request(bytes); });
  epic::test::for_damaged(payload_of(kAnswer), std::mt19937_64(seed),
                          [](std::span<const std::byte> bytes) { (void)decode_control_answer(bytes); });
}
