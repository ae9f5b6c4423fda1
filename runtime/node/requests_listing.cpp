// ls and export: what a node owns, in memory and stored, as streamed answers.
//
// A listing reads current state as it goes. An export is a cut: between two turns the node copies all unsaved state,
// and before it writes anything more, a reader begins at that moment of the store; the answer is of that moment,
// whatever happens later. Only if the reader stays so long that writers would have to wait for it, it moves on to a
// later one.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <map>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "codec/described_json.hpp"
#include "codec/snapshot_json.hpp"
#include "codec/snapshot_readers.hpp"
#include "node/answers.hpp"
#include "node/requests.hpp"
#include "protocol/json.hpp"
#include "protocol/log_line.hpp"

namespace epic::node {

namespace control = protocol::control;
namespace json = boost::json;
using kernel::Activation;

namespace {

/// What the driver's thread hands to the listing thread.
struct Listing {
  storage::ListFilter filter;
  std::uint64_t left;  // of the limit
  std::string node;
  std::int64_t wall_ns;
  bool live_only;
  std::vector<std::pair<std::string, control::Ls::Answer>> live = {};  // by stored name
  std::vector<bool> ours = {};                                         // by shard
  std::function<void(const std::string&)> warn = {};
  codec::ShowName show_name = {};
};

/// False: no more is wanted.
bool send_one(Listing& listing, AnswerStream& stream, const control::Ls::Answer& entity) {
  if (listing.left == 0) return false;
  --listing.left;
  return stream.part(codec::describe_text(entity));
}

void send_listing(Listing& listing, storage::Store& store, AnswerStream& stream) {
  std::ranges::sort(listing.live, {}, &std::pair<std::string, control::Ls::Answer>::first);
  std::unordered_set<std::string_view> live_names;
  for (const auto& [name, entity] : listing.live) {
    live_names.insert(name);
    if (!send_one(listing, stream, entity)) return stream.finish();
  }
  if (listing.live_only || listing.left == 0) return stream.finish();
  const auto listed = store.list(
      listing.filter,
      [&](const storage::Snapshot& snapshot) {
        const std::string name = fmt::format("{}/{}", snapshot.type, snapshot.key);
        const bool is_ours = snapshot.shard.value < listing.ours.size() && listing.ours[snapshot.shard.value];
        if (!is_ours || live_names.contains(name)) return storage::Visit::go_on;
        const auto saved = std::chrono::duration_cast<std::chrono::nanoseconds>(snapshot.saved_at.time_since_epoch());
        const bool is_wanted = send_one(listing, stream,
                                        {.entity = listing.show_name(name),
                                         .state = "stored",
                                         .node = listing.node,
                                         .shard = snapshot.shard.value,
                                         .version = snapshot.version.value,
                                         .bytes = snapshot.bytes.size(),
                                         .age_ms = std::max<std::int64_t>(0, to_ms(listing.wall_ns - saved.count())),
                                         .calls = 0});
        return is_wanted && listing.left > 0 ? storage::Visit::go_on : storage::Visit::stop;
      },
      [&](const storage::StoreError& error) { listing.warn(error.message); });
  if (!listed) return stream.fail(listed.error().message);
  stream.finish();
}

// ---- export ----

/// What one node exports: copies of unsaved state, and the store as of the same moment.
struct Export {
  using Name = std::pair<std::string, std::string>;  // type, key: in the store's order
  struct Unsaved {
    kernel::Version version;
    std::vector<std::byte> bytes;
    std::string problem;     // why there are none
    bool is_erased = false;  // its stored state no longer counts
  };
  storage::ListFilter filter;
  std::string key;  // only this one; empty: all
  std::string node;
  kernel::CommitNumber cut;
  std::vector<bool> ours = {};  // by shard
  std::map<Name, Unsaved> unsaved = {};
  std::vector<std::string> live = {};                   // whole names; equal to what is stored
  std::map<std::string, reflect::Schema> schemas = {};  // of types with unsaved changes
  std::unique_ptr<storage::Store> store = {};           // at one moment, or at later ones if it takes too long
  codec::ShowName show_name = {};
};

codec::SnapshotReaders::FindText find_text_in(storage::Store& store) {
  return [&store](kernel::SchemaId id) -> std::expected<std::optional<std::string>, std::string> {
    auto text = store.schema(id);
    if (!text) return std::unexpected(text.error().message);
    return std::move(*text);
  };
}

class Exporter {
 public:
  Exporter(Export& what, AnswerStream& stream)
      : what_(what),
        stream_(stream),
        readers_(find_text_in(*what.store), what.show_name),
        live_(what.live.begin(), what.live.end()),
        next_(what.unsaved.begin()) {}

