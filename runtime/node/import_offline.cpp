#include "node/import_offline.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <iostream>
#include <map>
#include <set>
#include <utility>

#include "codec/capnp_codec.hpp"
#include "codec/described_json.hpp"
#include "io/random.hpp"
#include "kernel/kernel.hpp"
#include "kernel/placement_groups.hpp"
#include "node/describe.hpp"
#include "node/import_reader.hpp"
#include "node/module_loader.hpp"
#include "node/no_world.hpp"
#include "protocol/control_entities.hpp"
#include "protocol/json.hpp"
#include "reflect/try.hpp"
#include "storage/grants.hpp"
#include "storage/open_store.hpp"

namespace epic::node {

namespace control = protocol::control;
namespace json = boost::json;
using storage::Store;
using storage::StoreError;

namespace {

constexpr int kImportFailed = 1;

class OfflineImport {
 public:
  /// `store`: null if there is none yet; then it is to be made with this placement.
  OfflineImport(storage::StoreAddress address, std::unique_ptr<Store> store, const kernel::Placement& placement)
      : address_(std::move(address)),
        kernel_({.self = {kernel::NodeId{1}, 1}, .fabric = {}, .placement = placement}, codec_, world_),
        store_(std::move(store)) {}

  std::expected<void, std::string> add(const ModuleInfo& module) { return kernel_.add_module(module); }
  /// Answers one line of stdin; an error ends the process.
  std::expected<control::Import::Answer, std::string> answer(const control::Import::Request& request);

 private:
  /// What a line would do to the stored state.
  struct Change {
    ImportRow row;
    std::string_view outcome;                 // "new", "changed", "removed", "equal", "passed_over"
    kernel::Version version;                  // of what is stored, or was erased
    std::optional<kernel::Version> replaces;  // empty: what is stored is damaged
  };
  [[nodiscard]] Change compare(ImportRow row);
  [[nodiscard]] const kernel::Placement& placement() const { return kernel_.options().placement; }
  std::expected<void, StoreError> take_all();
  std::expected<void, StoreError> commit(std::vector<Change> changes);

