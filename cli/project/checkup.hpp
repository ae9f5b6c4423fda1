#pragma once
// Checkup: what `epic doctor` checks on disk. Every check has a finding, good or bad; a bad one says how to fix it.
//
// Not here: the store and the fabric (../fabric/health.hpp).

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "cli/project/install_paths.hpp"
#include "cli/project/project.hpp"

namespace epic::cli {

struct Finding {
  enum class State { ok, warning, broken } state{};
  std::string what;                               // what was checked: "clang"
  std::string found;                              // the result: "clang 19.1.7, /usr/bin/clang++-19"
  std::optional<std::string> fix = std::nullopt;  // the command or edit; none if all is well
};
BOOST_DESCRIBE_ENUM(Finding::State, ok, warning, broken)
BOOST_DESCRIBE_STRUCT(Finding, (), (state, what, found, fix))

/// Whether a file or directory is writable; if it does not exist, the nearest directory above it.
Finding check_writable(const std::filesystem::path& wanted, std::string what);

/// The toolchain and the installation, then the project if there is one.
std::vector<Finding> check_up(const InstallPaths& install, const Result<ProjectPaths>& paths);

}  // namespace epic::cli
