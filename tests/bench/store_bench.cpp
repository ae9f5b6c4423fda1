// SqliteStore against bare SQLite: durable batches from several processes, and reading one snapshot.

#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

#include <random>
#include <string>

#include "bench/bare_sqlite.hpp"
#include "bench/bench_support.hpp"
#include "bench/store_writers.hpp"
#include "storage/open_store.hpp"
#include "support/temp_dir.hpp"

using namespace epic::bench;
using namespace epic::storage;
using epic::kernel::ShardId;
using epic::test::TempDir;

namespace {

constexpr int kRounds = 5;

void compare_writers(const WriterLoad& load) {
  std::vector<WriterResult> store;
  std::vector<WriterResult> bare;
  for (int round = 0; round < kRounds; ++round) {
    const TempDir directory;
    store.push_back(run_writers(load, make_store_writers(locate_store("sqlite", directory.path()), load)));
    bare.push_back(run_writers(load, make_bare_sqlite_writers(directory.path() / "bare.sqlite", load)));
  }
  const auto median = [](const std::vector<WriterResult>& results, double WriterResult::* part) {
    std::vector<double> values;
    for (const WriterResult& result : results) values.push_back(result.*part);
    return percentile(values, 0.5);
  };
  const auto row = [&](const std::string& name, const std::vector<WriterResult>& results) {
    return std::vector<std::string>{name, fmt::format("{:.0f}", median(results, &WriterResult::rows_per_second)),
                                    format_duration(median(results, &WriterResult::batch_p50_ns)),
                                    format_duration(median(results, &WriterResult::batch_p99_ns))};
  };
  const double ratio = median(store, &WriterResult::rows_per_second) / median(bare, &WriterResult::rows_per_second);
  print_table(
      {{fmt::format("{} processes, {} rows of {} bytes a batch", load.processes, load.rows_per_batch, load.row_bytes),
        "rows/s", "batch p50", "batch p99"},
       row("SqliteStore", store),
       row("bare SQLite", bare),
       {"ratio of rows/s", fmt::format("{:.2f}", ratio)}});
}

void compare_readers() {
  WriterLoad load;
  load.processes = 1;
  load.entities = 10'000;
  const TempDir directory;
  BareSqliteReader bare(directory.path() / "bare.sqlite", load);
  const auto store = or_throw(SqliteStore::open(directory.file(), {.mode = OpenMode::create, .shard_count = 64}));
  const ShardId shard{0};
  Batch batch;
  batch.writer = epic::kernel::Incarnation{1};
  batch.epochs = grant_and_take(*store, {shard}, 0);
  const std::string bytes = content_of(load, 0);
  for (std::size_t row = 0; row < load.entities; ++row) batch.operations.emplace_back(put_of(row, shard, 1, 0, bytes));
  or_throw(store->commit(batch));

  const auto read_all = [&load](const auto& read) {
    return [&load, read](std::uint64_t count) {
      std::mt19937_64 random(1);
      for (std::uint64_t i = 0; i < count; ++i) read(random() % load.entities);
    };
  };
  compare({.title = "read one of 10,000 snapshots",
           .subject = {"SqliteStore::load", read_all([&store](std::size_t row) {
                         keep(or_throw(store->load("Player", "user-" + std::to_string(row))));
                       })},
           .yardstick = {"bare SQLite", read_all([&bare](std::size_t row) { keep(bare.read(row)); })},
           .count = 10'000});
}

}  // namespace

int main() {
  print_warnings();
  stop_counting_memory();  // like nodes; the writers of both sides are children of this process
  for (const std::size_t rows : {1, 16, 64, 256}) compare_writers({.rows_per_batch = rows, .entities = 4'000});
  for (const std::size_t bytes : {500, 2'000, 20'000}) compare_writers({.rows_per_batch = 8, .row_bytes = bytes});
  compare_readers();
}
