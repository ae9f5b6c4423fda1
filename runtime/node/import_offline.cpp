#include "node/import_offline.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include "codec/capnp_codec.hpp"
#include "kernel/kernel.hpp"
#include "kernel/placement_hash.hpp"
#include "node/answers.hpp"
#include "node/describe.hpp"
#include "node/import_reader.hpp"
#include "node/module_loader.hpp"
#include "protocol/json.hpp"
#include "storage/sqlite_store.hpp"

namespace epic::node {

namespace json = boost::json;
using storage::SqliteStore;
using storage::Store;
using storage::StoreError;

namespace {

constexpr int kExitFailed = 1;

/// Runs no calls; says what constructors log.
class NoWorld final : public kernel::Syscalls {
  void send(const kernel::PeerAddress&, kernel::Message) override {}
  void load(kernel::ActivationId, std::string_view, std::string_view) override {}
  void commit(kernel::Batch) override {}
  void take(std::vector<kernel::ShardId>) override {}
  void released(kernel::ShardId) override {}
  void log(kernel::LogLevel, std::string_view, std::string_view message) override {
    fmt::print(stderr, "{}\n", message);
  }
};

class OfflineImport {
 public:
  OfflineImport(std::filesystem::path store_path, std::uint16_t shard_count)
      : store_path_(std::move(store_path)),
        shard_count_(shard_count),
        kernel_({.self = {kernel::NodeId{1}, 1}, .fabric = {}, .shard_count = shard_count}, codec_, world_) {}

  std::expected<void, std::string> add(const ModuleInfo& module) { return kernel_.add_module(module); }
  /// Reads the store that there is, if there is one.
  std::expected<void, StoreError> open();
  /// To one line of stdin; the error ends it all.
  std::expected<json::object, std::string> answer(const json::object& request);

 private:
  /// What a line would do to what is stored.
  struct Change {
    ImportRow row;
    std::string_view outcome;  // "new", "changed", "removed", "equal", "passed_over"
    kernel::Version version;   // of what is stored
  };
  [[nodiscard]] json::array list_outcomes(const json::array& lines, std::vector<Change>& changes);
  [[nodiscard]] Change compare(ImportRow row);
  std::expected<void, StoreError> take_all();
  std::expected<void, StoreError> commit(std::vector<Change> changes);

