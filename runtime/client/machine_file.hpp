#pragma once
// The place of a machine, in a file of its run directory: what its supervisor tells the clients there, which may read
// the secret as well as a node may.

#include <filesystem>

#include "files/private_files.hpp"
#include "protocol/machine_place.hpp"

namespace epic::client {

/// For the supervisor, before its nodes listen.
[[nodiscard]] std::expected<void, files::Refusal> write_machine_file(const std::filesystem::path& run_directory,
                                                                     const protocol::MachinePlace& place);
/// Empty if there is none.
[[nodiscard]] protocol::MachinePlace read_machine_file(const std::filesystem::path& run_directory);

}  // namespace epic::client
