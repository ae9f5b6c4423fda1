#include "node/node.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "epic/version.hpp"
#include "io/clock.hpp"
#include "io/resident.hpp"
#include "kernel/assert.hpp"
#include "kernel/errors.hpp"
#include "node/crash_handler.hpp"
#include "node/module_loader.hpp"
#include "storage/open_store.hpp"

namespace epic::node {

namespace {

using namespace std::chrono_literals;

constexpr int kExitStopped = 0;
constexpr int kExitFailed = 1;
constexpr int kExitDied = 74;  // EX_IOERR: the store can no longer be relied on
constexpr auto kFlushPatience = 500ms;

/// For a failed assert: which entity this thread was running.
std::string describe_current() {
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  if (kernel == nullptr) return "outside of the kernel";
  std::string text = fmt::format("node-{}, turn {}", kernel->options().self.node, kernel->stats().turns);
  if (const kernel::Record* record = kernel->current(); record != nullptr && record->callee)
    text += fmt::format(", entity {}", kernel->types().shown(record->callee->text));
  return text;
}

storage::StoreConfig store_config(const protocol::Configure& configure, storage::OpenMode mode) {
  return {.kind = configure.store_kind,
          .location = configure.store_path,
          .shard_count = configure.shard_count,
          .mode = mode};
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

std::string store_hint(storage::StoreErrorCode code) {
  switch (code) {
    case storage::StoreErrorCode::incompatible:
      return "Start the fabric as the store was made.";
    case storage::StoreErrorCode::full:
      return "Make room on the disk.";
    default:
      return "Run 'epic doctor' to look at the store.";
  }
}

}  // namespace

Node::Node(int channel, int log) : log_(log) {
  channel_ = std::make_unique<io::SupervisionChannel>(
      channel, io::SupervisionChannel::Handlers{
                   .on_message = [this](protocol::ToNode message) { on_channel_message(std::move(message)); },
                   .on_beat = [this] { return beat(); },
                   .on_closed = [this](const std::string& why) { on_channel_closed(why); }});
}

Node::~Node() { requests_.reset(); }  // its threads use the channel

// ---- the channel's thread ----

void Node::on_channel_message(protocol::ToNode message) {
  {
    const std::lock_guard lock(mutex_);
    if (!driver_) {
      early_.push_back(std::move(message));
      arrived_.notify_one();
      return;
    }
  }
  driver_->post([this, message = std::move(message)]() mutable { handle(std::move(message)); });
}

protocol::Heartbeat Node::beat() {
  protocol::Heartbeat heartbeat;
  heartbeat.turn_in_progress = std::chrono::nanoseconds(watch_->look(io::monotonic_ns()));
  const std::lock_guard lock(mutex_);
  if (driver_) heartbeat.counters = driver_->gauges().counters();
  heartbeat.counters.resident_bytes = io::resident_bytes();
  if (!driver_) return heartbeat;
  if (auto blocked = driver_->gauges().blocked(); !blocked.reason.empty()) {
    heartbeat.store_blocked = std::move(blocked.reason);
    heartbeat.store_blocked_for = std::chrono::nanoseconds(io::monotonic_ns() - blocked.since_ns);
  }
  return heartbeat;
}

/// The supervisor has ended, so nothing tells us which shards we own. Acknowledged results are durable.
void Node::on_channel_closed(const std::string& why) {
  if (!is_finishing_) log_.write(protocol::LogLevel::error, {}, why + ": this node ends");
  std::_Exit(kExitFailed);
}

void Node::die(const std::string& why) {
  log_.write(protocol::LogLevel::error, {}, why + ". Nothing unconfirmed has left this node; it ends now");
  log_.flush_within(kFlushPatience);
  std::_Exit(kExitDied);
}

// ---- from the first message to readiness ----

int Node::run() {
  const protocol::Configure configure = wait_for_configure();
  if (!start(configure)) {
    is_finishing_ = true;
    channel_->flush_within(kFlushPatience);
    log_.flush_within(kFlushPatience);
    return kExitFailed;
  }
  driver_->run([this] { return is_done(); });
  const int code = finish();
  driver_->storage().close();  // first: it may be at work for a request
  requests_.reset();
  std::_Exit(code);  // entities are saved and need not be destroyed one by one: there may be millions
}

protocol::Configure Node::wait_for_configure() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return !early_.empty(); });
    if (const auto* configure = std::get_if<protocol::Configure>(&early_.front())) {
      protocol::Configure first = *configure;
      early_.erase(early_.begin());
      return first;
    }
    early_.erase(early_.begin());  // it knows nothing yet that the message could be about
  }
}

