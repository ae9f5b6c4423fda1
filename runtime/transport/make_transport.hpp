#pragma once
// The only place where a medium is chosen.

#include <boost/asio/io_context.hpp>
#include <memory>

#include "protocol/machine_place.hpp"
#include "transport/credential_files.hpp"
#include "transport/transport.hpp"

namespace epic::transport {

/// For a node, or a client on a machine of the fabric. `context` is run by the thread that calls the transport. It and
/// `place`, which may change at any time, outlive the transport.
[[nodiscard]] std::unique_ptr<Transport> make_transport(boost::asio::io_context& context, TransportEvents events,
                                                        const protocol::MachinePlace& place);

/// For a client that is on no machine of the fabric: TCP to all nodes.
[[nodiscard]] std::unique_ptr<Transport> make_remote_transport(boost::asio::io_context& context, TransportEvents events,
                                                               CredentialPlace credentials);

}  // namespace epic::transport
