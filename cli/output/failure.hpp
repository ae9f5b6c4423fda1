#pragma once
// Failure: what a command returns instead of a result; every error is printed in this form.
//
// A failure says what went wrong, why (if known), and the exact command that fixes it. Commands return it through
// std::expected, and EPIC_TRY passes on what they call returned; only cli/output/console.cpp turns it into text.

#include <boost/describe/enum.hpp>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "reflect/try.hpp"

namespace epic::cli {

/// The exit codes of every command; `epic help exit-codes` prints this list.
enum class ExitCode : int {
  ok = 0,
  failed = 1,         // the operation failed
  usage = 2,          // the command line or epic.toml is invalid; nothing was done
  not_found = 3,      // no such fabric, entity, type, method or node
  unreachable = 4,    // the fabric is there but does not answer
  build_failed = 5,   // the module did not compile, link or load
  interrupted = 130,  // Ctrl-C
};

BOOST_DESCRIBE_ENUM(ExitCode, ok, failed, usage, not_found, unreachable, build_failed, interrupted)

struct Failure {
  ExitCode code = ExitCode::failed;
  std::string what;                    // one sentence without a full stop: what failed, and on what
  std::string excerpt = {};            // an excerpt of a file, already formatted; or the compiler's errors
  std::string why = {};                // the cause, if it adds anything
  std::vector<std::string> help = {};  // each a sentence that ends in the exact command or edit
  std::filesystem::path log = {};      // where the full log is
};

template <class T>
using Result = std::expected<T, Failure>;
/// The result of a command: an exit code, or a failure to print.
using Outcome = Result<ExitCode>;

inline std::unexpected<Failure> fail(Failure failure) { return std::unexpected(std::move(failure)); }

}  // namespace epic::cli
