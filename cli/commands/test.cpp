// epic test: builds and runs the project's tests.

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"
#include "cli/project/test_run.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kTestPositionals[] = {
    {.name = "FILTER",
     .summary = "Only tests whose name contains this, in upper or lower case",
     .arity = Arity::optional,
     .completes = Completes::test},
};

constexpr OptionSpec kTestOptions[] = {
    {.name = "list", .summary = "Print the names of the tests instead of running them"},
};

constexpr ExitNote kTestExitCodes[] = {
    {ExitCode::failed, "a test failed"},
    {ExitCode::not_found, "no test's name contains FILTER"},
    {ExitCode::build_failed, "the tests did not compile or link"},
};

constexpr Column kTestResultColumns[] = {
    {"RESULT", "result"},
    {"TEST", "test"},
};

constexpr Column kTestListColumns[] = {
    {"TEST", "test"},
};

void print_failed(Console& console, const Project& project, const TestResult& result) {
  std::string text = result.output;
  const std::string root = project.paths.root.string() + '/';
  for (std::size_t at = text.find(root); at != std::string::npos; at = text.find(root, at)) text.erase(at, root.size());
  console.print(fmt::format("{} {}{}\n{}\n", console.paint(Stream::out, Paint::red, "FAILED"), result.test,
                            result.why.empty() ? "" : fmt::format(" ({})", result.why), text));
}

std::string milliseconds(std::int64_t microseconds) {
  return fmt::format("{:.1f} ms", static_cast<double>(microseconds) / 1000);
}

Outcome report(Context& context, const Project& project, const std::vector<TestResult>& results,
               std::string_view took) {
  Console& console = context.console();
  Failure failure;
  std::vector<std::string> failed;
  for (const TestResult& result : results) {
    const bool has_passed = result.result == TestResult::State::passed;
    if (!has_passed) failed.push_back(result.test);
    if (console.is_json()) continue;
    if (!has_passed)
      print_failed(console, project, result);
    else if (console.verbosity() > 0)
      console.print(fmt::format("{} {} ({})", console.paint(Stream::out, Paint::green, "passed"), result.test,
                                milliseconds(result.took_us)));
  }
  if (console.is_json()) {
    Table table(console, kTestResultColumns);
    for (const TestResult& result : results) table.add(result);
  }
  if (failed.empty()) {
    console.note(fmt::format("{} passed in {}", count_of(results.size(), "test", "tests"), took));
    return ExitCode::ok;
  }
  for (const std::string& name : failed) failure.excerpt += name + '\n';
  failure.what = fmt::format("{} of {} failed", failed.size(), count_of(results.size(), "test", "tests"));
  if (results.size() > 1 && !failed.front().contains('\''))
    failure.help.push_back(fmt::format("run one of them alone with epic test '{}'", failed.front()));
  return fail(std::move(failure));
}

Outcome run_test(Context& context, const Arguments& arguments) {
  const auto project = EPIC_TRY(context.project(arguments));
  const std::string filter = arguments.word(0).value_or("");
  const auto all = EPIC_TRY(build_tests(context, project));
  const auto tests = select_tests(all, filter);
  if (tests.empty() && !filter.empty()) return fail(no_such_test(filter, all, "test", "epic test --list"));
  if (arguments.has("list")) {
    Table table(context.console(), kTestListColumns);
    for (const TestCase& test : tests) table.add(boost::json::object{{"test", test.name}});
    return ExitCode::ok;
  }
  if (tests.empty()) {
    if (context.console().is_json()) Table(context.console(), kTestResultColumns).finish();
    context.console().note(
        fmt::format("{} has no tests: write Catch2 cases in tests/*.cpp, and call epic_add_tests(…) in CMakeLists.txt",
                    project.manifest.name));
    return ExitCode::ok;
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto results = EPIC_TRY(run_tests(context, tests, project.paths));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  return report(context, project, results, human_duration(took));
}

}  // namespace

constexpr Command kTestCommand{
    .path = "test",
    .group = Group::project,
    .summary = "Build and run the project's tests",
    .description =
        "Builds the programs of epic_add_tests() in CMakeLists.txt the way the module was built last (release or\n"
        "debug), and runs their Catch2 cases. Needs no fabric, and leaves a running one alone. Prints the failed\n"
        "checks and the output of each failed test; -v adds a line for every other test, and -o json prints all\n"
        "results. A test that crashes, or runs longer than five minutes, fails; the others still run. Scenarios run a\n"
        "few seeds; 'epic simulate' runs many.",
    .example = "epic test\nepic test barrel\nepic test --list",
    .positionals = kTestPositionals,
    .options = kTestOptions,
    .exit_codes = kTestExitCodes,
    .run = run_test,
};

}  // namespace epic::cli
