#pragma once
// Subprocess: runs one program to its end, with its output in a file or in memory.
//
// The program dies with this process (PR_SET_PDEATHSIG), so that a killed `epic build` leaves no compiler behind.

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

struct SubprocessOptions {
  std::filesystem::path program;  // with a '/', or looked up on PATH
  std::vector<std::string> arguments;
  std::filesystem::path directory = ".";
  std::filesystem::path log = {};  // both streams are appended here; empty: stdout and stderr are captured separately
  std::function<void()> on_tick = {};  // about ten times a second while it runs
};

struct SubprocessEnd {
  int exit_code = 0;  // 128 + n if killed by signal n
  std::string out;    // captured; empty with a log
  std::string err;
};

/// Fails only if the program could not be started.
Result<SubprocessEnd> run_subprocess(const SubprocessOptions& options);

/// Why a program of epic failed, as the `why` of a failure: what it printed to stderr, or else its exit code.
std::string cause_of(const SubprocessEnd& end, const std::filesystem::path& program);

/// The full path of a program on PATH, empty if there is none.
std::filesystem::path find_program(std::string_view name);

}  // namespace epic::cli
