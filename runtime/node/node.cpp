#include "node/node.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "io/clock.hpp"
#include "io/last_words.hpp"
#include "io/resident.hpp"
#include "kernel/assert.hpp"
#include "kernel/placement_groups.hpp"
#include "node/crash_handler.hpp"
#include "node/module_loader.hpp"
#include "storage/open_store.hpp"

namespace epic::node {

namespace {

using namespace std::chrono_literals;

constexpr int kExitStopped = 0;
constexpr int kExitFailed = 1;
constexpr int kExitDied = 74;  // EX_IOERR: the store can no longer be relied on
constexpr auto kFlushTimeout = 500ms;

/// For a failed assert: which entity this thread was running.
std::string describe_current() {
  const kernel::Kernel* kernel = kernel::Kernel::current_kernel();
  if (kernel == nullptr) return "outside of the kernel";
  std::string text = fmt::format("node-{}, turn {}", kernel->options().self.node, kernel->turns_count());
  if (const kernel::Record* record = kernel->current(); record != nullptr && record->callee)
    text += fmt::format(", entity {}", kernel->types().shown(record->callee->text));
  return text;
}

storage::StoreConfig store_config(const protocol::Configure& configure, kernel::PlacementGroups groups) {
  return {.address = {.kind = configure.store_kind,
                      .location = configure.store_path,
                      .directory = std::filesystem::path(configure.project_directory) / ".epic"},
          .shard_count = configure.shard_count,
          .groups = std::move(groups),
          .mode = storage::OpenMode::create,
          .is_of_fabric = true};
}

/// Where the nodes' sockets are.
std::filesystem::path run_directory(const protocol::Configure& configure) {
  return std::filesystem::path(configure.socket_path).parent_path();
}

std::string store_hint(storage::StoreErrorCode code) {
  switch (code) {
    case storage::StoreErrorCode::incompatible:
    case storage::StoreErrorCode::marked:
      return "";  // the message says what to do
    case storage::StoreErrorCode::full:
      return "Make room on the disk.";
    default:
      return "Run 'epic doctor' to look at the store.";
  }
}

/// A function of epic::blocking runs on this thread, or has ended: for the report of a crash.
void lend_thread(const detail::BlockingWork* work) {
  if (work == nullptr)
    own_thread({}, {});
  else
    own_thread(work->entity, work->method);
}

}  // namespace

Node::Node(int channel, int log) : log_(log) {
  channel_ = std::make_unique<io::SupervisionChannel>(
      channel, io::SupervisionChannel::Handlers{
                   .on_message = [this](protocol::ToNode message) { on_channel_message(std::move(message)); },
                   .on_beat = [this] { return beat(); },
                   .on_closed = [this](const std::string& why) { on_channel_closed(why); }});
}

Node::~Node() { core_.reset(); }  // its threads use the channel

// ---- the channel's thread ----

void Node::on_channel_message(protocol::ToNode message) {
  {
    const std::lock_guard lock(mutex_);
    if (!core_) {
      early_.push_back(std::move(message));
      arrived_.notify_one();
      return;
    }
  }
  driver_->post([this, message = std::move(message)]() mutable { core_->handle(std::move(message)); });
}

protocol::Heartbeat Node::beat() {
  protocol::Heartbeat heartbeat;
  std::uint64_t ended_turns = 0;
  {
    const std::lock_guard lock(mutex_);
    if (core_) heartbeat = core_->beat();
    if (core_) ended_turns = core_->engine().kernel().turns_count();
  }
  const std::chrono::nanoseconds turn(watch_->look(io::monotonic_ns(), ended_turns));
  heartbeat.turn_in_progress = turn;
  heartbeat.counters.resident_bytes = io::resident_bytes();
  return heartbeat;
}

/// The supervisor has ended, so nothing tells us which shards we own. Acknowledged results are durable.
void Node::on_channel_closed(const std::string& why) {
  if (!is_finishing_) log_.write(protocol::LogLevel::error, {}, why + ": this node ends");
  std::_Exit(kExitFailed);
}

void Node::die(const std::string& why) {
  log_.write(protocol::LogLevel::error, {}, why + ". Nothing unconfirmed has left this node; it ends now");
  log_.flush_within(kFlushTimeout);
  channel_->flush_within(kFlushTimeout);  // why, if it concerns the fabric
  std::_Exit(kExitDied);
}

// ---- from the first message to readiness ----

int Node::run() {
  const protocol::Configure configure = wait_for_configure();
  if (const auto started = start(configure); !started) {
    channel_->send(started.error());  // the supervisor also writes it into this node's log
    is_finishing_ = true;
    channel_->flush_within(kFlushTimeout);
    log_.flush_within(kFlushTimeout);
    return kExitFailed;
  }
  driver_->run(core_->engine(), [this] { return core_->is_done(); });
  const int code = finish();
  driver_->storage().close();
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

std::expected<void, protocol::StartFailed> Node::start(const protocol::Configure& configure) {
  kernel::set_assert_context(&describe_current);
  protocol::CrashReport* crash_report = nullptr;
  if (!configure.crash_memory.empty()) {
    const auto installed = install_crash_handler(
        configure.crash_memory, io::last_words_of(run_directory(configure), configure.node), configure.incarnation);
    crash_report = installed.value_or(nullptr);
    if (crash_report != nullptr) log_.count_in(crash_report->unwritten_lines);
    if (!installed)
      log_.write(protocol::LogLevel::warn, {}, "A crash of this node will not name its entity: " + installed.error());
  }
  log_.set_lowest(io::parse_log_level(configure.options.log_level));
  watch_ = std::make_unique<io::TurnWatch>(
      configure.options.turn_report.count(),
      [this](const std::string& stored_name, const std::string& method, std::int64_t turn_ns) {
        const std::lock_guard lock(mutex_);
        const std::string entity = core_ ? core_->engine().kernel().types().shown(stored_name) : stored_name;
        log_.write(protocol::LogLevel::warn, entity,
                   fmt::format("a turn{} has lasted {} ms and goes on; nothing else runs on this node meanwhile",
                               method.empty() ? "" : " of " + method, turn_ns / 1'000'000));
      },
      crash_report);
  channel_->start_beating(configure.options.heartbeat);
  place_ = configure.place;

  std::error_code error;
  std::filesystem::current_path(configure.project_directory, error);
  if (error)
    return std::unexpected(protocol::StartFailed{
        fmt::format("cannot enter the project's directory {}: {}", configure.project_directory, error.message()), {}});
  const auto module = load_module(configure.module_path);
  if (!module) return std::unexpected(protocol::StartFailed{module.error().message, module.error().hint});
  auto groups = kernel::groups_of(**module);
  if (!groups) return std::unexpected(protocol::StartFailed{groups.error(), "Fix the module, then run 'epic build'."});
  auto store = storage::open_store(store_config(configure, *std::move(groups)));
  if (!store)
    return std::unexpected(protocol::StartFailed{.message = store.error().message,
                                                 .hint = store_hint(store.error().code),
                                                 .ends_fabric = storage::ends_fabric(store.error().code)});
  if (const auto from = (*store)->identity().migrated_from)
    log_.write(protocol::LogLevel::info, {},
               fmt::format("The store was migrated from format {} to {}.", *from, (*store)->identity().format_version));
  kernel::Placement placement = (*store)->identity().placement;
  storage::Store::OpenReader open_reader = (*store)->reader_opener();
  files_ = std::make_unique<io::NodeFiles>(configure.options.files_folder);
  driver_ = std::make_unique<io::Driver>(
      std::move(*store),
      io::BlockingOptions{
          .threads_max = configure.options.blocking_threads, .files = files_.get(), .on_owner = &lend_thread},
      log_);
  auto core = std::make_unique<NodeCore>(configure, **module,
                                         world(configure, std::move(placement), std::move(open_reader),
                                               crash_report == nullptr ? nullptr : &crash_report->running));
  if (auto opened = core->open(::getpid()); !opened) return opened;

  const std::lock_guard lock(mutex_);
  core_ = std::move(core);
  for (protocol::ToNode& message : std::exchange(early_, {}))
    driver_->post([this, message = std::move(message)]() mutable { core_->handle(std::move(message)); });
  return {};
}

NodeWorld Node::world(const protocol::Configure& configure, kernel::Placement placement,
                      storage::Store::OpenReader open_reader, kernel::RunningPage* running) {
  return {
      .engine = {.codec = codec_,
                 .clock = io::kSystemClock,
                 .turns = watch_->counter(),
                 .storage = driver_->storage(),
                 .blocking = driver_->blocking(),
                 .make_transport =
                     [this](transport::TransportEvents events) {
                       return driver_->make_transport(std::move(events), place_);
                     },
                 .read_last_words = [run = run_directory(configure)](
                                        const kernel::PeerAddress& dead) { return io::read_last_words(run, dead); }},
      .send = [this](const protocol::FromNode& message) { channel_->send(message); },
      .log =
          [this](kernel::LogLevel level, std::string_view entity, std::string_view message) {
            log_.write(static_cast<protocol::LogLevel>(level), entity, message);
            driver_->note_log();
          },
      .die = [this](const std::string& why) { die(why); },
      .post = [this](std::function<void()> work) { driver_->post(std::move(work)); },
      .placement = std::move(placement),
      .open_reader = std::move(open_reader),
      .make_work =
          [](std::unique_ptr<storage::Store> store, std::function<void()> wake) {
            return std::make_unique<io::StorageWorkers>(std::move(store), std::move(wake));
          },
      .running = running};
}

/// Sends the answers; then nothing of this node is left.
int Node::finish() {
  const bool is_drained = core_->is_drained();
  if (is_drained)
    driver_->part_within(core_->engine(), kFlushTimeout);
  else
    driver_->flush_within(core_->engine(), kFlushTimeout);
  is_finishing_ = true;
  channel_->flush_within(kFlushTimeout);
  log_.flush_within(kFlushTimeout);
  return is_drained ? kExitStopped : kExitFailed;
}

}  // namespace epic::node
