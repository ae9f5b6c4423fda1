#pragma once
// What a place says about TCP: where a node listens for processes of other machines, and how it proves itself.

#include <cstdint>
#include <expected>
#include <string>

#include "protocol/machine_place.hpp"
#include "transport/credential_files.hpp"
#include "transport/transport.hpp"

namespace epic::transport {

[[nodiscard]] CredentialPlace credential_place(const protocol::TcpPlace& place);

/// Listens on the first port of the place that is free, and returns it. The error is a sentence with the address.
[[nodiscard]] std::expected<std::uint16_t, std::string> listen_at(Transport& transport,
                                                                  const protocol::TcpPlace& place);

}  // namespace epic::transport
