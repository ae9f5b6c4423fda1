#pragma once
// Failure: what a command answers instead of a result, in the one shape that every error is printed in.
//
// A failure says what went wrong, why if that is known, and the exact command that mends it. Commands return it through
// std::expected; only cli/output/console.cpp turns it into text.

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace epic::cli {

/// The exit codes of every command; `epic help exit-codes` prints this list.
enum class ExitCode : int {
  ok = 0,
  failed = 1,         // the operation was tried and failed
  usage = 2,          // the command line or epic.toml is wrong; nothing was tried
  not_found = 3,      // no such fabric, entity, type, method or node
  unreachable = 4,    // the fabric was there, but did not answer
  build_failed = 5,   // the module did not compile, link or load
  interrupted = 130,  // Ctrl-C
};

struct Failure {
  ExitCode code = ExitCode::failed;
  std::string what;                    // one sentence without a full stop: what could not be done, and to what
  std::string excerpt = {};            // the place in a file, already laid out; or the compiler's words
  std::string why = {};                // the cause, if it adds anything
  std::vector<std::string> help = {};  // each a sentence that ends in the exact command or edit
  std::filesystem::path log = {};      // where the whole story is
};

template <class T>
using Result = std::expected<T, Failure>;
/// What a command ends in: the exit code of one that worked, or a failure to print.
using Outcome = Result<ExitCode>;

inline std::unexpected<Failure> fail(Failure failure) { return std::unexpected(std::move(failure)); }

}  // namespace epic::cli
