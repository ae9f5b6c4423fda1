#pragma once
// Paired runs: a measurement means something only beside the barest thing that does the same, in the same minute.
//
// Two sides run by turns in one process, round by round, so that a busy neighbour or a slower clock hits both alike.
// What is printed is each side's median and spread, and the ratio of the medians. There are no limits here: a benchmark
// reports, a person judges.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace epic::bench {

/// One way to do a thing.
struct Side {
  std::string name;
  std::function<void(std::uint64_t count)> run;  // does it `count` times
};

struct Comparison {
  std::string title;
  Side subject;
  Side yardstick;
  std::uint64_t count;  // operations a round; should take milliseconds at least
  int rounds = 15;      // after one that does not count
};

/// Nanoseconds an operation.
struct Timing {
  double median_ns;
  double fastest_ns;
  double slowest_ns;
};

struct Outcome {
  Timing subject;
  Timing yardstick;
  double ratio;  // subject / yardstick, by medians: 2.0 is twice as slow
};

/// Runs, prints a table with the ratio, and returns what was found.
Outcome compare(const Comparison& comparison);

/// The same by one side alone.
Timing measure(const Side& side, std::uint64_t count, int rounds = 15);

/// The value below which `share` (0 … 1) of `values` lie; 0 when there are none.
double percentile(std::vector<double> values, double share);

/// "8.1 ns", "56 us", "1.20 ms".
std::string format_duration(double nanoseconds);

/// Columns that line up; the first to the left, the others to the right.
void print_table(const std::vector<std::vector<std::string>>& rows);

/// Keeps the optimiser from dropping what computes `value`.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// Says on stderr what would make the numbers worthless, such as a debug build.
void print_warnings();

}  // namespace epic::bench
