#include "cli/project/test_run.hpp"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <sstream>

#include "cli/output/humanize.hpp"
#include "cli/output/suggest.hpp"
#include "cli/output/text.hpp"
#include "cli/project/cmake.hpp"
#include "cluster/supervisor/node_exit.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTarget = "epic-test-programs";  // of epic_add_tests()
constexpr int kSignalled = 128;                             // SubprocessEnd::exit_code

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::istringstream stream{std::string(text)};
  for (std::string line; std::getline(stream, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

std::string_view take_field(std::string_view& line) {
  const std::size_t tab = line.find('\t');
  const std::string_view field = line.substr(0, tab);
  line = tab == std::string_view::npos ? std::string_view() : line.substr(tab + 1);
  return field;
}

std::int64_t number_of(std::string_view text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string why_ended(const SubprocessEnd& end) {
  if (end.exit_code == kSignalled + SIGALRM) return fmt::format("ran for more than {}", human_duration(kTestTimeout));
  return how_ended(end);
}

Result<SubprocessEnd> list_names(const fs::path& program, std::string_view tags) {
  return run_subprocess({.program = program, .arguments = {"--list-test-names-only", std::string(tags)}});
}

Result<std::vector<TestCase>> list_cases(const fs::path& program) {
  const auto end = EPIC_TRY(list_names(program, "~[.]"));
  std::vector<TestCase> cases;
  for (std::string& name : lines_of(end.out)) cases.push_back({program, std::move(name)});
  if (cases.empty() && end.exit_code != 0)
    return fail({.what = fmt::format("the tests in {} could not be listed", program.string()),
                 .excerpt = end.err,
                 .why = why_ended(end)});
  for (const std::string& scenario : lines_of(EPIC_TRY(list_names(program, "[scenario]~[.]")).out))
    for (TestCase& test : cases)
      if (test.name == scenario) test.kind = TestCase::Kind::scenario;
  return cases;
}

/// One program's cases, run in as many processes as it takes.
class ProgramRun {
 public:
  ProgramRun(const fs::path& program, const ProjectPaths& paths)
      : program_(program),
        names_(paths.build() / "epic-tests.run"),
        report_(paths.build() / "epic-tests.report"),
        printed_(paths.build() / "epic-tests.log") {}

  /// Results of at least one of `names`: of all, unless one ends the process. `on_tick` gets the number of cases so
  /// far.
  Result<std::vector<TestResult>> run(const std::vector<std::string>& names,
                                      const std::function<void(std::size_t)>& on_tick) {
    std::error_code ignored;
    fs::remove(report_, ignored);
    fs::remove(printed_, ignored);
    std::ofstream list(names_);
    for (const std::string& name : names) list << exact_name(name) << '\n';
    list.close();
    const auto end = EPIC_TRY(
        run_subprocess({.program = program_,
                        .arguments = {"--reporter", "epic", "--out", report_.string(), "--input-file", names_.string()},
                        .directory = program_.parent_path(),
                        .log = printed_,
                        .on_tick = [&] { on_tick(parse_test_report(read_text(report_), {}).results.size()); }}));
    TestReport report = parse_test_report(read_text(report_), read_text(printed_));
    if (!report.last_has_ended) report.results.back().why = why_ended(end);
    const bool has_passed = std::ranges::all_of(
        report.results, [](const TestResult& result) { return result.result == TestResult::State::passed; });
    if (has_passed && end.exit_code != 0 && !report.results.empty()) {
      report.results.back().result = TestResult::State::failed;
      report.results.back().why = "after it, " + why_ended(end);
    }
    if (report.results.empty())
      return fail({.what = fmt::format("{} reported no results", program_.string()),
                   .why = why_ended(end),
                   .help = {"link epic::test_main, as epic_add_tests() does, and define no main function"},
                   .log = printed_});
    return std::move(report.results);
  }

 private:
  fs::path program_;
  fs::path names_;
  fs::path report_;
  fs::path printed_;
};

}  // namespace

Result<std::vector<TestCase>> build_tests(const Context& context, const Project& project) {
  EPIC_TRY(configure_build(context, project, choose_build_type(project, {})));
  if (auto built = build_target(context, project, kTarget, fmt::format("the tests of {}", project.manifest.name));
      !built) {
    if (is_unknown_target(project, kTarget)) return std::vector<TestCase>();
    return std::unexpected(std::move(built.error()));
  }
  std::vector<TestCase> tests;
  for (const std::string& program : lines_of(read_text(project.paths.test_programs())))
    std::ranges::move(EPIC_TRY(list_cases(program)), std::back_inserter(tests));
  std::ofstream names(project.paths.test_names(), std::ios::binary);
  std::ofstream scenarios(project.paths.scenario_names(), std::ios::binary);
  for (const TestCase& test : tests) {
    names << test.name << '\n';
    if (test.kind == TestCase::Kind::scenario) scenarios << test.name << '\n';
  }
  return tests;
}

std::vector<TestCase> select_tests(const std::vector<TestCase>& tests, std::string_view filter) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  std::vector<TestCase> selected;
  std::ranges::copy_if(tests, std::back_inserter(selected), [&](const TestCase& test) { return test.name == filter; });
  if (!selected.empty()) return selected;
  for (const TestCase& test : tests)
    if (filter.empty() || !std::ranges::search(test.name, filter, {}, lower, lower).empty()) selected.push_back(test);
  return selected;
}

Failure no_such_test(std::string_view filter, const std::vector<TestCase>& tests, std::string_view noun,
                     std::string_view list_command) {
  constexpr std::size_t kNamesMax = 20;
  std::vector<std::string> names;
  for (const TestCase& test : tests) names.push_back(test.name);
  std::string shown;
  for (std::size_t i = 0; i < names.size() && i < kNamesMax; ++i) shown += names[i] + '\n';
  if (names.size() > kNamesMax) shown += fmt::format("… and {} more\n", names.size() - kNamesMax);
  Failure failure{.code = ExitCode::not_found,
                  .what = fmt::format("no {}'s name contains \"{}\"", noun, printable(filter)),
                  .excerpt = std::move(shown),
                  .why = names.empty() ? fmt::format("the project has no {}s", noun)
                                       : fmt::format("these are all {}s of the project", noun)};
  if (names.size() > kNamesMax) failure.help.push_back(fmt::format("list all {}s with '{}'", noun, list_command));
  if (const std::string near = find_near(filter, names); !near.empty())
    failure.help.push_back(fmt::format("did you mean {}?", near));
  return failure;
}

Result<std::vector<TestResult>> run_tests(const Context& context, const std::vector<TestCase>& tests,
                                          const ProjectPaths& paths) {
  ::setenv("EPIC_TEST_TIMEOUT_S", std::to_string(std::chrono::seconds(kTestTimeout).count()).c_str(), 1);
  const auto begin = std::chrono::steady_clock::now();
  std::vector<TestResult> results;
  const auto show = [&](std::size_t of_this_run) {
    const auto so_far = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    const std::size_t current = std::max<std::size_t>(results.size() + of_this_run, 1);
    if (so_far > std::chrono::seconds(1))
      context.console().progress(fmt::format("Testing [{}/{}] {}: {}", current, tests.size(), human_duration(so_far),
                                             tests[std::min(current, tests.size()) - 1].name));
  };
  std::map<fs::path, std::vector<std::string>> left;
  for (const TestCase& test : tests) left[test.program].push_back(test.name);
  for (auto& [program, names] : left) {
    ProgramRun run(program, paths);
    while (!names.empty()) {
      auto done = run.run(names, show);
      context.console().progress("");
      if (!done) return std::unexpected(std::move(done.error()));
      const std::size_t before = names.size();
      for (TestResult& result : *done) {
        std::erase(names, result.test);
        results.push_back(std::move(result));
      }
      if (names.size() == before)
        return fail({.what = fmt::format("{} does not find its test \"{}\"", program.string(), names.front()),
                     .help = {"give it a simpler name"}});
    }
  }
  return results;
}

TestReport parse_test_report(std::string_view report, std::string_view printed) {
  TestReport parsed;
  std::size_t begin = 0;
  std::string checks;
  const auto finish = [&](std::size_t end) {
    std::string& output = parsed.results.back().output;
    output = printed.substr(std::min(begin, printed.size()), end - std::min(begin, end));
    if (!output.empty() && !output.ends_with('\n')) output += '\n';
    output += std::exchange(checks, {});
  };
  while (!report.empty()) {
    const std::size_t end = report.find('\n');
    if (end == std::string_view::npos) break;  // cut off: the process has died
    std::string_view line = report.substr(0, end);
    report.remove_prefix(end + 1);
    const std::string_view word = take_field(line);
    if (word == "start") {
      begin = static_cast<std::size_t>(number_of(take_field(line)));
      parsed.results.push_back({.test = std::string(line)});
      parsed.last_has_ended = false;
    } else if (word == "text") {
      checks.append(line).append("\n");
    } else if (word == "end" && !parsed.last_has_ended) {
      parsed.results.back().result =
          take_field(line) == "passed" ? TestResult::State::passed : TestResult::State::failed;
      parsed.results.back().took_us = number_of(take_field(line));
      finish(static_cast<std::size_t>(number_of(line)));
      parsed.last_has_ended = true;
    }
  }
  if (!parsed.last_has_ended) finish(printed.size());
  return parsed;
}

std::vector<std::string> known_tests(const ProjectPaths& paths) { return lines_of(read_text(paths.test_names())); }

std::vector<std::string> known_scenarios(const ProjectPaths& paths) {
  return lines_of(read_text(paths.scenario_names()));
}

std::string how_ended(const SubprocessEnd& end) {
  const int signal = end.exit_code > kSignalled ? end.exit_code - kSignalled : 0;
  return "the test program " + cluster::ProcessEnd{.exit_code = end.exit_code, .signal = signal}.text();
}

std::string exact_name(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) {
    if (std::string_view("\\,[]\"*").contains(c)) text += '\\';
    text += c;
  }
  return text + '"';
}

}  // namespace epic::cli
