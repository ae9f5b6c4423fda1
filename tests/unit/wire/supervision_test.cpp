#include "wire/supervision.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "support/frames.hpp"

using namespace epic::wire;
using namespace epic::kernel;
using namespace std::chrono_literals;

namespace {

std::vector<ToNode> every_message_to_node() {
  return {
      Configure{NodeId{2}, Incarnation{700'000'000'001}, "arena/7", "/home/u/arena", "/home/u/arena/build/arena.so",
                "sqlite", "/home/u/arena/.epic/state.sqlite", 64, "/home/u/arena/.epic/run/node-2.sock",
                FabricOptions{250ms, 2h, 5s, 2s, 1u << 30, "debug"}},
      epic::wire::ShardMap{MapVersion{9},
                           {NodeId{1}, NodeId{0}},
                           {{NodeId{1}, Incarnation{4}, "/run/node-1.sock"}},
                           {epic::kernel::ShardId{1}},
                           {MapVersion{7}, MapVersion{9}}},
      Release{{ShardId{3}, ShardId{63}}, MapVersion{9}},
      RunSetup{},
      Request{UINT64_MAX, "inspect", R"({"entity":"Player/Bob"})"},
      GoOn{8, false},
      Leave{},
      Stop{10s},
  };
}

std::vector<FromNode> every_message_from_node() {
  return {
      Ready{4711, "0.1.0", "clang19-libstdc++", {{"Player", "Hero"}, {"Knight", "Hero"}}},
      StartFailed{"no module at /x.so", "run 'epic build'"},
      Heartbeat{{1, 2, 3, 4, 5, 6}, 4ms, "no room", 5ms},
      Released{ShardId{63}, MapVersion{2}},
      Taken{{{ShardId{0}, Epoch{1}}, {ShardId{63}, Epoch{UINT64_MAX}}}, MapVersion{3}},
      SetupDone{"std::runtime_error: no"},
      Answer{7, AnswerStatus::not_owner, R"({"message":"moved"})", false},
      Answer{8, AnswerStatus::ok, "{}", false, true},
      Drained{false},
  };
}

template <class Message>
std::vector<std::byte> payload_of(const Message& message) {
  std::vector<std::byte> frame;
  append_frame(message, frame);
  return epic::test::payload_of(frame);
}

}  // namespace

TEST_CASE("supervision: every message to a node arrives as it was sent", "[wire]") {
  for (const ToNode& message : every_message_to_node()) {
    CAPTURE(message.index());
    const auto decoded = decode_to_node(payload_of(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
}

TEST_CASE("supervision: every message from a node arrives as it was sent", "[wire]") {
  for (const FromNode& message : every_message_from_node()) {
    CAPTURE(message.index());
    const auto decoded = decode_from_node(payload_of(message));
    REQUIRE(decoded.has_value());
    CHECK(*decoded == message);
  }
}

TEST_CASE("supervision: damaged bytes give an error or another message, never a crash", "[wire]") {
  const auto seed = epic::test::make_seed();
  CAPTURE(seed);
  for (const ToNode& message : every_message_to_node())
    epic::test::for_damaged(payload_of(message), std::mt19937_64(seed),
                            [](std::span<const std::byte> bytes) { (void)decode_to_node(bytes); });
  for (const FromNode& message : every_message_from_node())
    epic::test::for_damaged(payload_of(message), std::mt19937_64(seed),
                            [](std::span<const std::byte> bytes) { (void)decode_from_node(bytes); });
}

TEST_CASE("supervision: no bytes at all are no message", "[wire]") {
  const auto decoded = decode_to_node({});
  REQUIRE_FALSE(decoded.has_value());
  CHECK(decoded.error().what.find("malformed") != std::string::npos);
}
