#include "bench/bench_support.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace epic::bench {

namespace {

double time_once(const Side& side, std::uint64_t count) {
  const auto start = std::chrono::steady_clock::now();
  side.run(count);
  const auto end = std::chrono::steady_clock::now();
  return std::chrono::duration<double, std::nano>(end - start).count() / static_cast<double>(count);
}

Timing summarise(const std::vector<double>& rounds) {
  const auto [fastest, slowest] = std::ranges::minmax(rounds);
  return {.median_ns = percentile(rounds, 0.5), .fastest_ns = fastest, .slowest_ns = slowest};
}

std::vector<std::string> row_of(const std::string& name, const Timing& timing) {
  return {name, format_duration(timing.median_ns), format_duration(timing.fastest_ns),
          format_duration(timing.slowest_ns)};
}

}  // namespace

Outcome compare(const Comparison& comparison) {
  comparison.subject.run(comparison.count);
  comparison.yardstick.run(comparison.count);
  std::vector<double> subject;
  std::vector<double> yardstick;
  for (int round = 0; round < comparison.rounds; ++round) {
    // The order alternates, so that neither side always finds the caches as the other left them.
    if (round % 2 == 0) subject.push_back(time_once(comparison.subject, comparison.count));
    yardstick.push_back(time_once(comparison.yardstick, comparison.count));
    if (round % 2 != 0) subject.push_back(time_once(comparison.subject, comparison.count));
  }
  const Outcome outcome{.subject = summarise(subject),
                        .yardstick = summarise(yardstick),
                        .ratio = percentile(subject, 0.5) / percentile(yardstick, 0.5)};
  print_table({{comparison.title, "median", "fastest", "slowest"},
               row_of(comparison.subject.name, outcome.subject),
               row_of(comparison.yardstick.name, outcome.yardstick),
               {"ratio", fmt::format("{:.2f}", outcome.ratio)}});
  return outcome;
}

Timing measure(const Side& side, std::uint64_t count, int rounds) {
  side.run(count);
  std::vector<double> times;
  for (int round = 0; round < rounds; ++round) times.push_back(time_once(side, count));
  return summarise(times);
}

double percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto index = static_cast<std::size_t>(share * static_cast<double>(values.size() - 1) + 0.5);
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(index));
  return values[index];
}

std::string format_duration(double nanoseconds) {
  if (nanoseconds < 1e3) return fmt::format("{:.1f} ns", nanoseconds);
  if (nanoseconds < 1e6) return fmt::format("{:.1f} us", nanoseconds / 1e3);
  return fmt::format("{:.2f} ms", nanoseconds / 1e6);
}

void print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i == 0 ? fmt::format("{:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
    }
    fmt::print("{}\n", line);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

void print_warnings() {
#ifndef NDEBUG
  fmt::print(stderr, "This is a debug build: configure with `cmake --preset release` for meaningful numbers.\n");
#endif
}

}  // namespace epic::bench
