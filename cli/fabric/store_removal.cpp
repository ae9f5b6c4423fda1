#include "cli/fabric/store_removal.hpp"

#include <map>
#include <set>

#include "cli/fabric/snapshot_file.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "codec/described_json.hpp"
#include "io/random.hpp"
#include "storage/grants.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace {

constexpr std::size_t kGroupLines = 2048;

class StoreRemoval final : public ImportTarget {
 public:
  StoreRemoval(HeldProject lock, std::unique_ptr<storage::Store> store, Catalog names)
      : lock_(std::move(lock)), store_(std::move(store)), names_(std::move(names)) {}

  [[nodiscard]] std::uint32_t part_of(const EntityName&) const override { return 0; }
  [[nodiscard]] std::size_t group_lines_max() const override { return kGroupLines; }
  [[nodiscard]] std::string_view words() const override { return "the store (no fabric runs)"; }

  Result<ImportAnswer> send(ImportMode mode, std::uint32_t, const std::vector<std::string>& lines) override {
    if (mode == ImportMode::apply && epochs_.empty())
      if (auto taken = take_all(); !taken) return fail(failure_of(taken.error()));
    ImportAnswer answer;
    last_commit_ = last_commit_.next();
    kernel::Batch batch{.number = last_commit_, .writer = writer_, .epochs = {}, .schemas = {}, .operations = {}};
    std::set<kernel::ShardId> shards;
    for (const std::string& line : lines) {
      const auto name = entity_of_row(line);
      answer.outcomes.push_back({.what = {}, .error = name ? "" : name.error()});
      if (!name) continue;
      const std::string type = names_.stored_name(name->type);
      const auto stored = store_->load(type, name->key);
      if (!stored && stored.error().code != storage::StoreErrorCode::corrupt) return fail(failure_of(stored.error()));
      std::string& what = answer.outcomes.back().what;
      what = stored && !*stored                                       ? "equal"
             : stored && !has_version(line, (*stored)->version.value) ? "passed_over"
                                                                      : "removed";
      if (what != "removed" || mode == ImportMode::check) continue;
      // A damaged row does not record its shard; any shard will do for its removal, because all of them are ours.
      const kernel::ShardId shard = stored ? (*stored)->shard : kernel::ShardId{0};
      if (shards.insert(shard).second) batch.epochs.push_back({shard, epochs_.at(shard)});
      batch.operations.push_back(kernel::ForgetReminder{{.type = type, .key = name->key, .name = {}}, shard});
      kernel::EraseSnapshot erase{.type = type, .key = name->key, .shard = shard, .version = {}, .replaces = {}};
      if (stored) {
        erase.version = (*stored)->version.next();
        erase.replaces = (*stored)->version;
      }
      batch.operations.push_back(std::move(erase));
    }
    if (!batch.operations.empty())
      if (auto done = store_->commit(batch); !done) return fail(failure_of(done.error()));
    return answer;
  }

 private:
  static bool has_version(const std::string& line, std::uint64_t version) {
    const auto read = codec::read_described_text<protocol::control::Import::Line>(line);
    return !read || !read->version || *read->version == version;
  }
  std::expected<void, storage::StoreError> take_all() {
    writer_ = kernel::Incarnation{io::random_id()};
    const auto taken = EPIC_TRY(storage::take_all(*store_, writer_));
    for (const kernel::ShardEpoch& one : taken) epochs_.emplace(one.shard, one.epoch);
    return {};
  }

  HeldProject lock_;  // destroyed after the store
  std::unique_ptr<storage::Store> store_;
  Catalog names_;
  std::map<kernel::ShardId, kernel::Epoch> epochs_;
  kernel::CommitNumber last_commit_;
  kernel::Incarnation writer_;
};

}  // namespace

Result<std::unique_ptr<ImportTarget>> open_store_removal(const ProjectPaths& paths) {
  EPIC_TRY(StoredFabric::open(paths));
  auto lock = EPIC_TRY(lock_project(paths));
  auto store = storage::open_store({.address = paths.store, .mode = storage::OpenMode::existing});
  if (!store) return fail(failure_of(store.error()));
  return std::make_unique<StoreRemoval>(std::move(lock), std::move(*store), names_of_build(paths));
}

}  // namespace epic::cli
