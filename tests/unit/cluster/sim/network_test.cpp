#include "cluster/sim/network.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <optional>
#include <span>
#include <string>

using namespace std::chrono_literals;
using epic::cluster::sim::Network;
using epic::cluster::sim::Process;
using epic::cluster::sim::World;
using epic::transport::StreamPtr;

namespace {

struct IdleProcess final : Process {
  using Process::Process;
  void wake() override {}
  std::int64_t sleep() override { return INT64_MAX; }
};

struct Listened final : epic::transport::StreamUser {
  std::array<std::byte, 64> buffer{};
  std::size_t bytes = 0;
  std::optional<std::string> end;

  void on_open() override {}
  std::span<std::byte> room() override { return buffer; }
  void on_bytes(std::size_t count) override { bytes += count; }
  void on_writable() override {}
  void on_end(std::string why) override { end = std::move(why); }
};

}  // namespace

TEST_CASE("network: a stream that breaks before a paused process has accepted it ends for both", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    World world(seed, 0ns);
    Network network(world, {});
    IdleProcess one(world);
    IdleProcess other(world);
    const auto dialling = network.make_medium(one, 1);
    const auto listening = network.make_medium(other, 2);
    Listened dialled;
    Listened accepted;
    StreamPtr accepted_stream;
    REQUIRE(listening->listen("a", [&](std::expected<StreamPtr, std::string> stream) {
      accepted_stream = *stream;
      accepted_stream->start(accepted);
    }));

    other.pause();
    const StreamPtr stream = *dialling->dial("a");
    stream->start(dialled);
    world.run_for(1s);
    CHECK(stream->write(std::array<std::byte, 3>{}) == 3);
    world.run_for(1s);
    network.break_all();
    world.run_for(1s);
    CHECK(dialled.end == "Connection reset by peer");
    CHECK(accepted_stream == nullptr);

    other.go_on();
    world.run_for(1s);
    CHECK((accepted.bytes == 0 || accepted.bytes == 3));
    CHECK(accepted.end == "Connection reset by peer");
    world.end();
  }
}
