#include "bench/store_writers.hpp"

#include <algorithm>
#include <utility>

#include "bench/bench_support.hpp"
#include "storage/open_store.hpp"

namespace epic::bench {

namespace {

/// Each writer has at least one.
std::uint32_t shard_count_of(const WriterLoad& load) {
  return std::max(std::uint32_t{64}, static_cast<std::uint32_t>(load.processes));
}

kernel::Incarnation incarnation_of(int process) { return kernel::Incarnation{static_cast<std::uint64_t>(process) + 1}; }

/// As nodes do: a server that hundreds ask at once keeps some of them waiting for too long.
std::unique_ptr<storage::Store> open_when_possible(const storage::StoreAddress& address, const WriterLoad& load) {
  while (true) {
    auto opened = storage::open_store(
        {.address = address, .shard_count = shard_count_of(load), .mode = storage::OpenMode::create});
    if (opened || !storage::may_be_retried(opened.error().code)) return or_throw(std::move(opened));
  }
}

}  // namespace

storage::PutSnapshot put_of(std::size_t row, kernel::ShardId shard, std::uint64_t version, std::uint64_t replaces,
                            std::string_view bytes) {
  const auto* const begin = reinterpret_cast<const std::byte*>(bytes.data());
  return {.type = "Player",
          .key = "user-" + std::to_string(row),
          .shard = shard,
          .version = kernel::Version{version},
          .replaces = kernel::Version{replaces},
          .schema = kernel::SchemaId{1},
          .bytes = {begin, begin + bytes.size()}};
}

std::vector<storage::ShardEpoch> grant_and_take(storage::Store& store, const std::vector<kernel::ShardId>& shards,
                                                int process) {
  const kernel::NodeId node{static_cast<std::uint16_t>(process + 1)};
  storage::Grants grants{.term = kernel::Term{1}, .map_version = kernel::MapVersion{1}, .list = {}};
  for (const kernel::ShardId shard : shards) grants.list.push_back({shard, node, incarnation_of(process), {}});
  or_throw(store.grant(grants));
  return or_throw(store.take(shards, node, incarnation_of(process)));
}

StoreWriter::StoreWriter(const storage::StoreAddress& address, const WriterLoad& load, int process)
    : load_(load), process_(process), store_(open_when_possible(address, load)) {
  std::vector<kernel::ShardId> mine;
  for (std::uint32_t shard = 0; shard < shard_count_of(load); ++shard)
    if (static_cast<int>(shard) % load.processes == process) mine.push_back(kernel::ShardId{shard});
  epochs_ = grant_and_take(*store_, mine, process);
}

void StoreWriter::commit(int number) {
  if (store_->wants_maintenance()) or_throw(store_->maintain());
  const std::uint64_t version = static_cast<std::uint64_t>(number) + 1;
  storage::Batch batch;
  batch.number = kernel::CommitNumber{version};
  batch.writer = incarnation_of(process_);
  const std::string bytes = content_of(load_, number);
  std::vector<bool> is_touched(epochs_.size());
  for (const std::size_t row : rows_of(load_, process_, number)) {
    const std::size_t mine = row / static_cast<std::size_t>(load_.processes) % epochs_.size();
    const auto before = std::exchange(versions_[row], version);
    batch.operations.emplace_back(put_of(row, epochs_[mine].shard, version, before, bytes));
    is_touched[mine] = true;
  }
  for (std::size_t mine = 0; mine < epochs_.size(); ++mine)
    if (is_touched[mine]) batch.epochs.push_back(epochs_[mine]);
  or_throw(store_->commit(batch));
}

MakeWriter make_store_writers(const storage::StoreAddress& address, const WriterLoad& load) {
  open_when_possible(address, load);  // before hundreds of writers wait for the one that makes the tables
  return [address, load](int process) -> CommitBatch {
    // Shared by the copies of the returned function.
    const auto writer = std::make_shared<StoreWriter>(address, load, process);
    return [writer](int batch) { writer->commit(batch); };
  };
}

}  // namespace epic::bench
