#pragma once
// MachineMedium: UNIX sockets to processes of the same machine, TCP with TLS to those of others.
//
// It listens at an address of either kind, or at one of each; a path is an address of UNIX sockets.
//
// Not here: the names of machines and where they come from (protocol/machine_place.hpp, machine_file.hpp).

#include <boost/asio/io_context.hpp>
#include <expected>
#include <optional>
#include <string>

#include "protocol/machine_place.hpp"
#include "transport/credential_files.hpp"
#include "transport/stream.hpp"
#include "transport/tcp_medium.hpp"
#include "transport/unix_medium.hpp"

namespace epic::transport {

class MachineMedium final : public Medium {
 public:
  /// `context` is run by the thread that calls everything here. `place` outlives it, and may change at any time.
  MachineMedium(boost::asio::io_context& context, const protocol::MachinePlace& place);

  [[nodiscard]] std::string address_of(const kernel::ShardMap::Member& member) const override;
  [[nodiscard]] std::expected<StreamPtr, std::string> dial(const std::string& address) override;
  [[nodiscard]] std::expected<std::string, std::string> listen(const std::string& address, OnAccept on_accept) override;
  void hide() override;
  void stop_listening() override;
  [[nodiscard]] RefusalCounts refusals() const override { return tcp_.refusals(); }

 private:
  [[nodiscard]] Medium& medium_for(const std::string& address);
  [[nodiscard]] std::expected<TlsContextPtr, std::string> get_credentials();

  const protocol::MachinePlace& place_;
  protocol::TcpPlace credentials_of_;
  std::optional<CredentialFiles> credentials_;  // of that place
  UnixMedium unix_;
  TcpMedium tcp_;
};

}  // namespace epic::transport
