// epic_cluster_sweep [--seeds N] [--first S] [--every K] [--jobs J] [--keep-going] [--faults 1,4,7]: runs the cluster
// scenario over many seeds, each in a process of its own, and prints what it found. --every 8: only each eighth, which
// are of one kind. --faults: only these of each schedule.
//
// Exit codes: 0 no violation; 1 some; 2 usage.

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>
#include <vector>

#include <atomic>
#include <mutex>

#include "sim/cluster_scenario.hpp"

namespace {

using epic::test::ClusterResult;

struct Sweep {
  std::uint64_t first = 1;
  std::uint64_t seeds = 100;
  std::uint64_t every = 1;
  unsigned jobs = std::thread::hardware_concurrency();
  bool must_keep_going = false;
  std::vector<std::size_t> faults;  // empty: all
};

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
  std::uint64_t events = 0;
  std::uint64_t calls = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t faults = 0;
  std::uint64_t digest = 0;  // over all, in any order
  std::int64_t simulated_ms = 0;
  std::uint64_t calls_min = UINT64_MAX;
  std::uint64_t faults_min = UINT64_MAX;
};

void print_failure(std::uint64_t seed, const ClusterResult& result) {
  fmt::print("seed {}:\n", seed);
  for (const std::string& violation : result.violations) fmt::print("  {}\n", violation);
  for (const std::string& fault : result.faults) fmt::print("    {}\n", fault);
  fmt::print("  log of the last supervisor:\n");
  for (const std::string& line : result.log) fmt::print("    {}\n", line);
  std::fflush(stdout);
}

void add(Totals& totals, const ClusterResult& result) {
  ++totals.seeds;
  totals.failed += result.violations.empty() ? 0 : 1;
  totals.events += result.events;
  totals.calls += result.calls;
  totals.acknowledged += result.acknowledged;
  totals.faults += result.faults.size();
  totals.digest ^= result.digest;
  totals.simulated_ms += result.simulated_ms;
  totals.calls_min = std::min(totals.calls_min, result.calls);
  totals.faults_min = std::min<std::uint64_t>(totals.faults_min, result.faults.size());
}

int run(const Sweep& sweep) {
  std::mutex mutex;
  std::atomic<std::uint64_t> begun_seeds{0};
  std::atomic<bool> must_end{false};
  Totals totals;
  const auto begun = std::chrono::steady_clock::now();
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < sweep.jobs; ++i)
    threads.emplace_back([&] {
      for (std::uint64_t number = begun_seeds++; number < sweep.seeds && !must_end; number = begun_seeds++) {
        const std::uint64_t seed = sweep.first + number * sweep.every;
        const ClusterResult result = epic::test::run_cluster_apart({.seed = seed, .faults = sweep.faults});
        const std::lock_guard lock(mutex);
        add(totals, result);
        if (result.violations.empty()) continue;
        print_failure(seed, result);
        if (!sweep.must_keep_going) must_end = true;
      }
    });
  threads.clear();
  const double wall_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  const double simulated_s = static_cast<double>(totals.simulated_ms) / 1e3;
  fmt::print(
      "{} seeds, {} with violations; {:.1f} hours simulated in {:.0f} s ({:.0f} times as fast); {} events, {} calls "
      "(at least "
      "{} a seed), {} acknowledged, {} faults (at least {} a seed); digest {:016x}\n",
      totals.seeds, totals.failed, simulated_s / 3600, wall_s, simulated_s / wall_s, totals.events, totals.calls,
      totals.calls_min, totals.acknowledged, totals.faults, totals.faults_min, totals.digest);
  return totals.failed == 0 ? 0 : 1;
}

template <class Number>
bool read_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool read_numbers(std::string_view text, std::vector<std::size_t>& numbers) {
  while (true) {
    const std::size_t comma = text.find(',');
    if (!read_number(text.substr(0, comma), numbers.emplace_back())) return false;
    if (comma == std::string_view::npos) return true;
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Sweep sweep;
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool has_value = i + 1 < words.size();
    const bool is_read = words[i] == "--keep-going"            ? (sweep.must_keep_going = true)
                         : words[i] == "--seeds" && has_value  ? read_number(words[++i], sweep.seeds)
                         : words[i] == "--first" && has_value  ? read_number(words[++i], sweep.first)
                         : words[i] == "--every" && has_value  ? read_number(words[++i], sweep.every)
                         : words[i] == "--faults" && has_value ? read_numbers(words[++i], sweep.faults)
                         : words[i] == "--jobs" && has_value   ? read_number(words[++i], sweep.jobs)
                                                               : false;
    if (is_read) continue;
    fmt::print(stderr,
               "usage: epic_cluster_sweep [--seeds N] [--first S] [--every K] [--jobs J] [--keep-going] "
               "[--faults 1,4,7]\n");
    return 2;
  }
  return run(sweep);
}
