#pragma once
// TestRun: builds a project's test programs, lists their cases, and runs some of them.
//
// The programs are those of epic_add_tests() (EpicModule.cmake), which leaves their paths in a file of the build
// directory. Each is a Catch2 program with a reporter of ours (runtime/testing/catch_main.cpp). Its cases run in one
// process, so that a case of microseconds takes microseconds. If one ends the process, that case has failed, and the
// rest runs in a new process.
//
// Not here: whether the module may replace the one that nodes run. Tests link its classes, not the module itself.

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "cli/project/context.hpp"
#include "cli/project/subprocess.hpp"

namespace epic::cli {

/// A case that runs longer has failed.
inline constexpr std::chrono::minutes kTestTimeout{5};

struct TestCase {
  std::filesystem::path program;
  std::string name;
  enum class Kind { plain, scenario } kind = Kind::plain;  // scenario: it has the tag [scenario]; see simulation.hpp
};

/// Builds the tests, and lists every case that is not hidden. None if the project has no tests.
Result<std::vector<TestCase>> build_tests(const Context& context, const Project& project);

/// The tests whose name contains `filter`, in upper or lower case; only the one that it names exactly, if there is one.
/// An empty filter selects all.
std::vector<TestCase> select_tests(const std::vector<TestCase>& tests, std::string_view filter);

/// `select_tests(tests, filter)` is empty. `noun` is what the user calls them: "test".
Failure no_such_test(std::string_view filter, const std::vector<TestCase>& tests, std::string_view noun,
                     std::string_view list_command);

struct TestResult {
  enum class State { passed, failed };
  std::string test;
  State result = State::failed;
  std::string why = {};  // how the process ended, if it did; empty for a failed check
  std::int64_t took_us = 0;
  std::string output = {};  // what the case has printed, then its failed checks
};
BOOST_DESCRIBE_ENUM(TestResult::State, passed, failed)
BOOST_DESCRIBE_STRUCT(TestResult, (), (test, result, why, took_us, output))

/// Runs them, and reports progress on the console.
Result<std::vector<TestResult>> run_tests(const Context& context, const std::vector<TestCase>& tests,
                                          const ProjectPaths& paths);

/// What a test program has reported, and printed. The last case has not ended if the process did before.
struct TestReport {
  std::vector<TestResult> results;
  bool last_has_ended = true;
};
TestReport parse_test_report(std::string_view report, std::string_view printed);

/// The names that the last build_tests() found, for completions.
std::vector<std::string> known_tests(const ProjectPaths& paths);
std::vector<std::string> known_scenarios(const ProjectPaths& paths);

/// How a test program ended: "the test program was killed by signal 11 (SIGSEGV)".
std::string how_ended(const SubprocessEnd& end);
/// The argument by which Catch2 selects this case and no other.
std::string exact_name(std::string_view name);

}  // namespace epic::cli
