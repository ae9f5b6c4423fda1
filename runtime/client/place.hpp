#pragma once
// Place: where a client looks for the fabric's nodes, and how it talks to them.
//
// A program on a machine of the fabric names the project's directory: it finds the sockets of that machine's nodes, and
// beside them how to reach those of others. Any other program names addresses of nodes, epic://host:port, and has the
// fabric's secret in a file: all nodes are reached by TCP.

#include <boost/asio/io_context.hpp>
#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/private_files.hpp"
#include "kernel/messages.hpp"
#include "protocol/machine_place.hpp"
#include "transport/credential_files.hpp"
#include "transport/transport.hpp"

namespace epic::client {

/// Its transports refer to it.
class Place {
 public:
  virtual ~Place() = default;
  /// As the user named it.
  [[nodiscard]] virtual const std::string& name() const = 0;
  /// Why no fabric can be found there, now or later, as a sentence.
  [[nodiscard]] virtual std::expected<void, std::string> check() const = 0;
  /// Where nodes may be listening.
  [[nodiscard]] virtual std::vector<std::string> list_addresses() = 0;
  [[nodiscard]] virtual std::unique_ptr<transport::Transport> make_transport(boost::asio::io_context& context,
                                                                             transport::TransportEvents events) = 0;
  /// "Type/Key.method", which a node was running when it died; empty: unknown.
  [[nodiscard]] virtual std::string read_last_words(const kernel::PeerAddress& node) const = 0;
};

inline constexpr std::string_view kAddressStart = "epic://";

/// `where`: a project's directory, or "epic://host:port" with more of these after commas. `secret_file`: for addresses.
[[nodiscard]] std::unique_ptr<Place> make_place(std::string_view where, const std::string& secret_file);

}  // namespace epic::client
