#include "cluster/supervisor/supervisor.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

#include "cluster/control/control_server.hpp"
#include "cluster/coordination/local_coordination.hpp"
#include "cluster/supervisor/control_verbs.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/grant_writer.hpp"
#include "cluster/supervisor/janitor.hpp"
#include "cluster/supervisor/log_hub.hpp"
#include "cluster/supervisor/module_copies.hpp"
#include "cluster/supervisor/node_requests.hpp"
#include "cluster/supervisor/project_lock.hpp"
#include "cluster/supervisor/quarantine.hpp"
#include "cluster/supervisor/restart_runner.hpp"
#include "cluster/supervisor/run_paths.hpp"
#include "cluster/supervisor/setup_runner.hpp"
#include "cluster/supervisor/shard_table.hpp"

namespace epic::cluster {

namespace asio = boost::asio;
using boost::system::error_code;
using kernel::NodeId;
using protocol::LogLevel;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kTick{100};
/// A tick this late means that this process was stopped or the machine slept, so that silence of nodes means nothing.
constexpr std::chrono::seconds kAbsence{1};
constexpr milliseconds kGraceMargin{500};  // so that the nodes' own limit applies first
constexpr milliseconds kFlushPatience{1000};

/// Ignores SIGPIPE while it exists: a closed socket is an error code, not a death.
class IgnoreSigpipe {
 public:
  IgnoreSigpipe() : before_(::signal(SIGPIPE, SIG_IGN)) {}
  IgnoreSigpipe(const IgnoreSigpipe&) = delete;
  IgnoreSigpipe& operator=(const IgnoreSigpipe&) = delete;
  ~IgnoreSigpipe() { ::signal(SIGPIPE, before_); }

 private:
  void (*before_)(int);
};

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// Wires the parts, and decides when the fabric is ready, when it stops and how it ends.
class Supervisor {
 public:
  Supervisor(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
             std::uint64_t run, LogHub& logs, ModuleCopies& modules, ModuleCopy module);
  [[nodiscard]] int run();

 private:
  void listen_to_signals();
  void tick();
  void on_member_change(const CoordinationChange& change);
  void on_node_message(NodeId node, const protocol::FromNode& message);
  void on_node_ready(NodeId node);
  void on_node_exit(NodeId node, const std::optional<Crash>& crash);
  void on_crash(const NodeSlot& slot, const Crash& crash);
  bool release(const std::string& entity);
  void announce_quarantine(std::optional<NodeId> only = std::nullopt);
  void on_node_ended(NodeId node);
  void open_shards();
  void advance();
  void carry_out();
  void on_directory_gone();
  void on_granted();
  void on_grants_delayed(const std::string& why);
  void on_deposed(const std::string& why);
  void check_ready();
  void on_setup_ended();
  [[nodiscard]] std::optional<SupervisorError> find_obstacle() const;
  [[nodiscard]] std::expected<void, SupervisorError> drain(NodeId node);
  [[nodiscard]] std::expected<void, SupervisorError> scale(std::uint16_t node_count);
  [[nodiscard]] std::expected<void, SupervisorError> restart(RestartWay way, ControlReply reply);
  void leave(NodeId node, Afterwards afterwards);
  void stop(const std::string& why);
  void kill(const std::string& why);
  void fail(SupervisorError error);
  void finish();

  void say(LogLevel level, std::string message);
  void tell(SupervisorEventKind kind, std::string text) const;

  const SupervisorOptions& options_;
  const RunPaths& paths_;
  const files::Directory& directory_;  // .epic
  LogHub& logs_;
  asio::io_context context_{1};
  steady_clock::time_point begun_at_ = steady_clock::now();
  steady_clock::time_point last_tick_ = begun_at_;
  LocalCoordination coordination_{
      [] { return steady_clock::now(); },
      [this](std::move_only_function<void()> work) { asio::post(context_, std::move(work)); }};
  ShardTable shards_;
  GrantWriter grants_;
  std::vector<ShardTable::Action> actions_;  // not carried out yet; while grants are written, they wait
  std::size_t granted_count_ = 0;  // of actions_, those that may be carried out once that is done; 0: no writing
  SetupRunner setup_;
  Fleet fleet_;
  NodeRequests requests_;
  FabricTrail trail_;
  Quarantine quarantine_;
  RestartRunner restart_;
  ControlVerbs verbs_;
  std::unique_ptr<ControlServer> server_;
  asio::signal_set signals_{context_};
  asio::steady_timer tick_{context_};
  asio::steady_timer end_timer_{context_};

