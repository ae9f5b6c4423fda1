#include "cluster/sim/cluster.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cluster/sim/sim_machine.hpp"
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
class Cluster::OneModule final : public MachineModules {
 public:
  explicit OneModule(bool& is_next_bad) : is_next_bad_(is_next_bad) {}
  std::expected<ModuleCopy, SupervisorError> take() override {
    newest_ = newest_.next();
    const std::string path =
        std::exchange(is_next_bad_, false) ? std::string(kBadModule) : fmt::format("/sim/module-{}", newest_);
    return *find({.generation = newest_.value, .built_at = {}, .digest = path});
  }
  ModuleCopy number(ModuleCopy copy) override {
    return *find({.generation = newest_.next().value, .built_at = copy.built_at, .digest = std::move(copy.digest)});
  }
  void remove_all_but(Generation generation) override {
    std::erase_if(copies_, [&](const ModuleCopy& copy) { return copy.generation != generation; });
  }
  /// A digest is a path, and everybody has every file.
  std::optional<ModuleCopy> find(const protocol::ModuleOrigin& origin) override {
    const Generation generation{origin.generation};
    newest_ = std::max(newest_, generation);
    std::erase_if(copies_, [&](const ModuleCopy& copy) { return copy.generation == generation; });
    copies_.push_back(
        {.generation = generation, .path = origin.digest, .built_at = origin.built_at, .digest = origin.digest});
    return copies_.back();
  }
  std::expected<std::string, SupervisorError> take_in(const std::filesystem::path& path) override {
    return path.string();
  }
  protocol::ModulePart read(const protocol::ModuleWanted& wanted) override { return {.digest = wanted.digest}; }
  std::expected<bool, SupervisorError> receive(const protocol::ModulePart&) override { return false; }
  const ModuleCopy* newest() const override { return copies_.empty() ? nullptr : &copies_.back(); }
  void go_on_before(Generation next) override { newest_ = Generation{next.value - 1}; }

 private:
  bool& is_next_bad_;
  Generation newest_{0};
  std::vector<ModuleCopy> copies_;
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
      coordination_(world_),
      machines_(options.machines) {
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
  EPIC_ASSERT(machines_.empty() || options.lease, "machines need leases");
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    machines_[i] = std::make_unique<Machine>(Machine{
        .paths = RunPaths(fmt::format("/sim/machine-{}", i + 1)), .options = supervisor_options_, .modules = {}});
    SupervisorOptions& own = machines_[i]->options;
    own.lease = std::chrono::duration_cast<std::chrono::milliseconds>(options.lease->timeout);
    own.node_count = static_cast<std::uint16_t>((options.nodes + machines_.size() - 1 - i) / machines_.size());
  }
}

Cluster::~Cluster() {
  world_.end();
  requesters_.clear();  // nobody is told of what ends here
  for (const auto& machine : machines_) machine->requesters.clear();
  clients_.clear();
  machines_.clear();
  fabric_.reset();
  lease_.reset();
  host_.reset();
  world_.end();  // what their ends have caused
}

void Cluster::start() {
  if (machines_.empty()) return begin_run();
  for (std::size_t machine = 0; machine < machines_.size(); ++machine) start_machine(machine);
}

NodeSurroundings Cluster::surroundings() {
  return {.world = world_,
          .network = network_,
          .disk = disk_,
          .find_module = [this](const std::string& path) { return path == kBadModule ? nullptr : &module_; },
          .on_log = options_.on_node_log,
          .blocking_delay_max = options_.blocking_delay_max};
}

std::int64_t Cluster::draw_boot_drift() {
  return static_cast<std::int64_t>(world_.draw(2 * kMachineDriftPpmMax + 1)) - kMachineDriftPpmMax;
}

void Cluster::begin_run() {
  is_ready_ = false;
  logs_ = std::make_unique<LogHub>();
  is_next_module_bad_ = false;
  modules_ = std::make_unique<OneModule>(is_next_module_bad_);
  host_ = std::make_unique<SimHost>(surroundings(), options_.drift_ppm_max);
  ++run_;
  if (!options_.lease) return begin_fabric();
  machine_ = std::make_shared<MachineClock>(MachineClock{.drift_ppm = draw_boot_drift()});
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
  for (std::uint16_t node = 1; node <= options_.nodes; ++node) {
    if (machines_.empty()) addresses.push_back(paths_.node_socket(kernel::NodeId{node}).string());
    for (const auto& machine : machines_)
      addresses.push_back(machine->paths.node_socket(kernel::NodeId{node}).string());
  }
  const Place place = kFirstClientPlace + static_cast<Place>(clients_.size());
  clients_.push_back(std::make_unique<SimClient>(world_, network_, place, std::move(addresses), options_.call_timeout));
  return *clients_.back();
}

std::string Cluster::name_of(std::uint16_t node) const { return fmt::format("node-{}", node); }

SimHost::Child* Cluster::find_child(std::uint16_t node) {
  if (host_ != nullptr) return host_->find_child(name_of(node));
  for (const auto& machine : machines_)
    if (machine->running != nullptr)
      if (SimHost::Child* const child = machine->running->host().find_child(name_of(node))) return child;
  return nullptr;
}

SimNode* Cluster::find_node(std::uint16_t node) {
  SimHost::Child* const child = find_child(node);
  return child == nullptr ? nullptr : child->node();
}

