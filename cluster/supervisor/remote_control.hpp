#pragma once
// Remote control: the client of a fabric that runs elsewhere, over the port where machines join it.
//
// Both sides prove by TLS that they have the fabric's secret; then the program is a guest of that supervisor
// (guests.hpp), which answers as its control socket does. Blocking, and of one thread.
//
// Not here: the requests (control/control_client.hpp).

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>

#include "cluster/control/control_client.hpp"
#include "transport/credential_files.hpp"

namespace epic::cluster {

/// A supervisor of a fabric, as it is reached from outside.
struct RemotePlace {
  std::string host;  // a name or an IP address; of a name with several addresses each is tried
  std::uint16_t port = 0;
  transport::CredentialPlace credentials = {};

  /// HOST:PORT.
  [[nodiscard]] std::string text() const;
};

struct RemoteFabric {
  ControlClient client;
  std::string manifest;  // the text of the fabric's epic.toml
};

/// `version`: of epic. `failed` if the two sides do not understand each other.
[[nodiscard]] std::expected<RemoteFabric, ControlError> connect_to_fabric(
    const RemotePlace& place, const std::string& version, std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace epic::cluster