  void run() {
    if (!tell({
            .cut = control::ExportCut{.node = what_.node, .commit = what_.cut.value},
        }))
      return stream_.finish();
    const auto listed = what_.store->list(
        what_.filter, [&](const storage::Snapshot& snapshot) { return visit(snapshot); },
        [&](const storage::DamagedRow& row) { send_damage({row.type, row.key}, row.message); });
    what_.store->end_moment();
    if (!listed) {  // without its end no client takes the export for complete
      send_failure(fmt::format("{}: {}", what_.node, listed.error().message));
      return stream_.finish();
    }
    while (is_wanted_ && next_ != what_.unsaved.end()) send_unsaved();
    // This tells the client that nothing is missing.
    control::ExportEnd end{.node = what_.node, .entities = sent_, .moments = moments_};
    for (std::uint32_t i = 0; i < what_.ours.size(); ++i)
      if (what_.ours[i]) end.shards.push_back(i);
    if (is_wanted_) tell({.end = std::move(end)});
    stream_.finish();
  }

 private:
  storage::Visit visit(const storage::Snapshot& snapshot) {
    const bool is_ours = snapshot.shard.value < what_.ours.size() && what_.ours[snapshot.shard.value];
    if (!is_ours || (!what_.key.empty() && snapshot.key != what_.key)) return more();
    Export::Name name{snapshot.type, snapshot.key};
    while (is_wanted_ && next_ != what_.unsaved.end() && next_->first < name) send_unsaved();
    if (next_ != what_.unsaved.end() && next_->first == name) {
      send_unsaved();
      return more();
    }
    if (auto moved_on = what_.store->try_move_on(); !moved_on) {
      send_failure(moved_on.error().message);
      is_wanted_ = false;
      return more();
    } else if (*moved_on) {
      ++moments_;
    }
    const auto reader = readers_.find(snapshot.schema);
    if (!reader) return send_unreadable(name, reader.error()), more();
    auto state = (*reader)->to_json(snapshot.bytes);
    if (!state) return send_unreadable(name, fmt::format("{}: {}", state.error().path, state.error().what)), more();
    send(name,
         {
             .version = snapshot.version.value,
             .schema = hex(snapshot.schema),
             .saved_at = protocol::format_time(snapshot.saved_at),
             .live = live_.contains(name.first + "/" + name.second),
             .unsaved = false,
         },
         std::move(*state));
    return more();
  }

  void send_unsaved() {
    const auto& [name, unsaved] = *next_++;
    if (unsaved.is_erased) return;
    const auto& schema = what_.schemas.at(name.first);
    if (!unsaved.problem.empty()) return send_unreadable(name, unsaved.problem);
    auto state = readers_.get(schema).to_json(unsaved.bytes);
    if (!state) return send_unreadable(name, fmt::format("{}: {}", state.error().path, state.error().what));
    send(name,
         {
             .version = unsaved.version.value,
             .schema = hex(schema.id()),
             .live = true,
             .unsaved = true,
         },
         std::move(*state));
  }

  void send(const Export::Name& name, control::Export::Row row, json::value state) {
    row.entity = what_.show_name(name.first + "/" + name.second);
    row.node = what_.node;
    row.cut = what_.cut.value;
    json::value json = codec::describe_json(row);
    json.as_object()["state"] = std::move(state);
    std::string text = protocol::print_json(json);
    if (text.size() > protocol::kAnswerBytesMax)
      return send_unreadable(name, fmt::format("it has {} bytes as JSON, and a running fabric sends at most {}; "
                                               "'epic snapshot export' without --live reads it from the store",
                                               text.size(), protocol::kAnswerBytesMax));
    ++sent_;
    is_wanted_ = stream_.part(std::move(text));
  }

  void send_unreadable(const Export::Name& name, const std::string& why) {
    send_damage(name, fmt::format("{}/{}: {}", name.first, name.second, why));
  }
  void send_damage(const Export::Name& name, const std::string& what) {
    is_wanted_ = tell({.damaged = what, .damaged_entity = what_.show_name(name.first + "/" + name.second)});
  }
  /// Of more than one row.
  void send_failure(const std::string& what) { is_wanted_ = tell({.damaged = what}); }

  bool tell(const control::Export::Answer& what) { return stream_.part(codec::describe_text(what)); }

  [[nodiscard]] storage::Visit more() const { return is_wanted_ ? storage::Visit::go_on : storage::Visit::stop; }

