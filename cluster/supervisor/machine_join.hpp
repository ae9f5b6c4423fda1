#pragma once
// What a machine that is to join a fabric asks a supervisor of it, before it runs one of its own: what epic.toml says.
//
// Blocking, and before there are threads: `epic run --join HOST:PORT` calls it.
//
// Not here: the module, which comes when the first node needs it (module_fetch.hpp).

#include <chrono>
#include <expected>
#include <string>

#include "cluster/control/supervisor_error.hpp"
#include "protocol/machines.hpp"
#include "transport/credential_files.hpp"

namespace epic::cluster {

struct JoinTerms {
  protocol::Settings settings;
  std::string own_address;  // the IP address by which this machine reaches that one
};

/// `host`: a name or an IP address. Refuses a fabric of another version of epic or for another processor, in a
/// sentence.
[[nodiscard]] std::expected<JoinTerms, SupervisorError> ask_to_join(
    const std::string& host, std::uint16_t port, const transport::CredentialPlace& credentials,
    const std::string& version, std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace epic::cluster
