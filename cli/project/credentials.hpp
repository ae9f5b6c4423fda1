#pragma once
// Credentials: the secret, or the certificates instead, by which a command proves that it belongs to a fabric.
//
// What is typed comes before the environment, and that before what a file says. Where one of these names both, one of
// them would be ignored, so it is refused.
//
// Not here: how they are read and what they are for (transport/credential_files.hpp).

#include <filesystem>
#include <string>

#include "cli/output/failure.hpp"
#include "cli/parser/arguments.hpp"
#include "transport/credential_files.hpp"

namespace epic::cli {

/// What a file says.
struct SavedCredentials {
  std::string secret_file;     // empty: none
  std::string certificates;    // a directory; empty: none
  std::filesystem::path root;  // both are relative to it
  std::string where;           // "[cluster] of arena/epic.toml", for errors
};

/// Empty if there are none.
[[nodiscard]] Result<transport::CredentialPlace> choose_credentials(const Arguments& arguments,
                                                                    const SavedCredentials& saved);
/// Refuses what cannot be used at the moment, as a mistake of the user's.
[[nodiscard]] Result<void> check_usable(const transport::CredentialPlace& place);
/// The same, for a machine that others are to reach: they would refuse a certificate that is not valid.
[[nodiscard]] Result<void> check_usable_for_listening(const transport::CredentialPlace& place);

}  // namespace epic::cli
