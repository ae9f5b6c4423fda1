#pragma once
// Which machine of a fabric a new one asks to join it: `epic run --join`.
//
// Not here: what it asks (cluster/supervisor/machine_join.hpp), beacons (cluster/supervisor/beacon.hpp).

#include <string>

#include "cli/output/failure.hpp"
#include "cluster/supervisor/machine_join.hpp"

namespace epic::cli {

/// A machine of the fabric, with what it has answered.
struct FoundMachine {
  std::string address;  // HOST:PORT
  cluster::JoinTerms terms;
};

/// `text`: HOST:PORT, or several with commas between, which are tried in turn; or the name of a fabric, if no host has
/// it: then its beacon is listened for.
[[nodiscard]] Result<FoundMachine> find_machine(const std::string& text, const transport::CredentialPlace& place);

[[nodiscard]] Failure failure_of(const cluster::SupervisorError& error);

}  // namespace epic::cli
