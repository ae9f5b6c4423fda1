#pragma once
// The only place where a medium is chosen.

#include <boost/asio/io_context.hpp>
#include <memory>

#include "transport/transport.hpp"

namespace epic::transport {

/// `context` is run by the thread that calls the transport, and outlives it.
[[nodiscard]] std::unique_ptr<Transport> make_transport(boost::asio::io_context& context, TransportEvents events);

}  // namespace epic::transport
