#pragma once
// Which machine of a fabric a new one asks to join it: `epic run --join`, and [cluster] machines.
//
// Not here: what it asks (cluster/supervisor/machine_join.hpp), beacons (cluster/supervisor/beacon.hpp), what the new
// machine makes of the answer (joining.hpp).

#include <string>

#include "cli/output/failure.hpp"
#include "cli/project/manifest.hpp"
#include "cluster/supervisor/machine_join.hpp"

namespace epic::cli {

/// `text`: HOST:PORT, or several with commas between; or the name of a fabric, if no host has it: then its beacon is
/// listened for.
[[nodiscard]] Result<cluster::JoinTerms> find_machine(const std::string& text, const transport::CredentialPlace& place);
/// A machine of the project's own fabric, at the addresses of [cluster] machines, which must not be empty. This machine
/// may be among them: nothing listens there yet. The failure names each address.
[[nodiscard]] Result<cluster::JoinTerms> find_listed(const Manifest& manifest, const transport::CredentialPlace& place);
/// The project's own fabric, by the list, and then by the beacon.
[[nodiscard]] Result<cluster::JoinTerms> find_own_fabric(const Manifest& manifest,
                                                         const transport::CredentialPlace& place);

[[nodiscard]] Failure failure_of(const cluster::SupervisorError& error);

}  // namespace epic::cli