  bool is_ready_ = false;  // the fabric has been ready once
  bool is_stopping_ = false;
  bool is_finished_ = false;
  std::vector<std::string> unsaved_;  // nodes that ended before they had saved everything, when all were to stop
  std::optional<SupervisorError> error_;
  int exit_code_ = kExitOk;
};

Supervisor::Supervisor(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                       std::uint64_t run, LogHub& logs, ModuleCopies& modules, ModuleCopy module)
    : options_(options),
      paths_(paths),
      directory_(directory),
      logs_(logs),
      shards_(options.shard_count, options.quiet),
      grants_(context_,
              {.kind = options.store_kind,
               .location = options.store_path,
               .shard_count = options.shard_count,
               .mode = storage::OpenMode::create},
              kernel::Term{run},
              {.on_written = [this] { on_granted(); },
               .on_migrated =
                   [this](const storage::StoreIdentity& identity) {
                     say(LogLevel::info, fmt::format("The store was migrated from format {} to {}.",
                                                     *identity.migrated_from, identity.format_version));
                   },
               .on_delay = [this](const std::string& why) { on_grants_delayed(why); },
               .on_deposed = [this](const std::string& why) { on_deposed(why); }}),
      fleet_(context_, options, paths, directory, run, std::move(module), coordination_, logs,
             {.on_message = [this](NodeId node, const protocol::FromNode& message) { on_node_message(node, message); },
              .on_ready = [this](NodeId node) { on_node_ready(node); },
              .on_exit = [this](NodeId node, const std::optional<Crash>& crash) { on_node_exit(node, crash); },
              .on_ended = [this](NodeId node) { on_node_ended(node); },
              .on_cannot_start =
                  [this](NodeId, const SupervisorError& error) {
                    if (!restart_.try_give_up(error)) fail(error);
                  }}),
      requests_([this](NodeId node, const protocol::ToNode& message) { fleet_.send(node, message); },
                [this](kernel::ShardId shard) { return shards_.find_active_owner(shard); }),
      restart_({.options = options,
                .fleet = fleet_,
                .shards = shards_,
                .modules = modules,
                .drain = [this](NodeId node) { leave(node, Afterwards::listed); },
                .say = [this](std::string message) { say(LogLevel::info, std::move(message)); }}),
      verbs_({.options = options,
              .fleet = fleet_,
              .shards = shards_,
              .setup = setup_,
              .logs = logs,
              .requests = requests_,
              .trail = trail_,
              .quarantine = quarantine_,
              .release = [this](const std::string& entity) { return release(entity); },
              .drain = [this](NodeId node) { return drain(node); },
              .scale = [this](std::uint16_t node_count) { return scale(node_count); },
              .restart = [this](RestartWay way, ControlReply reply) { return restart(way, std::move(reply)); },
              .stop = [this](const std::string& why) { stop(why); }}) {
  coordination_.watch(kMemberPrefix, [this](const CoordinationChange& change) { on_member_change(change); });
}

int Supervisor::run() {
  auto server = ControlServer::listen(
      context_, paths_.control_socket,
      [this](const ControlRequest& request, ControlReply reply) { verbs_.handle(request, std::move(reply)); });
  if (!server) {
    if (options_.on_error) options_.on_error(server.error());
    return kExitFailed;
  }
  server_ = std::move(*server);
  server_->watch_room([this] { requests_.on_room(); });
  listen_to_signals();
  say(LogLevel::info,
      fmt::format("Starting {} node{} of {} with {}.", options_.node_count, options_.node_count == 1 ? "" : "s",
                  options_.project_name, options_.module_path.string()));
  asio::post(context_, [this] { fleet_.start_all(); });
  tick();
  context_.run();
  if (error_ && options_.on_error) options_.on_error(*error_);
  return exit_code_;
}

void Supervisor::listen_to_signals() {
  if (is_finished_) return;
  if (!is_stopping_) {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    if (!is_ignored(SIGHUP)) signals_.add(SIGHUP);
  }
  signals_.async_wait([this](error_code error, int signal) {
    if (error) return;
    const std::string name = fmt::format("SIG{}", ::sigabbrev_np(signal));
    if (is_stopping_ && signal != SIGHUP)
      kill(fmt::format("requested again by {}", name));
    else
      stop(fmt::format("requested by {}", name));
    listen_to_signals();
  });
}

void Supervisor::tick() {
  const auto now = steady_clock::now();
  if (now - last_tick_ > kAbsence) coordination_.renew_all();
  last_tick_ = now;
  fleet_.on_tick(now);
  requests_.on_tick(now);
  if (!is_stopping_ && !directory_.is_in_place()) on_directory_gone();
  if (!is_stopping_) {
    // Do not wait for a node that keeps failing.
    if (!fleet_.list_ready().empty()) open_shards();
    advance();
    verbs_.on_tick();
  }
  tick_.expires_after(kTick);
  tick_.async_wait([this](error_code error) {
    if (!error && !is_finished_) tick();
  });
}

/// The first map waits for every node, so that shards are granted once.
void Supervisor::open_shards() {
  if (shards_.is_open() || is_stopping_ || fleet_.is_any_starting() || !restart_.may_open_shards()) return;
  shards_.open(steady_clock::now());
  if (is_ready_) fleet_.mark_started();  // it is after a restart: from here on there is no way back
}

/// Whatever has become possible: stop the nodes that own nothing any longer, continue a restart, start moves.
void Supervisor::advance() {
  if (is_stopping_) return;
  for (const NodeSlot& slot : fleet_.slots())
    if (!slot.is_wanted && slot.state == NodeState::ready && shards_.count_owned(slot.id) == 0)
      fleet_.stop_unwanted(slot.id, options_.grace);
  restart_.advance();
  shards_.on_tick(steady_clock::now());
  carry_out();
}

void Supervisor::on_member_change(const CoordinationChange& change) {
  const std::string_view number = std::string_view(change.key).substr(kMemberPrefix.size());
  NodeId node{0};
  std::from_chars(number.data(), number.data() + number.size(), node.value);
  const auto now = steady_clock::now();
  if (change.value) {
    const NodeSlot* slot = fleet_.find(node);
    trail_.add({.time = std::chrono::system_clock::now(),
                .node = slot->name,
                .what = "ready",
                .why = slot->restarts == 0 || !slot->last_exit
                           ? std::string()
                           : fmt::format("restarted after it {}", slot->last_exit->text()),
                .took = std::chrono::duration_cast<std::chrono::microseconds>(now - slot->started_at)});
    shards_.on_joined({node, slot->incarnation, slot->socket.string()}, slot->module.generation, now);
  } else {
    const std::size_t lost = shards_.count_owned(node);
    shards_.on_left(node, now);
    if (!is_stopping_ && lost > 0 && !shards_.map().members.empty())
      say(LogLevel::info, fmt::format("The {} shards of node-{} go to the other nodes.", lost, node));
  }
  carry_out();
}

void Supervisor::on_node_ready(NodeId node) {
  announce_quarantine(node);  // before it gets a shard
  open_shards();
  advance();
}

void Supervisor::on_node_message(NodeId node, const protocol::FromNode& message) {
  if (const auto* taken = std::get_if<protocol::Taken>(&message)) {
    shards_.on_taken(node, *taken, steady_clock::now());
    carry_out();
    requests_.on_owners_changed();
    check_ready();
  } else if (const auto* released = std::get_if<protocol::Released>(&message)) {
    shards_.on_released(node, *released, steady_clock::now());
    carry_out();
    advance();
  } else if (const auto* answer = std::get_if<protocol::Answer>(&message)) {
    requests_.on_answer(node, *answer);
  } else if (const auto* done = std::get_if<protocol::SetupDone>(&message)) {
    // A stopping node interrupts its setup; setup runs again on another, as if the node had died.
    const bool is_cut_short = !is_stopping_ && !done->error.empty() && !fleet_.find(node)->is_wanted;
    if (!is_cut_short && setup_.on_done(node, done->error)) on_setup_ended();
  }
}

void Supervisor::on_node_exit(NodeId node, const std::optional<Crash>& crash) {
  const NodeSlot* slot = fleet_.find(node);
  const bool is_death = !slot->last_exit->is_orderly();
  trail_.add({.time = std::chrono::system_clock::now(),
              .node = slot->name,
              .what = is_death ? "died" : "ended",
              .why = slot->last_exit->text() + (crash ? " while it ran " + crash->place() : ""),
              .entity = crash ? crash->entity : ""});
  if (is_death) restart_.tell_death(*slot);
  if (crash) on_crash(*slot, *crash);
  if (is_stopping_ && is_death && slot->lease) unsaved_.push_back(slot->name);
}

void Supervisor::on_crash(const NodeSlot& slot, const Crash& crash) {
  const auto entry = quarantine_.on_death(crash.entity, crash.method, steady_clock::now());
  if (!entry) return;
  const std::string why = fmt::format("{} nodes died while they ran {}; next attempt in {} s", entry->deaths,
                                      crash.place(), entry->left.count());
  trail_.add({.time = std::chrono::system_clock::now(),
              .node = slot.name,
              .what = "quarantined",
              .why = why,
              .entity = crash.entity});
  say(LogLevel::error,
      fmt::format("{} is quarantined: {}. 'epic release {}' lifts that.", crash.entity, why, crash.entity));
  announce_quarantine();
}

bool Supervisor::release(const std::string& entity) {
  if (!quarantine_.release(entity)) return false;
  trail_.add({.time = std::chrono::system_clock::now(),
              .node = "supervisor",
              .what = "released",
              .why = "requested by 'epic release'",
              .entity = entity});
  announce_quarantine();
  return true;
}

void Supervisor::announce_quarantine(std::optional<NodeId> only) {
  protocol::Quarantined message;
  for (const Quarantine::Entry& entry : quarantine_.list(steady_clock::now()))
    message.entities.push_back({.entity = entry.entity, .deaths = entry.deaths, .left = entry.left});
  if (only) return fleet_.send(*only, message);
  for (const NodeId node : fleet_.list_ready()) fleet_.send(node, message);
}

void Supervisor::on_node_ended(NodeId node) {
  requests_.on_left(node);
  if (setup_.on_left(node)) on_setup_ended();
  if (!is_stopping_ && fleet_.find(node)->is_wanted) fleet_.want(node);  // requested while it was stopping
  if (is_stopping_) verbs_.on_node_ended(fleet_.find(node)->name);
  if (is_stopping_ && fleet_.is_gone()) return finish();
  check_ready();
  advance();
}

/// In order. A map is published when the store names its owners; what comes meanwhile waits, and is written together.
void Supervisor::carry_out() {
  if (is_stopping_) return;
  std::ranges::move(shards_.take_actions(), std::back_inserter(actions_));
  if (granted_count_ > 0) return;
  const auto is_map = [](const auto& action) { return std::holds_alternative<ShardTable::Publish>(action); };
  const auto newest = std::ranges::find_if(actions_.rbegin(), actions_.rend(), is_map);
  granted_count_ = actions_.size();
  if (newest == actions_.rend()) return on_granted();
  grants_.write(std::get<ShardTable::Publish>(*newest).map);
}

void Supervisor::on_grants_delayed(const std::string& why) {
  say(LogLevel::error, "Shards cannot be given to nodes just now: " + why);
}

/// Nodes that have their shards go on; but who is to have them is another's business.
void Supervisor::on_deposed(const std::string& why) {
  if (is_stopping_) return;
  error_ = SupervisorError{why, "Stop the other fabric, or use a store of its own.", logs_.directory()};
  exit_code_ = kExitFailed;
  stop("another supervisor has the store");
}

/// Nobody can reach this fabric any longer, and another may have begun in a directory of the same name.
void Supervisor::on_directory_gone() {
  error_ =
      SupervisorError{fmt::format("{} was moved away or deleted while the fabric ran.", directory_.path().string()),
                      "Put it back if it was moved, and start again with 'epic run'.",
                      {}};
  exit_code_ = kExitFailed;
  stop("its directory is gone");
}

void Supervisor::on_granted() {
  const auto end = actions_.begin() + static_cast<std::ptrdiff_t>(std::exchange(granted_count_, 0));
  const std::vector<ShardTable::Action> granted(std::make_move_iterator(actions_.begin()),
                                                std::make_move_iterator(end));
  actions_.erase(actions_.begin(), end);
  if (is_stopping_) return;
  for (const ShardTable::Action& action : granted) {
    if (const auto* publish = std::get_if<ShardTable::Publish>(&action)) {
      trail_.on_map(publish->map, std::chrono::system_clock::now());
      for (const auto& member : publish->map.members) fleet_.send(member.node, publish->map);
    } else {
      const auto& ask = std::get<ShardTable::AskRelease>(action);
      fleet_.send(ask.owner, ask.release);
    }
  }
  if (!actions_.empty()) carry_out();
}

void Supervisor::check_ready() {
  if (is_stopping_ || !shards_.is_settled()) return;
  if (!is_ready_) {
    is_ready_ = true;
    fleet_.mark_started();
    FabricReady ready{.pid = ::getpid(),
                      .nodes = {},
                      .control_socket = paths_.control_socket,
                      .store = options_.store_path,
                      .log_directory = logs_.directory(),
                      .took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun_at_)};
    for (const NodeSlot& slot : fleet_.slots())
      if (slot.process) ready.nodes.push_back({slot.name, slot.process->pid(), slot.socket});
    say(LogLevel::info, fmt::format("The fabric is ready ({}).", ready.took));
    if (options_.on_ready) options_.on_ready(ready);
  }
  // Not one that is about to be stopped, unless there is no other.
  const auto candidates = fleet_.list_ready();
  const auto stays = std::ranges::find_if(candidates, [this](NodeId node) { return fleet_.find(node)->is_wanted; });
  const auto best = stays != candidates.end() ? std::optional(*stays)
                    : candidates.empty()      ? std::nullopt
                                              : std::optional(candidates.front());
  if (const auto node = setup_.try_begin(best)) fleet_.send(*node, protocol::RunSetup{});
}

