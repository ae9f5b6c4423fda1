#include "cli/project/simulation.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "cli/project/cmake.hpp"
#include "cli/project/subprocess.hpp"
#include "codec/described_json.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

enum class Place { forked, in_process };

void set_environment(const SeedRange& seeds, Place place, const fs::path& report) {
  const cluster::sim::SimulateOrder order{.first = seeds.first,
                                          .seeds = seeds.count,
                                          .jobs = seeds.jobs,
                                          .faults = seeds.faults,
                                          .in_process = place == Place::in_process};
  ::setenv("EPIC_SIMULATE", codec::describe_text(order).c_str(), 1);
  ::setenv("EPIC_SIMULATE_REPORT", report.c_str(), 1);
}

files::Descriptor make_nameless(const fs::path& directory) {
  std::string name = (directory / "epic-simulate.XXXXXX").string();
  files::Descriptor file(::mkostemp(name.data(), O_APPEND | O_CLOEXEC));
  if (file.get() >= 0) ::unlink(name.c_str());
  return file;
}

/// For other processes, too, as long as this one lives.
fs::path path_of(const files::Descriptor& file) { return fmt::format("/proc/{}/fd/{}", ::getpid(), file.get()); }

}  // namespace

FaultNumbers fault_numbers(const SeedReport& report) {
  FaultNumbers numbers;
  for (const SeedFault& fault : report.faults) numbers.push_back(fault.number);
  std::ranges::sort(numbers);
  const auto twice = std::ranges::unique(numbers);
  numbers.erase(twice.begin(), twice.end());
  return numbers;
}

void SeedTally::add(SeedReport report) {
  ++seeds;
  calls += report.calls;
  simulated_ms += report.simulated_ms;
  if (report.has_failed() && (!failed || report.seed < failed->seed)) failed = report;
  last = std::move(report);
}

Result<std::vector<SeedReport>> read_seed_reports(const fs::path& file, std::size_t& offset) {
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(offset));
  std::vector<SeedReport> reports;
  for (std::string line; std::getline(stream, line) && !stream.eof();) {
    offset += line.size() + 1;
    if (line.empty()) continue;
    auto report = codec::read_described_text<SeedReport>(line);
    if (!report)
      return fail({.what = "the test program reported a seed in a form that this epic does not know",
                   .excerpt = line,
                   .why = report.error(),
                   .help = {"build the tests again with 'epic build' and 'epic simulate'"}});
    reports.push_back(std::move(*report));
  }
  return reports;
}

Simulation::Simulation(TestCase scenario, const ProjectPaths& paths)
    : scenario_(std::move(scenario)),
      root_(paths.root.string() + '/'),
      report_(make_nameless(paths.build())),
      printed_(make_nameless(paths.build())) {}

Result<void> Simulation::run(const SeedRange& seeds, SeedTally& tally, const std::function<void()>& on_tick) {
  if (::ftruncate(report_.get(), 0) != 0 || ::ftruncate(printed_.get(), 0) != 0)
    return fail({.what = fmt::format("cannot write to {}build", root_), .why = std::generic_category().message(errno)});
  set_environment(seeds, Place::forked, path_of(report_));

  std::size_t offset = 0;
  std::set<std::int64_t> reported;
  std::optional<Failure> unreadable;
  const auto read = [&] {
    auto reports = read_seed_reports(path_of(report_), offset);
    if (!reports) unreadable = std::move(reports.error());
    if (unreadable) return;
    for (SeedReport& report : *reports) {
      if (report.where.starts_with(root_)) report.where.erase(0, root_.size());
      if (reported.insert(report.seed).second) tally.add(std::move(report));
    }
  };
  const auto end = EPIC_TRY(run_subprocess({.program = scenario_.program,
                                            .arguments = {exact_name(scenario_.name), "--reporter", "epic", "--out",
                                                          "/dev/null"},  // what failed is in the report
                                            .directory = scenario_.program.parent_path(),
                                            .log = path_of(printed_),
                                            .on_tick = [&] {
                                              read();
                                              on_tick();
                                            }}));
  read();
  if (unreadable) return fail(std::move(*unreadable));

  std::vector<std::int64_t> missing;
  const std::int64_t behind = tally.failed ? tally.failed->seed : seeds.first + seeds.count;
  for (std::int64_t seed = seeds.first; seed < behind; ++seed)
    if (!reported.contains(seed)) missing.push_back(seed);
  if (missing.empty()) return {};
  if (seeds.count > 1) return find_dead_seed(seeds, missing, tally, on_tick);
  if (end.exit_code == 0)
    return fail({.what = fmt::format("the scenario \"{}\" does not run seeds", scenario_.name),
                 .why = "its program reported nothing",
                 .help = {"define it with EPIC_SCENARIO of <epic/sim.hpp>"}});
  tally.add({.seed = seeds.first, .failure = how_ended(end)});
  return {};
}

// The program has died without a word about these seeds. One of the lowest must be the cause, as seeds start in order.
Result<void> Simulation::find_dead_seed(const SeedRange& seeds, const std::vector<std::int64_t>& missing,
                                        SeedTally& tally, const std::function<void()>& on_tick) {
  const auto in_flight = static_cast<std::size_t>(seeds.jobs) + 1;
  for (std::size_t i = 0; i < std::min(missing.size(), in_flight); ++i) {
    EPIC_TRY(run({.first = missing[i], .count = 1, .jobs = 1, .faults = seeds.faults}, tally, on_tick));
    if (tally.failed && tally.failed->seed == missing[i]) return {};
  }
  return fail({.what = fmt::format("the test program ended before it had run seed {}", missing.front()),
               .excerpt = printed(),
               .why = "each of the seeds that it was running passes alone"});
}

std::string Simulation::printed() const {
  constexpr std::size_t kLinesMax = 20;
  std::vector<std::string> lines;
  std::istringstream stream{read_text(path_of(printed_))};
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  std::string text;
  for (std::size_t i = lines.size() > kLinesMax ? lines.size() - kLinesMax : 0; i < lines.size(); ++i)
    text += lines[i] + '\n';
  return text;
}

Failure Simulation::debug(std::int64_t seed, const std::optional<FaultNumbers>& faults) {
  const fs::path gdb = find_program("gdb");
  if (gdb.empty()) return no_debugger();
  set_environment({.first = seed, .count = 1, .jobs = 1, .faults = faults}, Place::in_process, "/dev/null");
  std::vector<std::string> words = {gdb.string(),
                                    "--quiet",
                                    "-ex",
                                    "break epic_simulation_failed",
                                    "-ex",
                                    "run",
                                    "--args",
                                    scenario_.program.string(),
                                    exact_name(scenario_.name)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::error_code error;
  fs::current_path(scenario_.program.parent_path(), error);
  if (!error) ::execv(gdb.c_str(), arguments.data());
  return {.what = fmt::format("cannot start {}", gdb.string()), .why = std::generic_category().message(errno)};
}

Failure no_debugger() {
  return {.what = "gdb is not installed", .why = "no directory of PATH has it", .help = {"apt-get install gdb"}};
}

}  // namespace epic::cli
