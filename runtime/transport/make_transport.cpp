#include "transport/make_transport.hpp"

#include <utility>

#include "transport/credential_files.hpp"
#include "transport/machine_medium.hpp"
#include "transport/peers.hpp"
#include "transport/tcp_medium.hpp"

namespace epic::transport {

std::unique_ptr<Transport> make_transport(boost::asio::io_context& context, TransportEvents events,
                                          const protocol::MachinePlace& place) {
  return std::make_unique<Peers>(std::make_unique<MachineMedium>(context, place), std::move(events));
}

std::unique_ptr<Transport> make_remote_transport(boost::asio::io_context& context, TransportEvents events,
                                                 CredentialPlace credentials) {
  auto files = std::make_shared<CredentialFiles>(std::move(credentials));  // shared by copies of the function
  auto medium = std::make_unique<TcpMedium>(context, [files = std::move(files)] { return files->get(); });
  return std::make_unique<Peers>(std::move(medium), std::move(events));
}

}  // namespace epic::transport
