#include "bench/writers.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <stdexcept>
#include <string>

#include "bench/bench_support.hpp"
#include "support/child.hpp"

namespace epic::bench {

namespace {

using Clock = std::chrono::steady_clock;

void run_writer(const WriterLoad& load, const CommitBatch& commit, int start, const test::Reporter& reporter) {
  reporter.line("ready");
  char end_of_file = 0;
  while (::read(start, &end_of_file, 1) > 0) {
  }
  std::vector<double> times;
  times.reserve(static_cast<std::size_t>(load.batches));
  for (int batch = 0; batch < load.batches; ++batch) {
    const auto before = Clock::now();
    commit(batch);
    times.push_back(std::chrono::duration<double, std::nano>(Clock::now() - before).count());
  }
  reporter.line("done");
  for (const double time : times) reporter.line(fmt::format("{}", time));
}

void expect(test::Child& writer, const std::string& expected) {
  const auto line = writer.read_line();
  if (line != expected) throw std::runtime_error(line.value_or("a writer ended early"));
}

}  // namespace

std::vector<std::size_t> rows_of(const WriterLoad& load, int process, int batch) {
  std::mt19937_64 random(static_cast<std::uint64_t>(process) << 32 | static_cast<std::uint64_t>(batch));
  const auto share = load.entities / static_cast<std::size_t>(load.processes);
  if (share < load.rows_per_batch) throw std::runtime_error("a writer has fewer entities than rows in a batch");
  std::vector<std::size_t> rows;
  std::vector<bool> is_taken(share);
  rows.reserve(load.rows_per_batch);
  // Neighbours in the list belong to different processes, like entities of different shards.
  while (rows.size() < load.rows_per_batch) {
    const std::size_t one = random() % share;
    if (is_taken[one]) continue;
    is_taken[one] = true;
    rows.push_back(one * static_cast<std::size_t>(load.processes) + static_cast<std::size_t>(process));
  }
  return rows;
}

std::string content_of(const WriterLoad& load, int batch) {
  std::minstd_rand random(static_cast<std::uint32_t>(batch) + 1);
  std::string bytes(load.row_bytes, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() >> 8);
  return bytes;
}

WriterResult run_writers(const WriterLoad& load, const MakeWriter& make_writer) {
  int start[2];
  if (::pipe(start) != 0) throw std::runtime_error("cannot create a pipe to start the writers");
  std::vector<test::Child> writers;
  for (int process = 0; process < load.processes; ++process) {
    writers.emplace_back([&, process](const test::Reporter& reporter) {
      ::close(start[1]);
      run_writer(load, make_writer(process), start[0], reporter);
    });
  }
  for (auto& writer : writers) expect(writer, "ready");
  const auto before = Clock::now();
  ::close(start[1]);
  for (auto& writer : writers) expect(writer, "done");
  const double seconds = std::chrono::duration<double>(Clock::now() - before).count();
  ::close(start[0]);

  std::vector<double> times;
  for (auto& writer : writers) {
    while (const auto line = writer.read_line()) times.push_back(std::stod(*line));
  }
  const double rows = static_cast<double>(load.processes) * load.batches * static_cast<double>(load.rows_per_batch);
  return {.rows_per_second = rows / seconds,
          .batch_p50_ns = percentile(times, 0.5),
          .batch_p99_ns = percentile(times, 0.99)};
}

}  // namespace epic::bench
