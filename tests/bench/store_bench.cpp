// SqliteStore against bare SQLite: durable batches from several processes, and reading one snapshot.

#include "storage/sqlite_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <unordered_map>
#include <utility>

#include "bench/bare_sqlite.hpp"
#include "bench/bench_support.hpp"
#include "storage/open_store.hpp"
#include "support/temp_dir.hpp"

using namespace epic::bench;
using namespace epic::storage;
using epic::kernel::ShardId;
using epic::test::TempDir;

namespace {

constexpr std::uint32_t kShards = 64;
constexpr int kRounds = 5;

std::string key_of(std::size_t row) { return fmt::format("user-{}", row); }
ShardId shard_of(std::size_t row) { return ShardId{static_cast<std::uint32_t>(row % kShards)}; }

template <class T>
T or_throw(std::expected<T, StoreError> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

PutSnapshot put_of(const WriterLoad& load, std::size_t row, ShardId shard, int version, std::uint64_t replaces) {
  return {.type = "Player",
          .key = key_of(row),
          .shard = shard,
          .version = epic::kernel::Version{static_cast<std::uint64_t>(version)},
          .replaces = epic::kernel::Version{replaces},
          .schema = epic::kernel::SchemaId{1},
          .bytes = std::vector<std::byte>(load.row_bytes, static_cast<std::byte>('a' + version % 26))};
}

/// A shard map in one line: they are all this process's.
std::vector<ShardEpoch> take(Store& store, std::vector<ShardId> shards, int process) {
  const epic::kernel::NodeId node{static_cast<std::uint16_t>(process + 1)};
  const epic::kernel::Incarnation incarnation{static_cast<std::uint64_t>(process) + 1};
  Grants grants{.term = epic::kernel::Term{1}, .map_version = epic::kernel::MapVersion{1}, .list = {}};
  for (const ShardId shard : shards) grants.list.push_back({shard, node, incarnation, {}});
  or_throw(store.grant(grants));
  return or_throw(store.take(shards, node, incarnation));
}

/// A miniature of a node's storage workers.
class StoreWriter {
 public:
  StoreWriter(const std::filesystem::path& file, const WriterLoad& load, int process)
      : load_(load),
        process_(process),
        store_(or_throw(SqliteStore::open(file, {.mode = OpenMode::create, .shard_count = kShards}))) {
    std::vector<ShardId> mine;
    for (std::uint32_t shard = 0; shard < kShards; ++shard) {
      if (static_cast<int>(shard) % load.processes == process) mine.push_back(ShardId{shard});
    }
    epochs_ = take(*store_, mine, process);
  }

  void commit(int number) {
    if (store_->wants_maintenance()) or_throw(store_->maintain());
    Batch batch;
    batch.number = epic::kernel::CommitNumber{static_cast<std::uint64_t>(number) + 1};
    batch.writer = epic::kernel::Incarnation{static_cast<std::uint64_t>(process_) + 1};
    std::vector<bool> is_touched(kShards);
    for (const std::size_t row : rows_of(load_, process_, number)) {
      const auto before = std::exchange(versions_[row], static_cast<std::uint64_t>(number) + 1);
      batch.operations.push_back(put_of(load_, row, shard_of(row), number + 1, before));
      is_touched[shard_of(row).value] = true;
    }
    for (const ShardEpoch& held : epochs_)
      if (is_touched[held.shard.value]) batch.epochs.push_back(held);
    or_throw(store_->commit(batch));
  }

 private:
  WriterLoad load_;
  int process_;
  std::unique_ptr<SqliteStore> store_;
  std::vector<ShardEpoch> epochs_;
  std::unordered_map<std::size_t, std::uint64_t> versions_;  // by row
};

MakeWriter make_store_writers(const std::filesystem::path& file, const WriterLoad& load) {
  return [file, load](int process) -> CommitBatch {
    // Shared by the copies of the returned function.
    const auto writer = std::make_shared<StoreWriter>(file, load, process);
    return [writer](int batch) { writer->commit(batch); };
  };
}

void compare_writers(const WriterLoad& load) {
  std::vector<WriterResult> store;
  std::vector<WriterResult> bare;
  for (int round = 0; round < kRounds; ++round) {
    const TempDir directory;
    store.push_back(run_writers(load, make_store_writers(directory.path() / "store.sqlite", load)));
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
  const auto store = or_throw(SqliteStore::open(directory.file(), {.mode = OpenMode::create, .shard_count = kShards}));
  const ShardId shard{0};
  Batch batch;
  batch.writer = epic::kernel::Incarnation{1};
  batch.epochs = take(*store, {shard}, 0);
  for (std::size_t row = 0; row < load.entities; ++row) batch.operations.push_back(put_of(load, row, shard, 1, 0));
  or_throw(store->commit(batch));

  const auto read_all = [&load](const auto& read) {
    return [&load, read](std::uint64_t count) {
      std::mt19937_64 random(1);
      for (std::uint64_t i = 0; i < count; ++i) read(random() % load.entities);
    };
  };
  compare({.title = "read one of 10,000 snapshots",
           .subject = {"SqliteStore::load",
                       read_all([&store](std::size_t row) { keep(or_throw(store->load("Player", key_of(row)))); })},
           .yardstick = {"bare SQLite", read_all([&bare](std::size_t row) { keep(bare.read(row)); })},
           .count = 10'000});
}

}  // namespace

int main() {
  print_warnings();
  stop_counting_memory();  // like nodes; the writers of both sides are children of this process
  for (const std::size_t rows : {1, 16, 64, 256}) compare_writers({.rows_per_batch = rows});
  for (const std::size_t bytes : {500, 2'000, 20'000}) compare_writers({.rows_per_batch = 8, .row_bytes = bytes});
  compare_readers();
}
