#pragma once
// The address of a machine, as a person writes it: HOST, HOST:PORT or [IPV6]:PORT.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace epic::cli {

struct MachineAddress {
  std::string host;  // a name or an IP address, without brackets
  std::uint16_t port = 0;

  bool operator==(const MachineAddress&) const = default;
};

/// To connect to. Without a port it is kMachinePort. The error is a sentence without a full stop.
[[nodiscard]] std::expected<MachineAddress, std::string> parse_machine_address(std::string_view text);
/// To listen at: port 0 leaves the choice of the ports to the system.
[[nodiscard]] std::expected<MachineAddress, std::string> parse_listen_address(std::string_view text);
/// A name that has an address.
[[nodiscard]] bool is_host(const std::string& name);
/// The IP address of `host`, which must be one of this machine's. The error is a sentence without a full stop.
[[nodiscard]] std::expected<std::string, std::string> find_own_address(const std::string& host);

}  // namespace epic::cli
