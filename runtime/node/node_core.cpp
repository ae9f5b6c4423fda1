#include "node/node_core.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>

#include "epic/version.hpp"
#include "io/log_sink.hpp"
#include "kernel/errors.hpp"
#include "kernel/placement_groups.hpp"

namespace epic::node {

namespace {

/// Opens a reader for each page, as `epic ls` does for its answer: it may be read by several threads at once.
kernel::StoredKeys list_stored_keys(const storage::Store::OpenReader& open_reader,
                                    const kernel::StoredKeysQuery& query) {
  kernel::StoredKeys found;
  const auto store = open_reader();
  if (!store) return {.keys = {}, .error = store.error().message};
  const auto listed = (*store)->list(
      {.type = query.type, .key_prefix = query.prefix, .after_key = query.after},
      [&](const storage::Snapshot& snapshot) {
        if (snapshot.shard.value < query.shards.size() && query.shards[snapshot.shard.value])
          found.keys.emplace_back(snapshot.key, snapshot.shard);
        return found.keys.size() < query.limit ? storage::Visit::go_on : storage::Visit::stop;
      },
      [](const storage::DamagedRow&) {});  // `epic ls` reports those
  if (!listed) found.error = listed.error().message;
  return found;
}

kernel::KernelOptions kernel_options(const protocol::Configure& configure, const NodeWorld& world) {
  return {
      .self = {configure.node, configure.incarnation.value},
      .fabric = configure.fabric_id,
      .placement = world.placement,
      .call_timeout = configure.options.call_deadline,
      .idle_age = configure.options.idle_age,
      .grace = configure.options.grace,
      .memory_budget_bytes = configure.options.memory_budget_bytes,
      .blocking_max = configure.options.blocking_threads + configure.options.blocking_queue,
      .has_shared_store = !configure.store_path.empty(),
      .log_level = static_cast<kernel::LogLevel>(io::parse_log_level(configure.options.log_level)),
      .list_stored_keys = [open_reader = world.open_reader](
                              const kernel::StoredKeysQuery& query) { return list_stored_keys(open_reader, query); },
      .running = world.running};
}

std::vector<protocol::RenamedType> renamed_types(const kernel::TypeTable& types) {
  std::vector<protocol::RenamedType> renamed;
  for (const auto& type : types.all()) {
    const std::string stored_name(type->info->stored_name());
    if (type->info->type_name != stored_name) renamed.push_back({std::string(type->info->type_name), stored_name});
    for (const std::string_view former : type->info->former_names)
      if (former != stored_name) renamed.push_back({std::string(former), stored_name});
  }
  return renamed;
}

}  // namespace

NodeCore::NodeCore(const protocol::Configure& configure, const ModuleInfo& module, NodeWorld world)
    : module_(module),
      world_(std::move(world)),
      address_(configure.socket_path),
      place_(configure.place),
      engine_(kernel_options(configure, world_), configure.has_lease ? io::LeaseMode::leased : io::LeaseMode::none,
              world_.engine, engine_events()),
      answers_(engine_.lease(), world_.send),
      requests_(engine_, {.send = [this](const protocol::Answer& answer) { answers_.send(answer); },
                          .post =
                              [this](std::function<void()> work) {
                                world_.post([this, work = std::move(work)] {
                                  engine_.touch_time();
                                  work();
                                });
                              },
                          .open_reader = world_.open_reader,
                          .make_work = world_.make_work}) {}

io::EngineEvents NodeCore::engine_events() {
  return {.on_taken =
              [this](const std::vector<kernel::ShardEpoch>& epochs) {
                protocol::Taken taken{.map_version = map_.version};
                for (const auto& [shard, epoch] : epochs) taken.shards.push_back({shard, epoch});
                world_.send(taken);
              },
          .on_released = [this](kernel::ShardId shard) { on_released(shard); },
          .on_fatal =
              [this](const storage::StoreError& error) {
                if (storage::ends_fabric(error.code))
                  world_.send(protocol::StartFailed{.message = error.message, .hint = {}, .ends_fabric = true});
                world_.die(error.message);
              },
          .on_log = [this](kernel::LogLevel level, std::string_view entity,
                           std::string_view message) { world_.log(level, entity, message); }};
}

std::expected<void, protocol::StartFailed> NodeCore::open(pid_t process) {
  if (auto fits = kernel::check_groups(module_, engine_.kernel().options().placement); !fits)
    return std::unexpected(protocol::StartFailed{fits.error() + ".", {}});
  if (auto added = engine_.kernel().add_module(module_); !added)
    return std::unexpected(protocol::StartFailed{added.error(), "Fix the module, then run 'epic build'."});
  if (auto opened = engine_.open(address_); !opened)
    return std::unexpected(protocol::StartFailed{opened.error(), "Is the directory there, and may it be written?"});
  protocol::Ready ready{.pid = process,
                        .version = EPIC_VERSION_TEXT,
                        .abi_tag = EPIC_ABI_TAG,
                        .renamed_types = renamed_types(engine_.kernel().types()),
                        .groups = engine_.kernel().options().placement.groups(),
                        .speaks = protocol::kSpoken};
  if (!place_.tcp.host.empty()) {
    const auto port = engine_.listen_at(place_.tcp);
    if (!port)
      return std::unexpected(
          protocol::StartFailed{"This node cannot be reached from other machines: " + port.error(),
                                "Correct what [cluster] in epic.toml says about this machine's address and secret."});
    ready.host = place_.tcp.host;
    ready.port = *port;
  }
  world_.send(ready);
  return {};
}

protocol::Heartbeat NodeCore::beat() const {
  protocol::Heartbeat heartbeat;
  heartbeat.counters = engine_.gauges().counters();
  if (auto blocked = engine_.gauges().blocked(); !blocked.reason.empty()) {
    heartbeat.store_blocked = std::move(blocked.reason);
    heartbeat.store_blocked_for = std::chrono::nanoseconds(world_.engine.clock.monotonic_ns() - blocked.since_ns);
  }
  return heartbeat;
}

// ---- what the supervisor says ----

void NodeCore::handle(protocol::ToNode message) {
  engine_.touch_time();
  std::visit([this](auto& one) { handle(std::move(one)); }, message);
}

void NodeCore::handle(const protocol::Lease& lease) {
  engine_.on_lease(io::BootTime(lease.valid_until));
  answers_.on_renewed();
}

void NodeCore::handle(kernel::ShardMap map) {
  if (map.version <= map_.version) return;
  if (map.owners.size() != engine_.kernel().options().placement.shard_count()) {
    world_.log(kernel::LogLevel::error, {},
               fmt::format("a map of {} shards was ignored: there are {}", map.owners.size(),
                           engine_.kernel().options().placement.shard_count()));
    return;
  }
  map_ = std::move(map);
  engine_.on_shard_map(map_);
}

void NodeCore::handle(const protocol::MapChange& change) {
  if (change.version <= map_.version) return;
  auto map = protocol::apply_map_change(map_, change);
  if (map) return handle(std::move(*map));
  world_.log(kernel::LogLevel::debug, {}, fmt::format("map {} was not taken in: {}", change.version, map.error()));
  world_.send(protocol::MapWanted{map_.version});
}

void NodeCore::handle(const protocol::Release& release) {
  std::vector<kernel::ShardId> ours;
  for (const kernel::ShardId shard : release.shards) {
    if (shard.value >= engine_.kernel().options().placement.shard_count()) continue;
    if (engine_.kernel().routing().is_active(shard)) {
      releasing_.emplace_back(shard, release.map_version);
      ours.push_back(shard);
    } else {
      world_.send(protocol::Released{shard, release.map_version});
    }
  }
  engine_.kernel().on_release(ours, release.announced_ago);
}

void NodeCore::on_released(kernel::ShardId shard) {
  const auto asked = std::ranges::find(releasing_, shard, &std::pair<kernel::ShardId, kernel::MapVersion>::first);
  if (asked == releasing_.end()) return;
  world_.send(protocol::Released{shard, asked->second});
  releasing_.erase(asked);
}

void NodeCore::handle(const protocol::AnnounceStop&) { engine_.kernel().on_stop_announced(); }

void NodeCore::handle(const protocol::RunSetup&) {
  engine_.kernel().submit_task(kernel::run_setup(module_.setup), "setup", [this](kernel::Record& ended) {
    std::string error;
    if (ended.failure)
      error = kernel::describe_failure(ended.failure).message;
    else if (const auto thrown = ended.thrown()) {
      const kernel::ErrorPart part = kernel::describe_thrown(thrown);
      error = fmt::format("{}: {}", part.exception_type, part.message);
    }
    answers_.send(protocol::SetupDone{error});
  });
}

void NodeCore::handle(const protocol::Request& request) { requests_.handle(request); }
void NodeCore::handle(const protocol::GoOn& go_on) { requests_.handle(go_on); }

void NodeCore::handle(const protocol::Leave&) { is_leaving_ = true; }

void NodeCore::handle(const protocol::Quarantined& quarantined) {
  std::map<std::string, kernel::Quarantined, std::less<>> entities;
  for (const auto& [entity, deaths, left] : quarantined.entities)
    entities[entity] = {.deaths = deaths, .until_ns = engine_.kernel().now_ns() + left.count()};
  engine_.kernel().set_quarantined(std::move(entities));
}

void NodeCore::handle(const protocol::Stop& stop) {
  if (std::exchange(is_stopping_, true)) return;
  const std::int64_t now_ns = engine_.kernel().now_ns();
  abort_at_ns_ = now_ns + stop.grace.count() / 5 * 4;
  give_up_at_ns_ = now_ns + stop.grace.count();
  engine_.wake_at(abort_at_ns_);
  engine_.kernel().on_drain();
}

/// Once per tick.
bool NodeCore::is_done() {
  if (!is_stopping_) return false;
  const std::int64_t now_ns = engine_.kernel().now_ns();
  // A function that still runs may have effects, so it gets the same time, though nobody waits for it.
  const bool is_blocking = engine_.kernel().blocking().count() > 0 && now_ns < abort_at_ns_;
  const bool is_drained = engine_.kernel().is_drained() && !is_blocking;
  if (is_drained && (is_leaving_ || now_ns >= abort_at_ns_)) return true;
  if (std::exchange(is_drained_told_, is_drained) != is_drained) world_.send(protocol::Drained{is_drained});
  if (is_drained) return false;
  if (!is_aborted_ && now_ns >= abort_at_ns_) {
    is_aborted_ = true;
    engine_.wake_at(give_up_at_ns_);
    engine_.kernel().abort_running("its node is stopping, and the grace for running calls is over");
  }
  return now_ns >= give_up_at_ns_;
}

bool NodeCore::is_drained() {
  if (engine_.kernel().is_drained()) return true;
  world_.log(kernel::LogLevel::error, {},
             fmt::format("not everything ended and was saved within the grace; entities still active: {}",
                         engine_.kernel().stats().entities_to_stop));
  return false;
}

}  // namespace epic::node