/// The supervisor also writes it into this node's log.
void Node::refuse_to_start(const std::string& message, const std::string& hint) {
  channel_->send(protocol::StartFailed{message, hint});
}

bool Node::start(const protocol::Configure& configure) {
  kernel::set_assert_context(&describe_current);
  protocol::CrashReport* crash_report = nullptr;
  if (!configure.crash_memory.empty()) {
    const auto installed = install_crash_handler(configure.crash_memory);
    crash_report = installed.value_or(nullptr);
    if (!installed)
      log_.write(protocol::LogLevel::warn, {}, "A crash of this node will not name its entity: " + installed.error());
  }
  log_.set_lowest(io::parse_log_level(configure.options.log_level));
  watch_ = std::make_unique<io::TurnWatch>(
      configure.options.turn_report.count(),
      [this](const std::string& stored_name, const std::string& method, std::int64_t turn_ns) {
        const std::lock_guard lock(mutex_);
        const std::string entity = driver_ ? driver_->kernel().types().shown(stored_name) : stored_name;
        log_.write(protocol::LogLevel::warn, entity,
                   fmt::format("a turn{} has lasted {} ms and goes on; nothing else runs on this node meanwhile",
                               method.empty() ? "" : " of " + method, turn_ns / 1'000'000));
      },
      crash_report);
  channel_->start_beating(configure.options.heartbeat);

  std::error_code error;
  std::filesystem::current_path(configure.project_directory, error);
  if (error) {
    refuse_to_start(
        fmt::format("cannot enter the project's directory {}: {}", configure.project_directory, error.message()), {});
    return false;
  }
  const auto module = load_module(configure.module_path);
  if (!module) {
    refuse_to_start(module.error().message, module.error().hint);
    return false;
  }
  module_ = *module;
  auto store = storage::open_store(store_config(configure, storage::OpenMode::create));
  if (!store) {
    refuse_to_start(store.error().message, store_hint(store.error().code));
    return false;
  }
  if (const auto from = (*store)->identity().migrated_from)
    log_.write(protocol::LogLevel::info, {},
               fmt::format("The store was migrated from format {} to {}.", *from, (*store)->identity().format_version));
  storage::Store::OpenReader open_reader = (*store)->reader_opener();
  auto driver = std::make_unique<io::Driver>(
      kernel::KernelOptions{
          .self = {configure.node, configure.incarnation.value},
          .fabric = configure.fabric_id,
          .shard_count = configure.shard_count,
          .call_patience = configure.options.call_deadline,
          .idle_age = configure.options.idle_age,
          .grace = configure.options.grace,
          .memory_budget_bytes = configure.options.memory_budget_bytes,
          .log_level = static_cast<kernel::LogLevel>(io::parse_log_level(configure.options.log_level))},
      codec_, std::move(*store), log_, *watch_,
      io::DriverEvents{.on_taken =
                           [this](const std::vector<kernel::ShardEpoch>& epochs) {
                             protocol::Taken taken{.map_version = taking_for_};
                             for (const auto& [shard, epoch] : epochs) taken.shards.push_back({shard, epoch});
                             channel_->send(taken);
                           },
                       .on_released =
                           [this](kernel::ShardId shard) {
                             const auto asked = std::ranges::find(
                                 releasing_, shard, &std::pair<kernel::ShardId, kernel::MapVersion>::first);
                             if (asked == releasing_.end()) return;
                             channel_->send(protocol::Released{shard, asked->second});
                             releasing_.erase(asked);
                           },
                       .on_fatal = [this](const std::string& why) { die(why); }});
  if (auto added = driver->kernel().add_module(*module_); !added) {
    refuse_to_start(added.error(), "Fix the module, then run 'epic build'.");
    return false;
  }
  if (auto opened = driver->open(configure.socket_path); !opened) {
    refuse_to_start(opened.error(), "Is the directory there, and may it be written?");
    return false;
  }
  requests_ = std::make_unique<Requests>(
      *driver, [this](const protocol::Answer& answer) { channel_->send(answer); }, std::move(open_reader));
  channel_->send(protocol::Ready{.pid = ::getpid(),
                                 .version = EPIC_VERSION_TEXT,
                                 .abi_tag = EPIC_ABI_TAG,
                                 .renamed_types = renamed_types(driver->kernel().types())});

  const std::lock_guard lock(mutex_);
  driver_ = std::move(driver);
  for (protocol::ToNode& message : std::exchange(early_, {}))
    driver_->post([this, message = std::move(message)]() mutable { handle(std::move(message)); });
  return true;
}