void Supervisor::on_setup_ended() {
  const bool is_done = setup_.state() == SetupState::done;
  say(is_done ? LogLevel::info : LogLevel::error,
      is_done ? "The module's setup has returned." : fmt::format("The module's setup failed: {}", setup_.error()));
  tell(is_done ? SupervisorEventKind::setup_done : SupervisorEventKind::setup_failed, setup_.error());
  if (options_.after_setup != AfterSetup::exit || is_stopping_) return;
  if (!is_done) {
    error_ = SupervisorError{
        .message = fmt::format("The module's setup failed: {}", setup_.error()), .hint = {}, .log = logs_.directory()};
    exit_code_ = kExitFailed;
  }
  stop(is_done ? "setup has returned" : "setup has failed");
}

/// Why the number of nodes cannot be changed at the moment.
std::optional<SupervisorError> Supervisor::find_obstacle() const {
  if (is_stopping_) return SupervisorError{"The fabric is stopping.", {}, {}};
  if (restart_.is_under_way())
    return SupervisorError{"A restart is under way.", "Wait until 'epic restart' has returned.", {}};
  return std::nullopt;
}

/// Its shards move to the others, then its process stops, and is not restarted.
std::expected<void, SupervisorError> Supervisor::drain(NodeId node) {
  if (auto obstacle = find_obstacle()) return std::unexpected(*std::move(obstacle));
  const auto stays = [node](const NodeSlot& slot) { return slot.is_wanted && slot.id != node; };
  if (std::ranges::none_of(fleet_.slots(), stays))
    return std::unexpected(SupervisorError{
        fmt::format("node-{} is the only node, and a fabric needs one.", node), "Stop it with 'epic stop'.", {}});
  leave(node, Afterwards::listed);
  return {};
}

