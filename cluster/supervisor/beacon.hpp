#pragma once
// Beacon: how a machine that is to join finds a fabric by its name, on the local network.
//
// A supervisor with [cluster] beacon = true says each second by multicast where it listens. That is only a hint where
// to knock: anybody can send such a message, so nothing in it is believed but an address to try, and there TLS with the
// fabric's secret proves both sides. What cannot be read is ignored, and so are more addresses than kCandidatesMax.
//
// Not here: joining (machine_join.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/describe/class.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/spoken.hpp"

namespace epic::cluster {

/// What is sent, as JSON behind kBeaconStart.
struct BeaconMessage {
  std::string fabric;  // the project's name
  std::string host;    // an IP address
  std::uint16_t port = 0;
  protocol::Spoken speaks = {};
  bool operator==(const BeaconMessage&) const = default;
};
BOOST_DESCRIBE_STRUCT(BeaconMessage, (), (fabric, host, port, speaks))

inline constexpr const char* kBeaconGroup = "239.255.74.20";  // of the addresses for one organisation (RFC 2365)
inline constexpr std::uint16_t kBeaconPort = 7419;
inline constexpr std::chrono::seconds kBeaconInterval{1};
inline constexpr std::size_t kBeaconBytesMax = 512;
inline constexpr std::size_t kCandidatesMax = 16;

[[nodiscard]] std::string print_beacon(const BeaconMessage& message);
/// Empty if it is not one that this version understands.
[[nodiscard]] std::optional<BeaconMessage> parse_beacon(std::string_view bytes);

/// Says it on every network of this machine, for as long as it lives. On the io_context's only thread.
class Beacon {
 public:
  Beacon(boost::asio::io_context& context, const BeaconMessage& message);
  Beacon(const Beacon&) = delete;
  Beacon& operator=(const Beacon&) = delete;

 private:
  void say();

  std::string text_;
  boost::asio::ip::udp::socket socket_;
  boost::asio::steady_timer again_;
  std::shared_ptr<const int> life_ = std::make_shared<int>();  // the timer's handler watches it: it may run afterwards
};

/// Passes each new address of `fabric` that is heard to `knock`, until that returns true, or none has come for
/// `patience`. Returns true if it did; an error, as a phrase, if nothing can be heard here. Blocking.
[[nodiscard]] std::expected<bool, std::string> listen_for_beacons(
    std::string_view fabric, std::chrono::milliseconds patience,
    const std::function<bool(const std::string& host, std::uint16_t port)>& knock);

}  // namespace epic::cluster
