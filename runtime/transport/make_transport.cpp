#include "transport/make_transport.hpp"

#include "transport/peers.hpp"
#include "transport/unix_medium.hpp"

namespace epic::transport {

std::unique_ptr<Transport> make_transport(boost::asio::io_context& context, TransportEvents events) {
  return std::make_unique<Peers>(std::make_unique<UnixMedium>(context), std::move(events));
}

}  // namespace epic::transport