  Export& what_;
  AnswerStream& stream_;
  codec::SnapshotReaders readers_;
  std::unordered_set<std::string_view> live_;
  std::map<Export::Name, Export::Unsaved>::const_iterator next_;
  std::uint64_t sent_ = 0;
  std::uint64_t moments_ = 1;
  bool is_wanted_ = true;
};

}  // namespace

std::expected<storage::ListFilter, protocol::Answer> Requests::filter_of(std::uint64_t id, const std::string& type_name,
                                                                         const std::string& key_prefix) {
  storage::ListFilter filter{.key_prefix = key_prefix, .limit = UINT64_MAX};
  if (type_name.empty()) return filter;
  kernel::TypeTable& types = engine_.kernel().types();
  if (const auto* type = types.find(type_name)) {
    filter.type = std::string(type->info->stored_name());
    return filter;
  }
  const std::string near = types.nearest_type(type_name);
  return std::unexpected(make_failure(
      id, {.code = ErrorCode::no_such_type,
           .exception_type = {},
           .message = fmt::format("no entity class '{}' in this project's modules{}", type_name,
                                  near.empty() ? std::string() : fmt::format("; did you mean '{}'?", near))}));
}

std::vector<bool> Requests::list_ours() {
  std::vector<bool> ours;
  for (std::uint32_t shard = 0; shard < engine_.kernel().options().placement.shard_count(); ++shard)
    ours.push_back(is_ours(kernel::ShardId{shard}));
  return ours;
}

void Requests::answer(const Asked<control::Ls>& asked) {
  kernel::Kernel& kernel = engine_.kernel();
  auto filter = filter_of(asked.id, asked.request.type, asked.request.prefix);
  if (!filter) return parts_.send(filter.error());
  auto listing = std::make_unique<Listing>(Listing{.filter = std::move(*filter),
                                                   .left = asked.request.limit.value_or(UINT64_MAX),
                                                   .node = node_name(),
                                                   .wall_ns = kernel.wall_ns(),
                                                   .live_only = asked.request.source == "live"});
  for (std::size_t slot = 0; slot < kernel.activations().slot_count(); ++slot) {
    const Activation* activation = kernel.activations().at(slot);
    if (activation == nullptr || activation->entity == nullptr || activation->type->is_internal) continue;
    if (!listing->filter.type.empty() && activation->type->info->stored_name() != listing->filter.type) continue;
    if (!activation->name->key().starts_with(listing->filter.key_prefix)) continue;
    const bool is_local = activation->type->local_max > 0;
    listing->live.emplace_back(
        std::string(activation->name->text),
        control::Ls::Answer{.entity = show_name_(activation->name->text),
                            .state = "live",
                            .node = listing->node,
                            .shard = is_local ? std::nullopt : std::optional(activation->shard.value),
                            .version = activation->version.value,
                            .bytes = activation->state_bytes,
                            .age_ms = to_ms(kernel.now_ns() - activation->last_used_ns),
                            .calls = activation->calls_count});
  }
  listing->ours = list_ours();
  listing->show_name = show_name_;
  listing->warn = [this](const std::string& message) {
    parts_.post([this, message] { engine_.log(kernel::LogLevel::warn, {}, message); });
  };
  streams_.start(asked.id, [listing = std::move(listing), open = parts_.open_reader](AnswerStream& stream) {
    const auto store = open();
    if (!store) return stream.fail(store.error().message);
    send_listing(*listing, **store, stream);
  });
}

void Requests::answer(const Asked<control::Export>& asked) {
  kernel::Kernel& kernel = engine_.kernel();
  auto filter = filter_of(asked.id, asked.request.type, asked.request.key);
  if (!filter) return parts_.send(filter.error());
  auto what = std::make_shared<Export>(
      Export{.filter = std::move(*filter), .key = asked.request.key, .node = node_name(), .cut = kernel.durable()});
  what->ours = list_ours();
  what->show_name = show_name_;
  for (std::size_t slot = 0; slot < kernel.activations().slot_count(); ++slot) {
    Activation* activation = kernel.activations().at(slot);
    if (activation == nullptr || activation->entity == nullptr || !activation->type->is_stored) continue;
    const reflect::EntityInfo& info = *activation->type->info;
    if (!what->filter.type.empty() && info.stored_name() != what->filter.type) continue;
    if (!what->key.empty() && activation->name->key() != what->key) continue;
    if (!kernel.is_unsaved(*activation)) {
      what->live.emplace_back(activation->name->text);
      continue;
    }
    Export::Name name{std::string(info.stored_name()), std::string(activation->name->key())};
    Export::Unsaved unsaved{.version = activation->version,
                            .bytes = {},
                            .problem = {},
                            .is_erased = activation->is_erased || (!activation->has_saved && !activation->is_dirty)};
    try {
      if (!unsaved.is_erased) kernel.codec().encode(info.state, info.object(activation->entity), unsaved.bytes);
      unsaved.is_erased = unsaved.is_erased || (!activation->has_saved && activation->erased_hash() != nullptr &&
                                                *activation->erased_hash() == kernel::hash128(unsaved.bytes));
    } catch (const std::length_error& error) {
      unsaved.problem = error.what();
    }
    what->schemas.try_emplace(name.first, activation->type->schema);
    what->unsaved.emplace(std::move(name), std::move(unsaved));
  }
  engine_.storage().read_at_cut([this, id = asked.id, what](storage::Store&) -> io::StorageWork::Continuation {
    auto store = parts_.open_reader();
    if (store)
      if (auto begun = (*store)->begin_moment(); !begun) store = std::unexpected(begun.error());
    if (!store) {
      parts_.send(make_failure(id, protocol::AnswerStatus::failed, store.error().message));
      return {};
    }
    what->store = *std::move(store);
    return [this, id, what] { streams_.start(id, [what](AnswerStream& stream) { Exporter(*what, stream).run(); }); };
  });
}

}  // namespace epic::node
