#include "cli/project/machine_address.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <charconv>

#include "cluster/supervisor/supervisor.hpp"

namespace epic::cli {

namespace asio = boost::asio;

namespace {

/// The nodes need those after it.
constexpr int kPortMax = 65'535 - cluster::kNodePortsMax;

std::expected<MachineAddress, std::string> parse_address(std::string_view text, int port_min) {
  MachineAddress address{.host = {}, .port = cluster::kMachinePort};
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || (end + 1 < text.size() && text[end + 1] != ':'))
      return std::unexpected(fmt::format("'{}' is not of the form [ADDRESS]:PORT", text));
    address.host = text.substr(1, end - 1);
    if (end + 1 < text.size()) port = text.substr(end + 2);
    if (end + 2 == text.size()) return std::unexpected(fmt::format("'{}' has no port after its ':'", text));
  } else {
    const std::size_t colon = text.find(':');
    const bool is_ipv6 = colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos;
    address.host = is_ipv6 ? text : text.substr(0, colon);
    if (!is_ipv6 && colon != std::string_view::npos) port = text.substr(colon + 1);
    if (!is_ipv6 && colon != std::string_view::npos && colon + 1 == text.size())
      return std::unexpected(fmt::format("'{}' has no port after its ':'", text));
  }
  if (address.host.empty() || address.host.contains('/') || address.host.contains(' '))
    return std::unexpected(fmt::format("'{}' does not name a machine", text));
  if (port.empty()) return address;
  int number = -1;
  const auto [rest, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || rest != port.data() + port.size() || number < port_min || number > kPortMax)
    return std::unexpected(fmt::format("its port must be a number from {} to {}", port_min, kPortMax));
  address.port = static_cast<std::uint16_t>(number);
  return address;
}

}  // namespace

std::expected<MachineAddress, std::string> parse_machine_address(std::string_view text) {
  return parse_address(text, 1);
}

std::expected<MachineAddress, std::string> parse_listen_address(std::string_view text) {
  return parse_address(text, 0);
}

bool is_host(const std::string& name) {
  asio::io_context context{1};
  boost::system::error_code error;
  return !asio::ip::tcp::resolver(context).resolve(name, "0", error).empty() && !error;
}

std::expected<std::string, std::string> find_own_address(const std::string& host) {
  asio::io_context context{1};
  boost::system::error_code error;
  const auto found = asio::ip::tcp::resolver(context).resolve(host, "0", error);
  if (error || found.empty()) return std::unexpected(fmt::format("'{}' has no address: {}", host, error.message()));
  const asio::ip::address address = found.begin()->endpoint().address();
  const bool is_broadcast = address.is_v4() && address.to_v4() == asio::ip::address_v4::broadcast();
  if (address.is_unspecified() || address.is_multicast() || is_broadcast)
    return std::unexpected(fmt::format("{} is not an address that other machines can connect to", host));
  asio::ip::tcp::socket socket(context, asio::ip::tcp::endpoint(address, 0).protocol());
  socket.bind({address, 0}, error);
  if (error == std::errc::address_not_available)
    return std::unexpected(fmt::format("{} is not an address of this machine", host));
  return address.to_string();
}

}  // namespace epic::cli
