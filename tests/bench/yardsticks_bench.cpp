// What the machine can do without epic: the yardsticks of the other benchmarks.

#include <fmt/format.h>

#include "bench/bare_coroutine.hpp"
#include "bench/bare_socket.hpp"
#include "bench/bare_sqlite.hpp"
#include "bench/bench_support.hpp"
#include "support/temp_dir.hpp"

using namespace epic::bench;

int main() {
  print_warnings();
  std::vector<std::vector<std::string>> rows{{"yardstick", "median", "fastest", "slowest"}};
  const auto add = [&rows](const Side& side, std::uint64_t count) {
    const Timing timing = measure(side, count);
    rows.push_back({side.name, format_duration(timing.median_ns), format_duration(timing.fastest_ns),
                    format_duration(timing.slowest_ns)});
  };
  add({"coroutine call", [](std::uint64_t count) { keep(run_bare_coroutine_calls(count)); }}, 1'000'000);
  BareSocketEcho echo;
  add({"64-byte round trip over a UNIX socket",
       [&echo](std::uint64_t count) {
         for (std::uint64_t i = 0; i < count; ++i) echo.round_trip();
       }},
      2'000);
  print_table(rows);

  const WriterLoad load;
  const epic::test::TempDir directory;
  const WriterResult result = run_writers(load, make_bare_sqlite_writers(directory.file(), load));
  print_table({{"durable rows on SQLite", "rows/s", "batch p50", "batch p99"},
               {fmt::format("{} processes, {} rows per batch", load.processes, load.rows_per_batch),
                fmt::format("{:.0f}", result.rows_per_second), format_duration(result.batch_p50_ns),
                format_duration(result.batch_p99_ns)}});
}
