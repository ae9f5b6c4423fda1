#include "cluster/sim/sim_node.hpp"

#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "kernel/assert.hpp"
#include "transport/peers.hpp"

namespace epic::cluster::sim {

namespace {

using namespace std::chrono_literals;

constexpr nanoseconds kPartTimeout = 500ms;
constexpr int kExitStopped = 0;
constexpr int kExitFailed = 1;
constexpr int kExitDied = 74;
constexpr int kTicksMax = 100'000;  // in one event: more is a loop

}  // namespace

SimNode::SimNode(const NodeSurroundings& surroundings, std::int64_t drift_ppm, Events events)
    : Process(surroundings.world, drift_ppm), surroundings_(surroundings), events_(std::move(events)) {}

SimNode::~SimNode() {
  core_.reset();
  surroundings_.network.on_process_gone(process_id());
}

// ---- the channel ----

void SimNode::hear(std::vector<std::byte> bytes) {
  const auto room = incoming_.prepare(bytes.size());
  std::ranges::copy(bytes, room.begin());
  incoming_.commit(bytes.size());
  while (true) {
    const auto frame = incoming_.next();
    EPIC_ASSERT(frame.has_value(), "the supervisor sent garbage: {}", frame.error().what);
    if (!*frame) return;
    auto message = reader_.read(**frame);
    EPIC_ASSERT(message.has_value(), "the supervisor sent a bad message: {}", message.error().what);
    obey(std::move(*message));
  }
}

void SimNode::obey(protocol::ToNode message) {
  if (phase_ == Phase::running) return core_->handle(std::move(message));
  if (phase_ != Phase::waiting) return;
  if (is_configured_) {
    early_.push_back(std::move(message));
  } else if (const auto* configure = std::get_if<protocol::Configure>(&message)) {
    is_configured_ = true;
    beat(configure->options.heartbeat);
    after(world().draw_delay(surroundings_.start_delay_max), fingerprint_of("start", configure->node.value),
          [this, configure = *configure] { start(configure); });
  }
}

void SimNode::say(const protocol::FromNode& message) {
  std::vector<std::byte> bytes;
  writer_.append(message, bytes);
  events_.on_said(std::move(bytes));
}

void SimNode::log(kernel::LogLevel level, std::string_view entity, std::string_view message) {
  if (surroundings_.on_log) surroundings_.on_log(level, entity, message);
  events_.on_log(level, entity, message);
}

void SimNode::beat(nanoseconds interval) {
  if (phase_ == Phase::ended) return;
  say(core_ == nullptr ? protocol::Heartbeat{} : core_->beat());
  beside(interval, fingerprint_of("beat"), [this, interval] { beat(interval); });
}

// ---- its life ----

void SimNode::start(const protocol::Configure& configure) {
  const ModuleInfo* module = surroundings_.find_module(configure.module_path);
  if (module == nullptr) {
    say(protocol::StartFailed{"the simulated module cannot be loaded", {}});
    return end(kExitFailed);
  }
  auto store = surroundings_.disk.open();
  if (!store) {
    say(protocol::StartFailed{
        .message = store.error().message, .hint = {}, .ends_fabric = storage::ends_fabric(store.error().code)});
    return end(kExitFailed);
  }
  kernel::Placement placement = (*store)->identity().placement;
  auto open_reader = (*store)->reader_opener();
  storage_ = std::make_unique<io::StorageWork>(std::move(*store), clock(), [] {});
  blocking_ = std::make_unique<SimBlocking>(*this, surroundings_.disk.files(), configure.options.blocking_threads,
                                            surroundings_.blocking_delay_max);
  core_ = std::make_unique<node::NodeCore>(
      configure, *module,
      node::NodeWorld{
          .engine = {.codec = codec_,
                     .clock = clock(),
                     .turns = turn_counter_,
                     .storage = *storage_,
                     .blocking = *blocking_,
                     .make_transport =
                         [this, place = Place{configure.node.value}](transport::TransportEvents events) {
                           return std::make_unique<transport::Peers>(surroundings_.network.make_medium(*this, place),
                                                                     std::move(events));
                         }},
          .send = [this](const protocol::FromNode& message) { say(message); },
          .log = [this](kernel::LogLevel level, std::string_view entity,
                        std::string_view message) { log(level, entity, message); },
          .die =
              [this](const std::string& why) {
                log(kernel::LogLevel::error, {}, why);
                end(kExitDied);
              },
          .post =
              [this](std::function<void()> work) { after(nanoseconds(1), fingerprint_of("posted"), std::move(work)); },
          .placement = std::move(placement),
          .open_reader = std::move(open_reader),
          .make_work = [](std::unique_ptr<storage::Store>, std::function<void()>) -> std::unique_ptr<io::StorageWork> {
            EPIC_ASSERT(false, "no request of a simulation reads the store");
          }});
  phase_ = Phase::running;
  if (auto opened = core_->open(static_cast<pid_t>(process_id())); !opened) {
    say(opened.error());
    return end(kExitFailed);
  }
  for (protocol::ToNode& message : std::exchange(early_, {})) core_->handle(std::move(message));
}

void SimNode::wake() {
  if (core_ != nullptr) core_->engine().begin_tick();
}

std::int64_t SimNode::sleep() {
  if (phase_ == Phase::running) tick();
  if (phase_ == Phase::parting) part();
  if (phase_ == Phase::ended || core_ == nullptr) return INT64_MAX;
  work_on_storage();
  if (phase_ == Phase::parting)
    return std::min(part_until_ns_, core_->engine().transport().next_timer_ns().value_or(INT64_MAX));
  std::int64_t until_ns = core_->engine().next_wake_ns();
  if (!is_writing_ && syncing_count_ < io::StorageWork::kWorkersMax)
    until_ns = std::min(until_ns, std::chrono::nanoseconds(storage_->next_due().time_since_epoch()).count());
  return until_ns;
}

void SimNode::tick() {
  for (int i = 0; phase_ == Phase::running; ++i) {
    EPIC_ASSERT(i < kTicksMax, "a simulated node never comes to rest");
    core_->engine().tick();
    if (phase_ != Phase::running) return;
    if (core_->is_done()) {
      is_drained_ = core_->is_drained();
      phase_ = Phase::parting;
      part_until_ns_ = clock().monotonic_ns() + kPartTimeout.count();
      core_->engine().transport().hide();
      if (is_drained_) core_->engine().transport().part();
      return;
    }
    if (!core_->engine().has_work()) return;
    core_->engine().begin_tick();
  }
}

void SimNode::part() {
  transport::Transport& transport = core_->engine().transport();
  core_->engine().tick_transport();
  const bool is_over = is_drained_ ? transport.is_alone() : transport.unsent_bytes() == 0;
  if (is_over || clock().monotonic_ns() >= part_until_ns_) end(is_drained_ ? kExitStopped : kExitFailed);
}

/// The two threads of a real node, as events: one writes, while the other waits for the disk.
void SimNode::work_on_storage() {
  if (is_writing_ || syncing_count_ == io::StorageWork::kWorkersMax) return;
  if (std::chrono::nanoseconds(storage_->next_due().time_since_epoch()).count() > clock().monotonic_ns()) return;
  is_writing_ = true;
  beside(surroundings_.disk.draw_write_delay(), fingerprint_of("write"), [this] {
    is_writing_ = false;
    if (const auto written = storage_->work()) {
      ++syncing_count_;
      beside(surroundings_.disk.draw_sync_delay(), fingerprint_of("sync", written->value), [this, number = *written] {
        --syncing_count_;
        storage_->make_durable(number);
        if (is_busy()) work_on_storage();
      });
    }
    if (is_busy()) work_on_storage();
  });
}

void SimNode::end(int exit_code) {
  if (std::exchange(phase_, Phase::ended) == Phase::ended) return;
  events_.on_end({.exit_code = exit_code, .signal = 0});
}

}  // namespace epic::cluster::sim