void Supervisor::leave(NodeId node, Afterwards afterwards) {
  if (fleet_.find(node)->is_wanted) {
    say(LogLevel::info, fmt::format("Draining node-{}: its {} shards go to the other nodes, then it stops.", node,
                                    shards_.count_owned(node)));
    shards_.drain(node);
  }
  fleet_.unwant(node, afterwards);
}

std::expected<void, SupervisorError> Supervisor::scale(std::uint16_t node_count) {
  if (auto obstacle = find_obstacle()) return std::unexpected(*std::move(obstacle));
  for (std::uint16_t number = 1; number <= node_count; ++number) {
    shards_.stop_draining(NodeId{number});
    fleet_.want(NodeId{number});
  }
  for (auto number = static_cast<std::uint16_t>(fleet_.slots().size()); number > node_count; --number)
    leave(NodeId{number}, Afterwards::forgotten);
  return {};
}

std::expected<void, SupervisorError> Supervisor::restart(RestartWay way, ControlReply reply) {
  if (is_stopping_) return std::unexpected(SupervisorError{"The fabric is stopping.", {}, {}});
  if (!is_ready_) return std::unexpected(SupervisorError{"The fabric is still starting.", {}, {}});
  return restart_.begin(way, std::move(reply));
}

void Supervisor::stop(const std::string& why) {
  if (std::exchange(is_stopping_, true)) return;
  say(LogLevel::info, fmt::format("Stopping: {}.", why));
  tell(SupervisorEventKind::stopping, why);
  fleet_.stop_all(options_.grace);
  if (fleet_.is_gone()) return finish();
  end_timer_.expires_after(options_.grace + kGraceMargin);
  end_timer_.async_wait([this](error_code error) {
    if (error || is_finished_) return;
    say(LogLevel::error, fmt::format("Some nodes have not stopped within {}: killing them.", options_.grace));
    tell(SupervisorEventKind::killing, fmt::format("not stopped within {}", options_.grace));
    fleet_.kill_all();
  });
}

