#pragma once
// What a machine that is to join a fabric asks a supervisor of it, before it runs one of its own: what epic.toml says.
//
// Several supervisors are asked at once, and the first good answer counts, so that machines which are off cost nothing
// while another one answers. Blocking, and before there are threads: `epic run --join HOST:PORT` calls it.
//
// Not here: the module, which comes when the first node needs it (module_fetch.hpp).

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "cluster/control/supervisor_error.hpp"
#include "protocol/machines.hpp"
#include "transport/credential_files.hpp"

namespace epic::cluster {

/// Where a supervisor may be.
struct JoinPlace {
  std::string host;  // a name or an IP address
  std::uint16_t port = 0;
};

struct JoinTerms {
  protocol::Settings settings;
  std::string address;      // of the place that has answered: "HOST:PORT"
  std::string own_address;  // the IP address by which this machine reaches that one
};

struct JoinQuestion {
  std::vector<JoinPlace> places;  // at least one
  std::string version = {};       // of epic
  std::chrono::milliseconds timeout = std::chrono::seconds(10);
  /// Why that fabric is not the one that is looked for, as a sentence; an empty text if it is.
  std::function<std::string(const std::string& address, const protocol::Settings&)> find_fault = {};
};

/// A fabric of another version of epic or for another processor is refused. The errors are those of the places, one
/// each, and in their order; or a single one, of the credentials.
[[nodiscard]] std::expected<JoinTerms, std::vector<SupervisorError>> ask_to_join(
    const JoinQuestion& question, const transport::CredentialPlace& credentials);

}  // namespace epic::cluster
