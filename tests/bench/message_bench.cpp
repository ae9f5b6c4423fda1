// What a call between nodes pays for its envelope: encoding and decoding of a call and of its reply, without sockets.
//
//     epic_bench_message [ROUNDS [NAME]]     default 1,000,000; exact counts: valgrind --tool=callgrind … 20000 call

#include <fmt/core.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

#include "codec/peer_frames.hpp"

using namespace epic;
using namespace epic::kernel;

namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::byte> frame_of(const auto& message) {
  std::vector<std::byte> frame;
  codec::append_frame(message, frame);
  return frame;
}

/// Encodes into one buffer, as a transport does, and decodes what is there.
template <class Message>
void measure(std::string_view name, const Message& message, std::int64_t rounds, std::string_view only) {
  if (!only.empty() && only != name) return;
  codec::PeerReader reader;
  const std::vector<std::byte> hello = frame_of(HelloMessage{});
  if (!reader.read(std::span(hello).subspan(protocol::kFrameHeaderBytes))) std::abort();
  std::vector<std::byte> out;
  std::uint64_t frame_bytes = 0;
  const auto started = Clock::now();
  for (std::int64_t round = 0; round < rounds; ++round) {
    out.clear();
    codec::append_frame(message, out);
    frame_bytes = out.size();
  }
  const auto encoded = Clock::now();
  std::int64_t failures = 0;
  const std::span<const std::byte> payload = std::span(out).subspan(protocol::kFrameHeaderBytes);
  for (std::int64_t round = 0; round < rounds; ++round) failures += reader.read(payload).has_value() ? 0 : 1;
  const auto decoded = Clock::now();
  const auto per_round = [&](Clock::duration time) {
    return std::chrono::duration<double, std::nano>(time).count() / static_cast<double>(rounds);
  };
  fmt::print("{:<24}{:>6} bytes  encode {:>7.1f} ns  decode {:>7.1f} ns\n", name, frame_bytes,
             per_round(encoded - started), per_round(decoded - encoded));
  if (failures > 0) std::abort();
}

}  // namespace

int main(int argument_count, char** arguments) {
  const std::int64_t rounds = argument_count > 1 ? std::atoll(arguments[1]) : 1'000'000;
  const std::string_view only = argument_count > 2 ? arguments[2] : "";
  const CallMessage call{.id = {NodeId{1}, 17, 81},
                         .target = "Player/Bob: Slayer of armoured cylinders",
                         .method = 1,
                         .map_version = MapVersion{4},
                         .patience_ns = 29'000'000'000,
                         .chain = {},
                         .arguments = std::vector<std::byte>(24),
                         .extensions = {}};
  CallMessage chained = call;
  chained.chain = {{{NodeId{0}, 9, 1}, "client", ""}, {{NodeId{2}, 3, 4}, "Player/Ada", "enter_level"}};
  CallMessage large = call;
  large.arguments.resize(64 * 1024);
  measure("call", call, rounds, only);
  measure("call, chain of two", chained, rounds, only);
  measure("call of 64 KiB", large, rounds / 20 + 1, only);
  measure("reply", ReplyMessage{81, ResultPart{std::vector<std::byte>(16)}}, rounds, only);
  measure("reply, exception", ReplyMessage{81, ErrorPart{ErrorCode::call_failed, "std::invalid_argument", "no"}},
          rounds, only);
  return 0;
}
