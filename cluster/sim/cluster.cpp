#include "cluster/sim/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "epic/version.hpp"
#include "kernel/assert.hpp"
#include "kernel/placement_groups.hpp"

namespace epic::cluster::sim {

namespace {

constexpr nanoseconds kStartedAgainAfter = std::chrono::milliseconds(500);
constexpr std::int64_t kMachineDriftPpmMax = 1'000'000 / kLeaseDriftMax;

}  // namespace

namespace {

constexpr std::string_view kBadModule = "/sim/module-that-cannot-be-loaded";

}  // namespace

/// The module in each generation: always the same, except for copies that cannot be loaded.
class Cluster::OneModule final : public Modules {
 public:
  explicit OneModule(bool& is_next_bad) : is_next_bad_(is_next_bad) {}
  std::expected<ModuleCopy, SupervisorError> take() override {
    newest_ = newest_.next();
    const std::string path =
        std::exchange(is_next_bad_, false) ? std::string(kBadModule) : fmt::format("/sim/module-{}", newest_);
    return ModuleCopy{.generation = newest_, .path = path, .built_at = {}};
  }
  void remove_all_but(Generation) override {}

 private:
  bool& is_next_bad_;
  Generation newest_{0};
};

class Cluster::Requester final : public ControlReply::Sink {
 public:
  explicit Requester(OnAnswered on_end) : on_end_(std::move(on_end)) {}

  void send(const protocol::ControlAnswer& answer) override {
    bodies_.push_back(answer.body);
    if (answer.last && on_end_) std::exchange(on_end_, nullptr)(answer.status == AnswerStatus::ok, std::move(bodies_));
  }
  bool is_open() const override { return true; }
  bool has_room() const override { return true; }