  storage::StoreAddress address_;
  codec::CapnpCodec codec_;
  NoWorld world_;
  kernel::Kernel kernel_;
  ImportReader reader_{kernel_.types(), codec_};
  std::unique_ptr<Store> store_;
  std::map<kernel::ShardId, kernel::Epoch> epochs_;  // empty: nothing has been taken
  std::set<kernel::SchemaId> saved_schemas_;
  kernel::CommitNumber last_commit_;
  kernel::Incarnation writer_;
};

std::expected<control::Import::Answer, std::string> OfflineImport::answer(const control::Import::Request& request) {
  const std::size_t ignored_before = reader_.ignored_count();
  const bool must_apply = request.mode == control::Import::Mode::apply;
  if (must_apply && epochs_.empty())
    if (auto taken = take_all(); !taken) return std::unexpected(taken.error().message);
  control::Import::Answer answer;
  std::vector<Change> changes;
  for (const std::string& line : request.lines) {
    std::expected<ImportRow, std::string> row;
    kernel_.enter([&] { row = reader_.read(line); });
    control::Import::Outcome& outcome = answer.outcomes.emplace_back();
    if (!row) {
      outcome.error = row.error();
      continue;
    }
    changes.push_back(compare(std::move(*row)));
    outcome.what = changes.back().outcome;
  }
  if (must_apply)
    if (auto done = commit(std::move(changes)); !done) return std::unexpected(done.error().message);
  answer.ignored_fields = reader_.ignored_count() - ignored_before;
  return answer;
}

OfflineImport::Change OfflineImport::compare(ImportRow row) {
  std::expected<std::optional<storage::Snapshot>, StoreError> stored;
  std::expected<kernel::Version, StoreError> floor;
  if (store_) {
    stored = store_->load(row.type->info->stored_name(), row.key);
    floor = store_->version_floor(placement().shard_of(row.name()));
  }
  const kernel::Version version = stored && *stored ? (*stored)->version : floor.value_or(kernel::Version{0});
  std::string_view outcome = "changed";
  if (stored && !*stored)
    outcome = row.state ? "new" : "equal";
  else if (row.only_if && *row.only_if != version)
    outcome = "passed_over";
  else if (!row.state)
    outcome = "removed";
  else if (stored && (*stored)->schema == row.type->schema.id() && (*stored)->bytes == *row.state)
    outcome = "equal";
  std::optional<kernel::Version> replaces;
  if (stored) replaces = *stored ? version : kernel::Version{0};
  return {.row = std::move(row), .outcome = outcome, .version = version, .replaces = replaces};
}

std::expected<void, StoreError> OfflineImport::take_all() {
  auto store = EPIC_TRY(storage::open_store({.address = address_,
                                             .shard_count = placement().shard_count(),
                                             .groups = placement().groups(),
                                             .mode = storage::OpenMode::create}));
  store_ = std::move(store);
  writer_ = kernel::Incarnation{io::random_id()};
  const auto taken = EPIC_TRY(storage::take_all(*store_, writer_));
  for (const kernel::ShardEpoch& one : taken) epochs_.emplace(one.shard, one.epoch);
  return {};
}

std::expected<void, StoreError> OfflineImport::commit(std::vector<Change> changes) {
  last_commit_ = last_commit_.next();
  kernel::Batch batch{.number = last_commit_, .writer = writer_, .epochs = {}, .schemas = {}, .operations = {}};
  std::set<kernel::ShardId> shards;
  for (Change& change : changes) {
    if (change.outcome == "equal" || change.outcome == "passed_over") continue;
    const kernel::ShardId shard = placement().shard_of(change.row.name());
    const reflect::Schema& schema = change.row.type->schema;
    if (shards.insert(shard).second) batch.epochs.push_back({shard, epochs_.at(shard)});
    if (saved_schemas_.insert(schema.id()).second) batch.schemas.push_back({schema.id(), schema.text()});
    std::string type(change.row.type->info->stored_name());
    if (change.row.state) {
      batch.operations.push_back(kernel::PutSnapshot{.type = std::move(type),
                                                     .key = change.row.key,
                                                     .shard = shard,
                                                     .version = change.version.next(),
                                                     .replaces = change.replaces,
                                                     .schema = schema.id(),
                                                     .bytes = std::move(*change.row.state)});
    } else {
      batch.operations.push_back(kernel::ForgetReminder{{.type = type, .key = change.row.key, .name = {}}, shard});
      batch.operations.push_back(kernel::EraseSnapshot{.type = std::move(type),
                                                       .key = change.row.key,
                                                       .shard = shard,
                                                       .version = change.version.next(),
                                                       .replaces = change.replaces});
    }
  }
  if (batch.operations.empty()) return {};
  EPIC_TRY(store_->commit(batch));
  return store_->wants_maintenance() ? store_->maintain() : std::expected<void, StoreError>();
}

/// Null: there is none.
std::expected<std::unique_ptr<Store>, StoreError> open_to_compare(const storage::StoreAddress& address,
                                                                  std::uint32_t shard_count) {
  auto store =
      storage::open_store({.address = address, .shard_count = shard_count, .mode = storage::OpenMode::read_only});
  if (store || store.error().code != storage::StoreErrorCode::not_found) return store;
  return nullptr;
}

void print(const json::value& line) { std::cout << protocol::print_json(line) << std::endl; }

int fail(const std::string& error, const std::string& hint) {
  print(json::object{{"error", error}, {"hint", hint}});
  return kImportFailed;
}

}  // namespace

int import_offline(const std::filesystem::path& module_path, const storage::StoreAddress& store,
                   std::uint32_t shard_count) {
  const auto module = load_module(module_path);
  if (!module) return fail(module.error().message, module.error().hint);
  auto opened = open_to_compare(store, shard_count);
  if (!opened) return fail(opened.error().message, "");
  const kernel::Placement placement =
      *opened ? (*opened)->identity().placement : kernel::placement_for(**module, shard_count);
  if (auto fits = kernel::check_groups(**module, placement); !fits) return fail(fits.error() + ".", "");
  OfflineImport import(store, *std::move(opened), placement);
  if (auto added = import.add(**module); !added) return fail(added.error(), "fix the module, then run 'epic build'");
  json::value hello = codec::describe_json(describe_module(**module));
  hello.as_object()["shards"] = shard_count;
  print(hello);
  for (std::string text; std::getline(std::cin, text);) {
    const auto request = codec::read_described_text<control::Import::Request>(text);
    if (!request) return fail(request.error(), "");
    const auto answer = import.answer(*request);
    if (!answer) return fail(answer.error(), "");
    print(codec::describe_json(*answer));
  }
  return 0;
}

}  // namespace epic::node
