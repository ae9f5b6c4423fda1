#pragma once
// MachinePlace: the machine of a process, and how processes of other machines talk to it.
//
// Processes of one machine talk over UNIX sockets. Two machines are the same if they have the same name; paths say
// nothing, since two machines may have the same ones. Without a TcpPlace everybody uses the UNIX sockets: then all
// machines are on one host.

#include <boost/describe/class.hpp>
#include <cstdint>
#include <string>

namespace epic::protocol {

/// How a machine's processes listen and prove themselves over TCP with TLS (transport/tls.hpp).
struct TcpPlace {
  std::string host;              // IP address to listen on, by which other machines reach it; empty: it does not listen
  std::uint16_t first_port = 0;  // a node listens on the first port that is free; 0: on any
  std::uint16_t last_port = 0;
  /// Absolute path: one secret a line, at most two, the newest first. Empty: certificates instead.
  std::string secret_file;
  /// Absolute paths of PEM files.
  std::string authority;
  std::string certificate;
  std::string key;
  bool operator==(const TcpPlace&) const = default;
};
BOOST_DESCRIBE_STRUCT(TcpPlace, (), (host, first_port, last_port, secret_file, authority, certificate, key))

struct MachinePlace {
  std::string machine;  // as in coordination; empty: the fabric has only one
  TcpPlace tcp = {};
  bool operator==(const MachinePlace&) const = default;
};
BOOST_DESCRIBE_STRUCT(MachinePlace, (), (machine, tcp))

/// "10.0.0.3:7000", "[fd00::3]:7000".
[[nodiscard]] inline std::string format_tcp_address(const std::string& host, std::uint16_t port) {
  return (host.contains(':') ? "[" + host + "]:" : host + ":") + std::to_string(port);
}

}  // namespace epic::protocol
