// epic simulate: runs the project's scenarios over many seeds, until one fails.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <ranges>
#include <thread>

#include "cli/commands/seed_text.hpp"
#include "cli/commands/table.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"
#include "cli/project/simulation.hpp"

namespace epic::cli {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr PositionalSpec kSimulatePositionals[] = {
    {.name = "SCENARIO",
     .summary = "Only scenarios whose name contains this, in upper or lower case",
     .arity = Arity::optional,
     .completes = Completes::scenario},
};

constexpr OptionSpec kSimulateOptions[] = {
    {.name = "seeds",
     .value = "N",
     .summary = "Run N seeds of each scenario",
     .fallback = "1000",
     .check = whole_number(1, 1'000'000'000)},
    {.name = "seed",
     .value = "S",
     .summary = "Run seed S only, and print its digest; with --seeds or --minutes, begin with it",
     .check = whole_number(0, 9'000'000'000'000'000'000)},
    {.name = "minutes",
     .value = "M",
     .summary = "Run as many seeds as M minutes allow; several scenarios share the time",
     .check = whole_number(1, 100'000)},
    {.name = "jobs",
     .letter = 'j',
     .value = "N",
     .summary = "Run N seeds at the same time",
     .fallback = "the number of cores",
     .check = whole_number(1, 1024)},
    {.name = "faults",
     .value = "NUMBERS",
     .summary = "Of the faults of --seed, let only these strike, for example 1,4,7; or none"},
    {.name = "shrink", .summary = "If a seed fails, look for fewer faults with which it still fails"},
    {.name = "gdb", .summary = "Run the seed that fails, or --seed, under gdb up to its failure"},
    {.name = "list", .summary = "Print the names of the scenarios instead of running them"},
};

constexpr ExitNote kSimulateExitCodes[] = {
    {ExitCode::failed, "a seed failed"},
    {ExitCode::not_found, "no scenario's name contains SCENARIO"},
    {ExitCode::build_failed, "the tests did not compile or link"},
};

constexpr Column kSimulateResultColumns[] = {
    {"RESULT", "result"},
    {"SCENARIO", "scenario"},
};

constexpr Column kSimulateListColumns[] = {
    {"SCENARIO", "scenario"},
};

/// What was asked for.
struct Plan {
  SeedRange seeds;
  std::optional<std::chrono::minutes> time;
  bool is_one_seed = false;  // and the user wants to see it
};

Result<FaultNumbers> read_faults(const Arguments& arguments, std::string_view text) {
  FaultNumbers numbers;
  if (text == "none") return numbers;
  for (const auto part : std::views::split(text, ',')) {
    const auto number = parse_whole_number(std::string_view(part), 0, INT64_MAX);
    if (!number)
      return fail(usage_failure(arguments.command(),
                                fmt::format("--faults takes numbers such as 1,4,7, or none, not \"{}\"", text)));
    numbers.push_back(*number);
  }
  std::ranges::sort(numbers);
  return numbers;
}

Result<Plan> read_plan(const Arguments& arguments) {
  Plan plan;
  if (const auto minutes = arguments.number("minutes")) plan.time.emplace(*minutes);
  plan.seeds.first = arguments.number("seed").value_or(1);
  plan.seeds.jobs = arguments.number("jobs").value_or(std::max(1U, std::thread::hardware_concurrency()));
  plan.is_one_seed = arguments.has("seed") && !arguments.has("seeds") && !plan.time;
  plan.seeds.count = plan.is_one_seed                       ? 1
                     : plan.time && !arguments.has("seeds") ? 1'000'000'000
                                                            : *arguments.number("seeds");
  if (const auto faults = arguments.value("faults")) {
    if (!plan.is_one_seed)
      return fail(
          usage_failure(arguments.command(), "--faults needs --seed", "the numbers are those of one seed's schedule"));
    plan.seeds.faults = EPIC_TRY(read_faults(arguments, *faults));
  }
  return plan;
}

std::chrono::milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
}

// "8 h simulated, 720 times real time"
std::string simulated(const SeedTally& tally, std::chrono::milliseconds took) {
  return fmt::format("{} simulated, {} times real time", human_duration(std::chrono::milliseconds(tally.simulated_ms)),
                     tally.simulated_ms / std::max<std::int64_t>(took.count(), 1));
}

/// Texts differ in numbers. One without a place is a crash, or what the simulator requires of every scenario.
bool is_same_failure(const SeedReport& one, const SeedReport& other) {
  return one.where == other.where && one.digest.empty() == other.digest.empty();
}

/// One scenario, from its first seed to what is printed about it.
class ScenarioRun {
 public:
  ScenarioRun(const Context& context, const TestCase& scenario, const ProjectPaths& paths, Plan plan)
      : console_(context.console()), name_(scenario.name), plan_(std::move(plan)), simulation_(scenario, paths) {}

  /// Runs seeds until one fails, all have passed, or `until` is reached.
  Result<void> run(std::optional<Clock::time_point> until) {
    // A limit in time is kept by running portions of a few seconds, so that every seed that was begun also ends.
    std::int64_t portion = until ? plan_.seeds.jobs * 2 : plan_.seeds.count;
    do {
      SeedRange seeds = plan_.seeds;
      seeds.first += tally_.seeds;
      seeds.count = std::min(portion, plan_.seeds.count - tally_.seeds);
      const auto so_far = since(begin_);
      EPIC_TRY(simulation_.run(seeds, tally_, [&] { show_progress(until); }));
      if (until) portion = next_portion(seeds.count, since(begin_) - so_far, *until);
    } while (!tally_.failed && tally_.seeds < plan_.seeds.count && (!until || Clock::now() < *until));
    console_.progress("");
    took_ = since(begin_);
    output_ = simulation_.printed();
    if (tally_.failed && plan_.seeds.count > 1) EPIC_TRY(replay());
    return {};
  }

  /// Replaces the failed seed's report by that of a run with fewer faults.
  Result<void> shrink() {
    const auto begin = Clock::now();
    const SeedReport whole = *tally_.failed;
    const FaultNumbers struck = fault_numbers(whole);
    if (struck.empty()) {
      console_.note(fmt::format("{} reported no faults, so there are none to leave out", seed_name(whole.seed)));
      return {};
    }
    std::int64_t runs = 0;
    const auto run_with = [&](const FaultNumbers& faults) -> Result<bool> {
      ++runs;
      SeedTally tally;
      EPIC_TRY(simulation_.run({.first = whole.seed, .count = 1, .jobs = 1, .faults = faults}, tally, [&] {
        if (since(begin) > 1s)
          console_.progress(fmt::format("Shrinking {}: {} of {} left, {}", seed_name(whole.seed),
                                        tally_.failed->faults.size(), count_of(struck.size(), "fault", "faults"),
                                        count_of(static_cast<std::uint64_t>(runs), "run", "runs")));
      }));
      if (!tally.failed || !is_same_failure(*tally.failed, whole)) return false;
      tally_.failed = std::move(tally.failed);
      plan_.seeds.faults = faults;
      output_ = simulation_.printed();
      return true;
    };
    if (!EPIC_TRY(run_with(struck))) {
      console_.warn(fmt::format("{} does not fail with the faults that struck alone, so they cannot be reduced",
                                seed_name(whole.seed)));
      return {};
    }
    const FaultNumbers left = EPIC_TRY(shrink_faults(struck, run_with));
    console_.progress("");
    const std::string all = count_of(struck.size(), "fault", "faults");
    console_.note(fmt::format("{}, found in {} in {}",
                              left.empty() ? fmt::format("{} fails without any of its {}", seed_name(whole.seed), all)
                                           : fmt::format("{} of {} are enough to fail", left.size(), all),
                              count_of(static_cast<std::uint64_t>(runs), "run", "runs"), human_duration(since(begin))));
    return {};
  }

  void print() const {
    if (const SeedReport* shown = report()) {
      const std::string text = seed_text(console_, name_, *shown, output_);
      console_.print(shown->has_failed() ? text + fmt::format("Replay\n  {}\n", command({})) : text);
    } else {
      console_.note(fmt::format("{} passed {} in {}, {}", name_,
                                count_of(static_cast<std::uint64_t>(tally_.seeds), "seed", "seeds"),
                                human_duration(took_), simulated(tally_, took_)));
    }
  }

  [[nodiscard]] boost::json::object row() const {
    const SeedReport* shown = report();
    return {{"scenario", name_},
            {"result", tally_.failed ? "failed" : "passed"},
            {"first_seed", plan_.seeds.first},
            {"seeds", tally_.seeds},
            {"calls", tally_.calls},
            {"simulated_ms", tally_.simulated_ms},
            {"took_ms", took_.count()},
            {"seed", shown ? codec::describe_json(*shown) : boost::json::value()},
            {"replay", shown ? boost::json::value(command({})) : boost::json::value()}};
  }

  [[nodiscard]] bool has_failed() const { return tally_.failed.has_value(); }

  [[nodiscard]] Failure failure() const {
    const std::int64_t passed = tally_.failed->seed - plan_.seeds.first;
    Failure failure{.what = fmt::format("{}: {} failed", name_, seed_name(tally_.failed->seed))};
    if (passed > 0)
      failure.what +=
          fmt::format(" after {} that passed", count_of(static_cast<std::uint64_t>(passed), "seed", "seeds"));
    if (!plan_.seeds.faults && !tally_.failed->faults.empty())
      failure.help.push_back(fmt::format("look for fewer faults with {}", command("--shrink")));
    failure.help.push_back(fmt::format("debug it with {}", command("--gdb")));
    return failure;
  }

  Failure debug() {
    return simulation_.debug(tally_.failed ? tally_.failed->seed : plan_.seeds.first, plan_.seeds.faults);
  }

 private:
  static std::string seed_name(std::int64_t seed) { return fmt::format("seed {}", seed); }

  /// The seed that is shown: the one that failed, or the only one.
  [[nodiscard]] const SeedReport* report() const {
    if (tally_.failed) return &*tally_.failed;
    return plan_.is_one_seed && tally_.last ? &*tally_.last : nullptr;
  }

  [[nodiscard]] std::string command(std::string_view option) const {
    std::string line = fmt::format("epic simulate {} --seed {}", shell_quoted(name_), report()->seed);
    if (plan_.seeds.faults)
      line += plan_.seeds.faults->empty() ? std::string(" --faults none")
                                          : fmt::format(" --faults {}", fmt::join(*plan_.seeds.faults, ","));
    if (!option.empty()) line += fmt::format(" {}", option);
    return line;
  }

  // Runs the failed seed again, alone: for what it prints, and to see that it takes the same course.
  Result<void> replay() {
    SeedTally again;
    EPIC_TRY(simulation_.run({.first = tally_.failed->seed, .count = 1, .jobs = 1}, again, [] {}));
    output_ = simulation_.printed();
    const SeedReport& second = *again.last;
    if (second.digest == tally_.failed->digest && second.failure == tally_.failed->failure) return {};
    console_.warn(
        fmt::format("{} takes another course when it is run again ({}): the module depends on more than the "
                    "seed; 'epic build' reports writable globals, clocks and random numbers",
                    seed_name(second.seed), second.has_failed() ? second.failure : "it passes"));
    return {};
  }

  std::int64_t next_portion(std::int64_t seeds, std::chrono::milliseconds took, Clock::time_point until) const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    const auto wanted = std::clamp(left, 0ms, std::chrono::milliseconds(5s));
    return std::max(plan_.seeds.jobs, seeds * wanted.count() / std::max<std::int64_t>(took.count(), 1));
  }

  void show_progress(std::optional<Clock::time_point> until) const {
    const auto so_far = since(begin_);
    if (so_far < 1s || tally_.seeds == 0) return;
    const std::int64_t left_ms =
        until ? std::chrono::duration_cast<std::chrono::milliseconds>(*until - Clock::now()).count()
              : so_far.count() * (plan_.seeds.count - tally_.seeds) / tally_.seeds;
    console_.progress(fmt::format("Simulating {}: {}{}, {}, {} left", name_, tally_.seeds,
                                  until ? std::string(" seeds") : fmt::format(" of {} seeds", plan_.seeds.count),
                                  simulated(tally_, so_far),
                                  human_duration(std::chrono::milliseconds(std::max<std::int64_t>(left_ms, 0)))));
  }

  Console& console_;
  std::string name_;
  Plan plan_;
  Simulation simulation_;
  Clock::time_point begin_ = Clock::now();
  std::chrono::milliseconds took_{0};
  SeedTally tally_;
  std::string output_;  // of the seed that is shown
};

Outcome run_scenarios(Context& context, const Arguments& arguments, const std::vector<TestCase>& scenarios,
                      const ProjectPaths& paths, const Plan& plan) {
  Console& console = context.console();
  std::optional<Table> table;
  if (console.is_json()) table.emplace(console, kSimulateResultColumns);
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < scenarios.size(); ++i) {
    std::optional<Clock::time_point> until;
    if (plan.time) until = begin + std::chrono::milliseconds(*plan.time) * (i + 1) / scenarios.size();
    ScenarioRun scenario(context, scenarios[i], paths, plan);
    if (arguments.has("gdb") && plan.is_one_seed && !arguments.has("shrink")) return fail(scenario.debug());
    EPIC_TRY(scenario.run(until));
    if (scenario.has_failed() && arguments.has("shrink")) EPIC_TRY(scenario.shrink());
    if (table)
      table->add(scenario.row());
    else
      scenario.print();
    if (!scenario.has_failed()) continue;
    if (!arguments.has("gdb")) return fail(scenario.failure());
    if (table) table->finish();
    static_cast<void>(console.flush());
    return fail(scenario.debug());
  }
  return ExitCode::ok;
}

Outcome run_simulate(Context& context, const Arguments& arguments) {
  const Plan plan = EPIC_TRY(read_plan(arguments));
  const auto project = EPIC_TRY(context.project(arguments));
  if (arguments.has("gdb") && find_program("gdb").empty()) return fail(no_debugger());
  const std::string filter = arguments.word(0).value_or("");
  auto all = EPIC_TRY(build_tests(context, project));
  std::erase_if(all, [](const TestCase& test) { return test.kind != TestCase::Kind::scenario; });
  const auto scenarios = select_tests(all, filter);
  if (scenarios.empty() && !filter.empty()) return fail(no_such_test(filter, all, "scenario", "epic simulate --list"));
  if (arguments.has("list")) {
    Table table(context.console(), kSimulateListColumns);
    for (const TestCase& scenario : scenarios) table.add(boost::json::object{{"scenario", scenario.name}});
    return ExitCode::ok;
  }
  if (scenarios.empty()) {
    if (context.console().is_json()) Table(context.console(), kSimulateResultColumns).finish();
    context.console().note(fmt::format(
        "{} has no scenarios: write one with EPIC_SCENARIO of <epic/sim.hpp> in tests/*.cpp", project.manifest.name));
    return ExitCode::ok;
  }
  return run_scenarios(context, arguments, scenarios, project.paths, plan);
}

}  // namespace

constexpr Command kSimulateCommand{
    .path = "simulate",
    .group = Group::project,
    .summary = "Run the project's scenarios with faults, over many seeds",
    .description =
        "A scenario is a test that runs the module on several simulated nodes, with crashes, pauses, cut networks and\n"
        "failing disks (EPIC_SCENARIO in <epic/sim.hpp>). The seed decides what goes wrong and when, and the same\n"
        "seed gives the same run. Builds the tests as 'epic test' does, and runs seeds 1 to 1000 of each scenario,\n"
        "each in a process of its own.\n"
        "\n"
        "Stops at the first seed that fails or crashes, and prints what failed, the faults that struck, the history\n"
        "of the entity concerned, and the command that replays that seed. --shrink then leaves out faults until\n"
        "none can be spared. With --gdb, the exit code is that of gdb.",
    .example =
        "epic simulate\nepic simulate transfers --minutes 10\nepic simulate transfers --seed 7 --shrink\n"
        "epic simulate transfers --seed 7 --faults 1,4 --gdb",
    .positionals = kSimulatePositionals,
    .options = kSimulateOptions,
    .exit_codes = kSimulateExitCodes,
    .run = run_simulate,
};

}  // namespace epic::cli