void Supervisor::kill(const std::string& why) {
  if (is_finished_) return;
  exit_code_ = kExitInterrupted;
  say(LogLevel::warn, fmt::format("Killing all nodes: {}.", why));
  tell(SupervisorEventKind::killing, why);
  fleet_.kill_all();
}

void Supervisor::fail(SupervisorError error) {
  if (std::exchange(is_stopping_, true)) return;
  logs_.keep({std::chrono::system_clock::now(), "supervisor", LogLevel::error, "",
              fmt::format("The fabric cannot start. {}", error.message)});
  error_ = std::move(error);
  exit_code_ = kExitFailed;
  fleet_.kill_all();
  if (fleet_.is_gone()) finish();
}

void Supervisor::finish() {
  if (std::exchange(is_finished_, true)) return;
  tick_.cancel();
  end_timer_.cancel();
  requests_.fail_all("The fabric has stopped.");
  restart_.abandon();
  say(LogLevel::info, "All nodes have stopped.");
  std::ranges::sort(unsaved_);
  if (!unsaved_.empty() && exit_code_ == kExitOk) {
    exit_code_ = kExitFailed;
    error_ = SupervisorError{
        fmt::format("{} ended before everything was saved; nothing acknowledged by a gated class is lost.",
                    fmt::join(unsaved_, ", ")),
        "See the log for the reason.", logs_.directory()};
  }
  verbs_.on_all_ended(unsaved_);
  server_->stop_listening();
  tell(SupervisorEventKind::stopped, {});
  server_->flush([this] { context_.stop(); });
  end_timer_.expires_after(kFlushPatience);
  end_timer_.async_wait([this](error_code error) {
    if (!error) context_.stop();
  });
}

