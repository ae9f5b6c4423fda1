#include "transport/tcp_place.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace epic::transport {

namespace {

std::uint16_t port_of(const std::string& address) {
  std::uint16_t port = 0;
  std::from_chars(address.data() + address.rfind(':') + 1, address.data() + address.size(), port);
  return port;
}

}  // namespace

CredentialPlace credential_place(const protocol::TcpPlace& place) {
  return {.secret_file = place.secret_file,
          .certificates = {.authority = place.authority, .certificate = place.certificate, .key = place.key}};
}

std::expected<std::uint16_t, std::string> listen_at(Transport& transport, const protocol::TcpPlace& place) {
  if (place.host == "0.0.0.0" || place.host == "::")
    return std::unexpected(fmt::format("{} is not an address by which other machines can reach this one", place.host));
  std::string why;
  for (std::uint32_t port = place.first_port; port <= std::max(place.first_port, place.last_port); ++port) {
    const auto found = transport.listen(protocol::format_tcp_address(place.host, static_cast<std::uint16_t>(port)));
    if (found) return port_of(*found);
    why = found.error();
  }
  if (place.last_port <= place.first_port) return std::unexpected(std::move(why));
  return std::unexpected(fmt::format("no port from {} to {} can be used: {}", place.first_port, place.last_port, why));
}

}  // namespace epic::transport