void Cluster::crash(std::uint16_t node) {
  if (SimHost::Child* const child = find_child(node)) child->die({.exit_code = 0, .signal = 9});
}

void Cluster::after_in(std::uint16_t node, nanoseconds delay, std::function<void(SimNode&)> event) {
  world_.after(delay, 0, fingerprint_of("go on", node),
               [child = find_child(node)->weak_from_this(), event = std::move(event)] {
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
      stopped.push_back(find_child(node)->weak_from_this());
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

// ---- machines

void Cluster::start_machine(std::size_t number) {
  Machine& machine = *machines_[number];
  machine.logs = std::make_unique<LogHub>();
  machine.modules = std::make_unique<OneModule>(is_next_module_bad_);
  machine.options.on_ready = [this, &machine](const FabricReady&) {
    is_ready_ = is_ready_ || machine.running->supervisor().leads();
  };
  machine.running = std::make_unique<SimMachine>(SimMachine::Parts{
      .surroundings = surroundings(),
      .coordination = coordination_,
      .place = place_of_machine(number),
      .options = machine.options,
      .paths = machine.paths,
      .logs = *machine.logs,
      .modules = *machine.modules,
      .node_drift_ppm_max = options_.drift_ppm_max,
      .boot_drift_ppm = draw_boot_drift(),
      .on_end = [this, number] {
        world_.after(nanoseconds(1), 0, fingerprint_of("machine ends"), [this, number, run = machines_[number]->run] {
          if (run != machines_[number]->run) return;
          const std::string evicted = machines_[number]->running->supervisor().evicted();
          crash_machine(number, kStartedAgainAfter);
          machines_[number]->options.evicted = evicted;
          machines_[number]->options.joins = !evicted.empty();
        });
      }});
}

SimMachine* Cluster::find_machine(std::size_t number) { return machines_[number]->running.get(); }

std::optional<std::size_t> Cluster::find_leader() const {
  for (std::size_t i = 0; i < machines_.size(); ++i)
    if (machines_[i]->running != nullptr && machines_[i]->running->supervisor().leads()) return i;
  return std::nullopt;
}

bool Cluster::is_on(std::uint16_t node, std::size_t machine) {
  SimMachine* const running = find_machine(machine);
  return running != nullptr && running->host().find_child(name_of(node)) != nullptr;
}

void Cluster::crash_machine(std::size_t number, nanoseconds back_after) {
  Machine& machine = *machines_[number];
  if (machine.running == nullptr) return;
  ++run_;
  ++machine.run;
  machine.options.evicted.clear();
  machine.options.joins = false;
  machine.requesters.clear();
  machine.running.reset();
  world_.after(back_after, 0, fingerprint_of("machine", number), [this, number] { start_machine(number); });
}

void Cluster::pause_machine(std::size_t number, nanoseconds duration, SimMachine::Clock clock) {
  Machine& machine = *machines_[number];
  if (machine.running == nullptr || machine.running->host().is_paused()) return;
  machine.running->pause();
  world_.after(duration, 0, fingerprint_of("machine goes on", number), [&machine, run = machine.run, duration, clock] {
    if (run == machine.run && machine.running != nullptr) machine.running->go_on(duration, clock);
  });
}

void Cluster::stop_machine_in_order(std::size_t number) {
  SimMachine* const machine = find_machine(number);
  if (machine == nullptr || machine->supervisor().is_stopping()) return;
  world_.enter(machine->host().process_id(), [&] { machine->supervisor().stop("requested by SIGTERM"); });
}

Process* Cluster::find_supervisor() {
  if (const auto leader = find_leader()) return &machines_[*leader]->running->host();
  return fabric_ == nullptr ? nullptr : host_.get();
}

void Cluster::request(std::string_view verb, std::string body, OnAnswered on_end) {
  const std::uint64_t id = ++last_request_;
  const protocol::ControlRequest request{.id = id, .verb = std::string(verb), .body = std::move(body)};
  const auto requester = std::make_shared<Requester>(std::move(on_end));  // shared with its reply
  const ControlReply reply(requester, id);
  for (std::size_t i = 0; i < machines_.size(); ++i) {  // each of them is asked in turn
    Machine& machine = *machines_[(id + i) % machines_.size()];
    if (machine.running == nullptr || machine.running->host().is_paused()) continue;
    machine.requesters.push_back(requester);
    return world_.enter(machine.running->host().process_id(),
                        [&] { machine.running->supervisor().handle(request, reply); });
  }
  if (fabric_ == nullptr) return;
  requesters_.push_back(requester);
  world_.enter(host_->process_id(), [&] { fabric_->handle(request, reply); });
}

std::vector<std::string> Cluster::log() const {
  std::vector<std::string> lines;
  const auto add = [&](const std::unique_ptr<LogHub>& logs, std::string_view whose) {
    if (logs == nullptr) return;
    for (const protocol::LogLine& line : logs->list_recent({}, 10'000))
      lines.push_back(fmt::format("{}{} {} {}{}{}", whose, line.source, protocol::to_string(line.level), line.entity,
                                  line.entity.empty() ? "" : ": ", line.message));
  };
  add(logs_, {});
  for (const auto& machine : machines_)
    add(machine->logs, fmt::format("{}: ", machine->paths.directory.parent_path().filename().string()));
  return lines;
}

}  // namespace epic::cluster::sim
