#pragma once
// Paired runs: a measurement means something only next to the simplest program that does the same, at the same time.
//
// Two sides run alternately in one process, round by round, so that a busy neighbour or a slower clock affects both.
// The output is the median and spread of each side, and the ratio of the medians. There are no limits here: a benchmark
// reports, a person judges.

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace epic::bench {

/// One side of a comparison.
struct Side {
  std::string name;
  std::function<void(std::uint64_t count)> run;  // does it `count` times
};

struct Comparison {
  std::string title;
  Side subject;
  Side yardstick;
  std::uint64_t count;  // operations per round; should take milliseconds at least
  int rounds = 15;      // after one that is not counted
};

/// Nanoseconds per operation.
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

/// Runs both sides, prints a table with the ratio, and returns the result.
Outcome compare(const Comparison& comparison);

/// The same for one side alone.
Timing measure(const Side& side, std::uint64_t count, int rounds = 15);

/// The value below which `share` (0 … 1) of `values` lie; 0 if there are none.
double percentile(std::vector<double> values, double share);

/// "8.1 ns", "56 us", "1.20 ms".
std::string format_duration(double nanoseconds);

/// Aligned columns; the first to the left, the others to the right.
void print_table(const std::vector<std::vector<std::string>>& rows);

/// Keeps the optimiser from removing the computation of `value`.
template <class T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// The value; throws std::runtime_error with the error's message.
template <class T, class Error>
T or_throw(std::expected<T, Error> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// Prints on stderr what would make the numbers worthless, such as a debug build.
void print_warnings();

}  // namespace epic::bench