void Supervisor::say(LogLevel level, std::string message) {
  logs_.add({std::chrono::system_clock::now(), "supervisor", level, "", std::move(message)});
}

void Supervisor::tell(SupervisorEventKind kind, std::string text) const {
  if (options_.on_event) options_.on_event({kind, std::move(text)});
}

int report(const SupervisorOptions& options, const SupervisorError& error) {
  if (options.on_error) options.on_error(error);
  return kExitFailed;
}

}  // namespace

int run_supervisor(const SupervisorOptions& options) {
  const IgnoreSigpipe ignore_sigpipe;
  if (options.node_count == 0 || options.shard_count == 0)
    return report(options,
                  {"A fabric needs at least one node and one shard.", "Give a larger number, such as --nodes 4.", {}});
  const RunPaths paths(options.project_directory);
  if (auto prepared = prepare_directories(paths); !prepared) return report(options, prepared.error());
  const auto lock = ProjectLock::try_take(paths.lock);
  if (!lock) return report(options, lock.error());
  remove_run_files(lock->directory());
  const auto janitor = Janitor::hire(paths);
  if (!janitor) return report(options, janitor.error());
  const auto run = count_run(paths);
  if (!run) return report(options, run.error());
  const auto logs = LogHub::open(paths.logs, *run, std::chrono::system_clock::now());
  if (!logs) return report(options, logs.error());
  if (options.on_log) (*logs)->follow(options.on_log);
  ModuleCopies modules(options.module_path, paths.run);
  auto module = modules.take();
  if (!module) return report(options, module.error());

  int exit_code = kExitOk;
  {
    Supervisor supervisor(options, paths, lock->directory(), *run, **logs, modules, *std::move(module));
    exit_code = supervisor.run();
  }
  remove_run_files(lock->directory());
  return exit_code;
}

}  // namespace epic::cluster