  std::filesystem::path store_path_;
  std::uint16_t shard_count_;
  codec::CapnpCodec codec_;
  NoWorld world_;
  kernel::Kernel kernel_;
  ImportReader reader_{kernel_.types(), codec_};
  std::unique_ptr<Store> store_;                     // null: there is none yet
  std::map<kernel::ShardId, kernel::Epoch> epochs_;  // empty: nothing has been taken
  std::set<kernel::SchemaId> saved_schemas_;
  kernel::CommitNumber last_commit_;
};

std::expected<void, StoreError> OfflineImport::open() {
  auto store = SqliteStore::open(store_path_, {.mode = storage::OpenMode::read_only, .shard_count = shard_count_});
  if (store)
    store_ = std::move(*store);
  else if (store.error().code != storage::StoreErrorCode::not_found)
    return std::unexpected(store.error());
  return {};
}

std::expected<json::object, std::string> OfflineImport::answer(const json::object& request) {
  const auto* lines = request.if_contains("lines");
  if (lines == nullptr || !lines->is_array()) return std::unexpected("a request without lines");
  const std::size_t ignored_before = reader_.ignored_count();
  const bool must_apply = text_at(request, "mode") == "apply";
  if (must_apply && epochs_.empty())
    if (auto taken = take_all(); !taken) return std::unexpected(taken.error().message);
  std::vector<Change> changes;
  json::array outcomes = list_outcomes(lines->get_array(), changes);
  if (must_apply)
    if (auto done = commit(std::move(changes)); !done) return std::unexpected(done.error().message);
  return json::object{{"outcomes", std::move(outcomes)}, {"ignored_fields", reader_.ignored_count() - ignored_before}};
}

json::array OfflineImport::list_outcomes(const json::array& lines, std::vector<Change>& changes) {
  json::array outcomes;
  for (const json::value& line : lines) {
    std::expected<ImportRow, std::string> row;
    kernel_.enter(
        [&] { row = reader_.read(line.is_string() ? std::string_view(line.get_string()) : std::string_view()); });
    if (!row) {
      outcomes.emplace_back(json::object{{"error", row.error()}});
      continue;
    }
    changes.push_back(compare(std::move(*row)));
    outcomes.emplace_back(changes.back().outcome);
  }
  return outcomes;
}

OfflineImport::Change OfflineImport::compare(ImportRow row) {
  std::expected<std::optional<storage::Snapshot>, StoreError> stored;
  if (store_) stored = store_->load(row.type->info->stored_name(), row.key);
  const kernel::Version version = stored && *stored ? (*stored)->version : kernel::Version{stored ? 0U : 1U};
  std::string_view outcome = "changed";
  if (stored && !*stored)
    outcome = row.state ? "new" : "equal";
  else if (row.only_if && *row.only_if != version)
    outcome = "passed_over";
  else if (!row.state)
    outcome = "removed";
  else if (stored && (*stored)->schema == row.type->schema.id() && (*stored)->bytes == *row.state)
    outcome = "equal";
  return {.row = std::move(row), .outcome = outcome, .version = version};
}

std::expected<void, StoreError> OfflineImport::take_all() {
  auto store = SqliteStore::open(store_path_, {.mode = storage::OpenMode::create, .shard_count = shard_count_});
  if (!store) return std::unexpected(store.error());
  store_ = std::move(*store);
  std::vector<kernel::ShardId> shards;
  for (std::uint16_t shard = 0; shard < shard_count_; ++shard) shards.push_back(kernel::ShardId{shard});
  const auto taken = store_->take(shards, kernel::NodeId{0}, kernel::Incarnation{0});
  if (!taken) return std::unexpected(taken.error());
  for (const kernel::ShardEpoch& one : *taken) epochs_.emplace(one.shard, one.epoch);
  return {};
}

std::expected<void, StoreError> OfflineImport::commit(std::vector<Change> changes) {
  last_commit_ = last_commit_.next();
  kernel::Batch batch{.number = last_commit_, .epochs = {}, .schemas = {}, .writes = {}};
  std::set<kernel::ShardId> shards;
  for (Change& change : changes) {
    if (change.outcome == "equal" || change.outcome == "passed_over") continue;
    const kernel::ShardId shard = kernel::shard_of(change.row.name(), shard_count_);
    const reflect::Schema& schema = change.row.type->schema;
    if (shards.insert(shard).second) batch.epochs.push_back({shard, epochs_.at(shard)});
    if (saved_schemas_.insert(schema.id()).second) batch.schemas.push_back({schema.id(), schema.text()});
    batch.writes.push_back({.type = std::string(change.row.type->info->stored_name()),
                            .key = change.row.key,
                            .shard = shard,
                            .version = change.version.next(),
                            .schema = schema.id(),
                            .bytes = std::move(change.row.state)});
  }
  if (batch.writes.empty()) return {};
  if (auto committed = store_->commit(batch); !committed) return committed;
  return store_->wants_maintenance() ? store_->maintain() : std::expected<void, StoreError>();
}

void print(const json::object& line) { std::cout << protocol::print_json(line) << std::endl; }

int fail(const std::string& error, const std::string& hint) {
  print({{"error", error}, {"hint", hint}});
  return kExitFailed;
}

}  // namespace

int import_offline(const std::filesystem::path& module_path, const std::filesystem::path& store,
                   std::uint16_t shard_count) {
  const auto module = load_module(module_path);
  if (!module) return fail(module.error().message, module.error().hint);
  OfflineImport import(store, shard_count);
  if (auto added = import.add(**module); !added) return fail(added.error(), "mend the module, then run 'epic build'");
  if (auto opened = import.open(); !opened) return fail(opened.error().message, "");
  json::object described = describe_module(**module);
  print({{"shards", shard_count}, {"types", std::move(described["types"])}});
  for (std::string text; std::getline(std::cin, text);) {
    const auto request = protocol::parse_json(text);
    if (!request || !request->is_object()) return fail("a line that is not a JSON object", "");
    const auto answer = import.answer(request->get_object());
    if (!answer) return fail(answer.error(), "");
    print(*answer);
  }
  return 0;
}

}  // namespace epic::node
