#pragma once
// Checkup: what `epic doctor` looks at on disk. Every check finds something, good or bad, and a bad one names its mend.
//
// Not here: the store and the fabric (../fabric/health.hpp).

#include <filesystem>
#include <string>
#include <vector>

#include "cli/project/install_paths.hpp"

namespace epic::cli {

struct Finding {
  enum class State { ok, warning, broken } state;
  std::string what;   // what was looked at: "clang"
  std::string found;  // what it is: "clang 19.1.7, /usr/bin/clang++-19"
  std::string mend;   // the command or edit that mends it; empty when there is nothing to mend
};

/// Whether a file or directory may be written, or the nearest directory above one that is not there yet.
Finding check_writable(const std::filesystem::path& wanted, std::string what);

/// The toolchain and the installation, then the project at or above `start` if there is one.
std::vector<Finding> check_up(const InstallPaths& install, const std::filesystem::path& start);

}  // namespace epic::cli