// ---- requests of the supervisor ----

void Node::handle(protocol::ToNode message) {
  std::visit([this](auto& one) { handle(std::move(one)); }, message);
}

void Node::handle(kernel::ShardMap map) {
  if (map.version <= driver_->kernel().routing().version()) return;
  if (map.owners.size() != driver_->kernel().options().shard_count) {
    log_.write(protocol::LogLevel::error, {},
               fmt::format("a map of {} shards was ignored: there are {}", map.owners.size(),
                           driver_->kernel().options().shard_count));
    return;
  }
  taking_for_ = map.version;
  if (!driver_->on_shard_map(std::move(map))) channel_->send(protocol::Taken{.map_version = taking_for_});
}

void Node::handle(const protocol::Release& release) {
  std::vector<kernel::ShardId> ours;
  for (const kernel::ShardId shard : release.shards) {
    if (shard.value >= driver_->kernel().options().shard_count) continue;
    if (driver_->kernel().routing().is_active(shard)) {
      releasing_.emplace_back(shard, release.map_version);
      ours.push_back(shard);
    } else {
      channel_->send(protocol::Released{shard, release.map_version});
    }
  }
  driver_->kernel().on_release(ours, release.announced_ago);
}

void Node::handle(const protocol::AnnounceStop&) { driver_->kernel().on_stop_announced(); }

void Node::handle(const protocol::RunSetup&) {
  driver_->kernel().submit_task(kernel::run_setup(module_->setup), "setup", [this](kernel::Record& ended) {
    std::string error;
    if (ended.failure)
      error = kernel::describe_failure(ended.failure).message;
    else if (const auto thrown = ended.thrown()) {
      const kernel::ErrorPart part = kernel::describe_thrown(thrown);
      error = fmt::format("{}: {}", part.exception_type, part.message);
    }
    channel_->send(protocol::SetupDone{error});
  });
}

void Node::handle(const protocol::Request& request) { requests_->handle(request); }
void Node::handle(const protocol::GoOn& go_on) { requests_->handle(go_on); }

void Node::handle(const protocol::Leave&) { is_leaving_ = true; }

void Node::handle(const protocol::Quarantined& quarantined) {
  std::map<std::string, kernel::Quarantined, std::less<>> entities;
  for (const auto& [entity, deaths, left] : quarantined.entities)
    entities[entity] = {.deaths = deaths, .until_ns = driver_->kernel().now_ns() + left.count()};
  driver_->kernel().set_quarantined(std::move(entities));
}

void Node::handle(const protocol::Stop& stop) {
  if (std::exchange(is_stopping_, true)) return;
  const std::int64_t now_ns = io::monotonic_ns();
  abort_at_ns_ = now_ns + stop.grace.count() / 5 * 4;
  give_up_at_ns_ = now_ns + stop.grace.count();
  driver_->wake_at(abort_at_ns_);
  driver_->kernel().on_drain();
}

/// Once per tick.
bool Node::is_done() {
  requests_->on_tick();
  if (!is_stopping_) return false;
  const std::int64_t now_ns = driver_->kernel().now_ns();
  const bool is_drained = driver_->kernel().is_drained();
  if (is_drained && (is_leaving_ || now_ns >= abort_at_ns_)) return true;
  if (std::exchange(is_drained_told_, is_drained) != is_drained) channel_->send(protocol::Drained{is_drained});
  if (is_drained) return false;
  if (!is_aborted_ && now_ns >= abort_at_ns_) {
    is_aborted_ = true;
    driver_->wake_at(give_up_at_ns_);
    driver_->kernel().abort_running("its node stops, and its time to end is over");
  }
  return now_ns >= give_up_at_ns_;
}

/// Sends the answers; then nothing of this node is left.
int Node::finish() {
  const bool is_drained = driver_->kernel().is_drained();
  if (!is_drained)
    log_.write(protocol::LogLevel::error, {},
               fmt::format("not all was saved within the grace: {} entities were still active",
                           driver_->kernel().stats().entities_to_stop));
  if (is_drained)
    driver_->part_within(kFlushPatience);
  else
    driver_->flush_within(kFlushPatience);
  is_finishing_ = true;
  channel_->flush_within(kFlushPatience);
  log_.flush_within(kFlushPatience);
  return is_drained ? kExitStopped : kExitFailed;
}

}  // namespace epic::node
