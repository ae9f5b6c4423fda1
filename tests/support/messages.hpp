#pragma once
// One or more examples of every message that processes send each other.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "protocol/control_frames.hpp"
#include "protocol/peers.hpp"
#include "protocol/supervision.hpp"

namespace epic::test {

inline std::vector<std::byte> make_bytes(std::size_t count, std::byte fill = std::byte{0xab}) {
  return std::vector<std::byte>(count, fill);
}

inline std::vector<protocol::PeerMessage> every_peer_message() {
  using namespace kernel;
  const CallId root{NodeId{0}, 9, 1};
  return {
      HelloMessage{
          1, {NodeId{2}, 17}, "arena/7", 64, {{"Player", "enter_level", "(a)", ""}, {"Barrel", "on_hit", "", "(b)"}}},
      CallMessage{{NodeId{1}, 17, 81}, "Barrel/3", 1, MapVersion{4}, 29'000'000'000, {}, make_bytes(24), {}},
      CallMessage{{NodeId{1}, 17, 82},
                  "Barrel/{x} y/z",
                  0,
                  MapVersion{4},
                  -1,
                  {{root, "client", ""}, {CallId{NodeId{2}, 3, 4}, "Player/Bob", "enter_level"}},
                  make_bytes(1 << 20),
                  {}},
      CallMessage{{}, "", 0, MapVersion{0}, 0, {}, {}, {}},
      CallMessage{{NodeId{1}, 17, 83},
                  "Account/7",
                  2,
                  MapVersion{4},
                  1,
                  {},
                  make_bytes(8),
                  CallExtensions{TraceContext{0x4bf92f3577b34da6, 0xa3ce929d0e0e4736, 0x00f067aa0ba902b7, 1}, "user 42",
                                 "order-1017"}},
      CancelMessage{{NodeId{1}, 17, 83}},
      ReplyMessage{81, ResultPart{make_bytes(1)}},
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

inline std::vector<protocol::ToNode> every_message_to_node() {
  using namespace protocol;
  using namespace kernel;
  using namespace std::chrono_literals;
  return {
      Configure{NodeId{2}, Incarnation{700'000'000'001}, "arena/7", "/home/u/arena", "/home/u/arena/build/arena.so",
                "sqlite", "/home/u/arena/.epic/state.sqlite", 64, "/home/u/arena/.epic/run/node-2.sock",
                "/proc/4711/fd/17", FabricOptions{250ms, 2h, 5s, 2s, 1u << 30, "debug"}},
      kernel::ShardMap{MapVersion{9},
                       {NodeId{1}, NodeId{0}},
                       {{NodeId{1}, Incarnation{4}, "/run/node-1.sock"}},
                       {ShardId{1}},
                       {MapVersion{7}, MapVersion{9}}},
      Release{{ShardId{3}, ShardId{63}}, MapVersion{9}},
      RunSetup{},
      Request{UINT64_MAX, "inspect", R"({"entity":"Player/Bob"})"},
      GoOn{8, false},
      Leave{},
      Stop{10s},
      Quarantined{{{"Bomb/x", 3, 10s}}},
      AnnounceStop{},
      Lease{1h + 1ns},
  };
}

inline std::vector<protocol::FromNode> every_message_from_node() {
  using namespace protocol;
  using namespace kernel;
  using namespace std::chrono_literals;
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

inline std::vector<protocol::ControlMessage> every_control_message() {
  using namespace protocol;
  return {ControlRequest{7, "call", R"({"entity":"Player/Bob","method":"get_score"})"},
          ControlAnswer{7, AnswerStatus::not_found, R"({"message":"no","detail":null})", false}};
}

}  // namespace epic::test
