#pragma once
// CMake: a project's build directory is configured once, and one target is built in it at a time.
//
// A build keeps the type of the last one unless another is asked for; the first is a release build. A build directory
// that was configured elsewhere, as that of a copied project, is made anew.
//
// Not here: what a built module must be able to do (build.hpp), running the tests (test_run.hpp).

#include <optional>
#include <string>

#include "cli/project/context.hpp"

namespace epic::cli {

enum class BuildType { release, debug };

/// CMake's name of the type to build. Removes a build directory that belongs to another place.
std::string choose_build_type(const Project& project, std::optional<BuildType> wanted);

/// Starts a new build log, and configures the build directory unless it is configured for this type and this epic.
Result<void> configure_build(const Context& context, const Project& project, std::string_view type);

/// Builds a target, and shows the compiler's warnings; a failure shows its errors. `subject` is what progress and
/// errors are about: "arena".
Result<void> build_target(const Context& context, const Project& project, std::string_view target,
                          std::string_view subject);

/// True if the last build failed because CMakeLists.txt has no such target.
bool is_unknown_target(const Project& project, std::string_view target);

enum class Severity { error, warning };
/// The errors or warnings in a build log, each with its place and its first lines, at most `count_max` of them. If no
/// error is recognised, the end of the log.
std::string shorten_build_log(std::string_view log, Severity severity, std::size_t count_max = 3);

/// The whole file; empty if it cannot be read.
std::string read_text(const std::filesystem::path& file);

}  // namespace epic::cli
