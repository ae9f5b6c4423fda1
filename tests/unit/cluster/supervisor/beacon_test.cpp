#include "cluster/supervisor/beacon.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <optional>
#include <random>
#include <string>

using namespace epic::cluster;
using epic::protocol::kSpoken;

namespace {

BeaconMessage message_of(std::string fabric, std::string host, std::uint16_t port) {
  return {.fabric = std::move(fabric), .host = std::move(host), .port = port, .speaks = kSpoken};
}

}  // namespace

TEST_CASE("beacon: what is said can be read", "[cluster]") {
  const BeaconMessage message = message_of("arena", "10.0.0.1", 7420);
  CHECK(parse_beacon(print_beacon(message)) == message);
  const BeaconMessage six = message_of("arena", "fd00::3", 7420);
  CHECK(parse_beacon(print_beacon(six)) == six);
}

TEST_CASE("beacon: what names no place to try is ignored", "[cluster]") {
  for (const BeaconMessage& bad :
       {message_of("", "10.0.0.1", 7420), message_of("arena", "10.0.0.1", 0), message_of("arena", "", 7420),
        message_of("arena", "example.com", 7420), message_of("arena", "0.0.0.0", 7420),
        message_of("arena", "239.255.74.20", 7420), message_of(std::string(65, 'a'), "10.0.0.1", 7420)})
    CHECK_FALSE(parse_beacon(print_beacon(bad)));
  BeaconMessage other = message_of("arena", "10.0.0.1", 7420);
  other.speaks = {.number = kSpoken.number + 2, .oldest = kSpoken.number + 1};
  CHECK_FALSE(parse_beacon(print_beacon(other)));
}

TEST_CASE("beacon: any bytes are safe to get", "[cluster]") {
  CHECK_FALSE(parse_beacon(""));
  CHECK_FALSE(parse_beacon("epic-beacon-1 "));
  CHECK_FALSE(parse_beacon("epic-beacon-1 []"));
  CHECK_FALSE(parse_beacon("epic-beacon-1 {\"fabric\":1}"));
  CHECK_FALSE(parse_beacon(print_beacon(message_of("arena", "10.0.0.1", 7420)) + std::string(512, ' ')));
  const std::string good = print_beacon(message_of("arena", "10.0.0.1", 7420));
  std::mt19937 random(7);
  for (int i = 0; i < 10'000; ++i) {
    std::string bytes = good;
    for (int change = 0; change < 3; ++change) bytes[random() % bytes.size()] = static_cast<char>(random());
    static_cast<void>(parse_beacon(bytes.substr(0, random() % (bytes.size() + 1))));
  }
}

TEST_CASE("beacon: one that goes just when it is to speak again says nothing more", "[cluster]") {
  boost::asio::io_context context;
  std::optional<Beacon> beacon(std::in_place, context, message_of("arena", "10.0.0.1", 7420));
  boost::asio::io_context clock;
  boost::asio::steady_timer(clock, kBeaconInterval).wait();  // its time comes before anything else is looked at
  boost::asio::post(context, [&] { beacon.reset(); });
  context.poll();
  CHECK(context.stopped());  // nothing is waited for
}