 private:
  OnAnswered on_end_;
  std::vector<std::string> bodies_;
};

Cluster::Cluster(const ClusterOptions& options, const ModuleInfo& module)
    : options_(options),
      module_(module),
      world_(options.seed, options.timer_lateness),
      network_(world_, options.network),
      disk_(world_, kernel::placement_for(module, options.shard_count), options.disk),
      coordination_(world_) {
  supervisor_options_.project_name = "simulated";
  supervisor_options_.project_directory = "/sim";
  supervisor_options_.module_path = "/sim/module.so";
  supervisor_options_.node_program = "/sim/epic-node";
  supervisor_options_.version = EPIC_VERSION_TEXT;
  supervisor_options_.node_count = options.nodes;
  supervisor_options_.shard_count = options.shard_count;
  supervisor_options_.store.location = "/sim/store";
  supervisor_options_.fabric = options.fabric;
  supervisor_options_.restart = options.restart;
  supervisor_options_.silence_max = options.silence_max;
  supervisor_options_.on_ready = [this](const FabricReady&) { is_ready_ = true; };
}

Cluster::~Cluster() {
  world_.end();
  requesters_.clear();  // nobody is told of what ends here
  clients_.clear();
  fabric_.reset();
  lease_.reset();
  host_.reset();
  world_.end();  // what their ends have caused
}

void Cluster::start() { begin_run(); }

void Cluster::begin_run() {
  is_ready_ = false;
  logs_ = std::make_unique<LogHub>();
  is_next_module_bad_ = false;
  modules_ = std::make_unique<OneModule>(is_next_module_bad_);
  host_ = std::make_unique<SimHost>(
      NodeSurroundings{
          .world = world_,
          .network = network_,
          .disk = disk_,
          .find_module = [this](const std::string& path) { return path == kBadModule ? nullptr : &module_; },
          .on_log = options_.on_node_log,
          .blocking_delay_max = options_.blocking_delay_max},
      options_.drift_ppm_max);
  ++run_;
  if (!options_.lease) return begin_fabric();
  machine_ = std::make_shared<MachineClock>(MachineClock{
      .drift_ppm = static_cast<std::int64_t>(world_.draw(2 * kMachineDriftPpmMax + 1)) - kMachineDriftPpmMax});
  host_->set_machine(machine_);
  lease_ = std::make_unique<SimLease>(
      *host_, coordination_, *options_.lease,
      SimLease::Events{.on_lead = [this] { begin_fabric(); },
                       .on_lost =
                           [this] {
                             world_.after(nanoseconds(1), 0, fingerprint_of("lease lost"), [this, run = run_] {
                               if (run == run_) crash_supervisor(kStartedAgainAfter);
                             });
                           }});
}

void Cluster::begin_fabric() {
  fabric_ = std::make_unique<Fabric>(FabricParts{.host = *host_,
                                                 .options = supervisor_options_,
                                                 .paths = paths_,
                                                 .run = run_,
                                                 .logs = *logs_,
                                                 .modules = *modules_,
                                                 .module = *modules_->take(),
                                                 .open_store = [this] { return disk_.open(); },
                                                 .on_end = [this](const FabricEnd&) { start_again(); }});
  fabric_->start();
}

/// The fabric has ended by itself, as it does when it cannot start. Someone starts another, as on a server.
void Cluster::start_again() {
  world_.after(kStartedAgainAfter, 0, fingerprint_of("started again"), [this, run = run_] {
    if (run != run_ || fabric_ == nullptr) return;
    fabric_.reset();
    lease_.reset();
    host_.reset();
    begin_run();
  });
}

SimClient& Cluster::add_client() {
  std::vector<std::string> addresses;
  for (std::uint16_t node = 1; node <= options_.nodes; ++node)
    addresses.push_back(paths_.node_socket(kernel::NodeId{node}).string());
  const Place place = kFirstClientPlace + static_cast<Place>(clients_.size());
  clients_.push_back(std::make_unique<SimClient>(world_, network_, place, std::move(addresses), options_.call_timeout));
  return *clients_.back();
}

std::string Cluster::name_of(std::uint16_t node) const { return fmt::format("node-{}", node); }

SimNode* Cluster::find_node(std::uint16_t node) {
  SimHost::Child* const child = host_ == nullptr ? nullptr : host_->find_child(name_of(node));
  return child == nullptr ? nullptr : child->node();
}

void Cluster::crash(std::uint16_t node) {
  if (SimHost::Child* const child = host_ == nullptr ? nullptr : host_->find_child(name_of(node)))
    child->die({.exit_code = 0, .signal = 9});
}

void Cluster::after_in(std::uint16_t node, nanoseconds delay, std::function<void(SimNode&)> event) {
  world_.after(delay, 0, fingerprint_of("go on", node),
               [child = host_->find_child(name_of(node))->weak_from_this(), event = std::move(event)] {
                 const std::shared_ptr<SimHost::Child> same = child.lock();
                 if (same != nullptr && same->node() != nullptr) event(*same->node());
               });
}

void Cluster::pause(std::uint16_t node, nanoseconds duration) {
  SimNode* const paused = find_node(node);
  if (paused == nullptr || paused->is_paused()) return;
  paused->pause();
  after_in(node, duration, [](SimNode& same) { same.go_on(); });
}

void Cluster::stop_machine(std::uint16_t node, nanoseconds duration) {
  if (SimNode* const stopped = find_node(node); stopped != nullptr && !stopped->is_paused()) stopped->clock().stop();
  pause(node, duration);
}

void Cluster::pause_in_tick(std::uint16_t node, nanoseconds duration) {
  SimNode* const paused = find_node(node);
  if (paused == nullptr || paused->is_paused()) return;
  paused->pause_in_tick();
  after_in(node, duration, [](SimNode& same) { same.go_on(); });
}

void Cluster::lose_machine(nanoseconds back_after, nanoseconds uncounted, Survival nodes) {
  if (fabric_ == nullptr) return;
  std::vector<std::weak_ptr<SimHost::Child>> stopped;
  for (std::uint16_t node = 1; node <= options_.nodes; ++node)
    if (SimNode* const one = find_node(node); one != nullptr && !one->is_paused()) {
      one->pause();
      stopped.push_back(host_->find_child(name_of(node))->weak_from_this());
    }
  world_.after(uncounted, 0, fingerprint_of("uncounted"), [machine = machine_, uncounted, stopped] {
    machine->uncounted += uncounted;
    for (const auto& child : stopped)
      if (const auto same = child.lock(); same != nullptr && same->node() != nullptr) same->node()->go_on();
  });
  crash_supervisor(back_after, nodes);
}

void Cluster::occupy(std::uint16_t node, nanoseconds duration) {
  SimNode* const busy = find_node(node);
  if (busy == nullptr || busy->is_busy()) return;
  busy->occupy();
  after_in(node, duration, [](SimNode& same) { same.free(); });
}

void Cluster::jump_clock(std::uint16_t node, nanoseconds by) {
  if (SimNode* const jumping = find_node(node)) jumping->clock().jump(by);
}

void Cluster::cut_power(nanoseconds back_after) {
  if (host_ == nullptr) return;
  crash_supervisor(back_after);
  disk_.cut_power();
}

void Cluster::reshard(std::uint32_t shard_count, nanoseconds back_after) {
  crash_supervisor(back_after);
  disk_.reshard(kernel::placement_for(module_, shard_count));
  supervisor_options_.shard_count = shard_count;
}

void Cluster::crash_supervisor(nanoseconds back_after, Survival nodes) {
  if (host_ == nullptr) return;
  host_->let_nodes_survive(nodes);
  requesters_.clear();
  fabric_.reset();
  lease_.reset();
  host_.reset();
  is_ready_ = false;
  world_.after(back_after, 0, fingerprint_of("supervisor"), [this] { begin_run(); });
}

void Cluster::request(std::string_view verb, std::string body, OnAnswered on_end) {
  if (fabric_ == nullptr) return;
  requesters_.push_back(std::make_shared<Requester>(std::move(on_end)));
  const std::uint64_t id = ++last_request_;
  const ControlReply reply(requesters_.back(), id);
  world_.enter(host_->process_id(),
               [&] { fabric_->handle({.id = id, .verb = std::string(verb), .body = std::move(body)}, reply); });
}

std::vector<std::string> Cluster::log() const {
  std::vector<std::string> lines;
  if (logs_ == nullptr) return lines;
  for (const protocol::LogLine& line : logs_->list_recent({}, 10'000))
    lines.push_back(fmt::format("{} {} {}{}{}", line.source, protocol::to_string(line.level), line.entity,
                                line.entity.empty() ? "" : ": ", line.message));
  return lines;
}

}  // namespace epic::cluster::sim
