#include "cluster/supervisor/beacon.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <cstring>
#include <set>
#include <utility>
#include <vector>

#include "codec/described_json.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
using boost::system::error_code;
using Udp = asio::ip::udp;

namespace {

constexpr std::string_view kBeaconStart = "epic-beacon-1 ";
constexpr std::size_t kNameBytesMax = 64;

/// The numbers of the interfaces that are up and can multicast.
std::vector<int> list_networks(int socket) {
  std::vector<int> networks;
  struct if_nameindex* const all = ::if_nameindex();
  for (const struct if_nameindex* one = all; one != nullptr && one->if_index != 0; ++one) {
    ifreq request{};
    std::strncpy(request.ifr_name, one->if_name, sizeof request.ifr_name - 1);
    if (::ioctl(socket, SIOCGIFFLAGS, &request) != 0) continue;
    const bool can = (request.ifr_flags & IFF_UP) != 0 && (request.ifr_flags & (IFF_MULTICAST | IFF_LOOPBACK)) != 0;
    if (can) networks.push_back(static_cast<int>(one->if_index));
  }
  ::if_freenameindex(all);
  return networks;
}

ip_mreqn group_on(int network) {
  ip_mreqn request{};
  ::inet_pton(AF_INET, kBeaconGroup, &request.imr_multiaddr);
  request.imr_ifindex = network;
  return request;
}

}  // namespace

std::string print_beacon(const BeaconMessage& message) {
  return std::string(kBeaconStart) + codec::describe_text(message);
}

std::optional<BeaconMessage> parse_beacon(std::string_view bytes) {
  if (bytes.size() > kBeaconBytesMax || !bytes.starts_with(kBeaconStart)) return std::nullopt;
  auto message = codec::read_described_text<BeaconMessage>(std::string(bytes.substr(kBeaconStart.size())));
  if (!message || message->fabric.empty() || message->fabric.size() > kNameBytesMax || message->port == 0)
    return std::nullopt;
  if (!protocol::understand_each_other(message->speaks, protocol::kSpoken)) return std::nullopt;
  error_code error;
  const auto host = asio::ip::make_address(message->host, error);
  if (error || host.is_unspecified() || host.is_multicast()) return std::nullopt;
  return *std::move(message);
}

Beacon::Beacon(asio::io_context& context, const BeaconMessage& message)
    : text_(print_beacon(message)), socket_(context), again_(context) {
  error_code error;
  socket_.open(Udp::v4(), error);
  if (error) return;
  ::fcntl(socket_.native_handle(), F_SETFD, FD_CLOEXEC);
  socket_.non_blocking(true, error);
  say();
}

/// A network that is not there, or is busy, is left out this time.
void Beacon::say() {
  const Udp::endpoint group(asio::ip::make_address(kBeaconGroup), kBeaconPort);
  for (const int network : list_networks(socket_.native_handle())) {
    const ip_mreqn request = group_on(network);
    if (::setsockopt(socket_.native_handle(), IPPROTO_IP, IP_MULTICAST_IF, &request, sizeof request) != 0) continue;
    error_code ignored;
    socket_.send_to(asio::buffer(text_), group, 0, ignored);
  }
  again_.expires_after(kBeaconInterval);
  again_.async_wait([this, life = std::weak_ptr(life_)](const error_code& cancelled) {
    if (!cancelled && !life.expired()) say();
  });
}

std::expected<bool, std::string> listen_for_beacons(
    std::string_view fabric, std::chrono::milliseconds patience,
    const std::function<bool(const std::string& host, std::uint16_t port)>& knock) {
  asio::io_context context{1};
  Udp::socket socket(context);
  error_code error;
  socket.open(Udp::v4(), error);
  if (!error) socket.set_option(Udp::socket::reuse_address(true), error);
  if (!error) socket.bind(Udp::endpoint(asio::ip::make_address(kBeaconGroup), kBeaconPort), error);
  if (error) return std::unexpected(error.message());
  std::size_t joined = 0;
  for (const int network : list_networks(socket.native_handle())) {
    const ip_mreqn request = group_on(network);
    if (::setsockopt(socket.native_handle(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof request) == 0) ++joined;
  }
  if (joined == 0) return std::unexpected("this machine has no network that can multicast");

  std::set<std::pair<std::string, std::uint16_t>> known;
  std::array<char, kBeaconBytesMax + 1> bytes{};
  bool is_in = false;
  asio::steady_timer over(context);
  const auto be_patient = [&] {
    over.expires_after(patience);
    over.async_wait([&](const error_code& cancelled) {
      if (!cancelled) context.stop();
    });
  };
  const std::function<void()> receive = [&] {
    socket.async_receive(asio::buffer(bytes), [&](const error_code& failure, std::size_t count) {
      const auto message = failure ? std::nullopt : parse_beacon({bytes.data(), count});
      const bool is_new = message && message->fabric == fabric && known.size() < kCandidatesMax &&
                          known.emplace(message->host, message->port).second;
      if (is_new) is_in = knock(message->host, message->port);
      if (is_in || failure) return context.stop();
      if (is_new) be_patient();  // what was tried in vain takes nothing from the next
      receive();
    });
  };
  receive();
  be_patient();
  context.run();
  return is_in;
}

}  // namespace epic::cluster
