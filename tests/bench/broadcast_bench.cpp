// epic::broadcast to 100,000 entities on four nodes, against the same calls by epic::gather: deliveries per second, and
// the bytes of the frames that one delivery takes. With a number as its argument: so many broadcasts and nothing else,
// for a profiler.

#include <fmt/format.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/bench_fabric.hpp"
#include "bench/bench_support.hpp"
#include "bench/modules/fabric_entities.hpp"
#include "codec/capnp_codec.hpp"
#include "codec/peer_frames.hpp"
#include "epic/client.hpp"
#include "kernel/limits.hpp"

using namespace epic::bench;
using bench_module::Author;
using epic::Client;

namespace {

namespace kernel = epic::kernel;

constexpr std::int64_t kFollowers = 100'000;
constexpr int kBroadcastRounds = 7;
const std::string kPost(200, 'p');

std::size_t frame_bytes_of(const kernel::Message& message) {
  std::vector<std::byte> frame;
  epic::codec::append_frame(message, frame);
  return frame.size();
}

/// A follower's call as the author makes it on behalf of a client.
kernel::CallMessage call_to(std::int64_t follower) {
  const kernel::CallId id{kernel::NodeId{1}, 1'700'000'000'000, 1'000'000 + static_cast<std::uint64_t>(follower)};
  kernel::CallMessage call{.id = id,
                           .target = fmt::format("Follower/{}", follower),
                           .method = 5,
                           .map_version = kernel::MapVersion{7},
                           .patience_ns = 30'000'000'000,
                           .chain = {{id, "client", ""}, {id, "Author/a", "broadcast"}},
                           .arguments = {}};
  const std::tuple<std::string> arguments(kPost);
  epic::codec::CapnpCodec().encode(epic::reflect::type_of<std::tuple<std::string>>(), &arguments, call.arguments);
  return call;
}

/// A call, and its reply with a number.
double bytes_of_call() {
  kernel::ResultPart result;
  const std::int64_t posts = 5;
  epic::codec::CapnpCodec().encode(epic::reflect::type_of<std::int64_t>(), &posts, result.bytes);
  return static_cast<double>(frame_bytes_of(call_to(50'000)) + frame_bytes_of(kernel::ReplyMessage{1'050'000, result}));
}

/// Of each call in messages with so many of them.
double bytes_in_broadcast(std::size_t calls) {
  kernel::BroadcastMessage broadcast{.first = call_to(50'000), .steps = {}, .keys = {}};
  kernel::EndedMessage ended{{broadcast.first.id.sequence}};
  for (std::uint32_t i = 1; i < calls; ++i) {
    broadcast.steps.push_back(4 * i);
    broadcast.keys.push_back(std::to_string(50'000 + i));
    ended.sequences.push_back(broadcast.first.id.sequence + 4 * i);
  }
  return static_cast<double>(frame_bytes_of(broadcast) + frame_bytes_of(ended)) / static_cast<double>(calls);
}

std::string deliveries_per_second(const Timing& timing) { return fmt::format("{:.0f}", 1e9 / timing.median_ns); }

}  // namespace

int main(int argc, char** argv) {
  print_warnings();
  const BenchFabric fabric(4);
  const Client client = fabric.connect();
  const auto author = client.get<Author>("a");
  const auto patient = author.with(std::chrono::hours(1));
  client.call(patient->be_followed(kFollowers));
  client.call(patient->broadcast(kPost));  // from here on all are in memory
  if (argc > 1) {
    for (int left = std::atoi(argv[1]); left > 0; --left) client.call(patient->broadcast(kPost));
    return 0;
  }
  // Each of the `count` deliveries is one to a follower, so a round is one post.
  const Outcome outcome = compare(
      {.title = fmt::format("a post to {} entities on 4 nodes, for each of them", kFollowers),
       .subject = {"epic::broadcast", [&](std::uint64_t) { client.call(patient->broadcast(kPost)); }},
       .yardstick = {"epic::gather, 256 calls under way", [&](std::uint64_t) { client.call(patient->gather(kPost)); }},
       .count = kFollowers,
       .rounds = kBroadcastRounds});
  const double alone = bytes_of_call();
  const auto row = [&](const std::string& name, double bytes) {
    return std::vector<std::string>{name, fmt::format("{:.1f}", bytes), fmt::format("{:.3f}", bytes / alone)};
  };
  print_table({{"deliveries per second", ""},
               {"epic::broadcast", deliveries_per_second(outcome.subject)},
               {"epic::gather", deliveries_per_second(outcome.yardstick)},
               {"gather's time / broadcast's", fmt::format("{:.1f}", 1 / outcome.ratio)}});
  print_table({{"bytes of frames for a delivery of 200 bytes to another node", "", "of a call's"},
               row("a call and its reply", alone),
               row(fmt::format("in broadcasts of {}, as a full window makes them", kernel::limits::kBroadcastCallsMax),
                   bytes_in_broadcast(kernel::limits::kBroadcastCallsMax)),
               row("in broadcasts of 64", bytes_in_broadcast(64)),
               row("in broadcasts of 16", bytes_in_broadcast(16))});
}
