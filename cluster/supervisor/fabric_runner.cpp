#include "cluster/supervisor/fabric_runner.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "reflect/try.hpp"

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
constexpr milliseconds kSlowStop{1000};  // then what it waits for is reported

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

FabricRunner::FabricRunner(const SupervisorOptions& options, const RunPaths& paths, const files::Directory& directory,
                           std::uint64_t run, LogHub& logs, ModuleCopies& modules, ModuleCopy module)
    : options_(options),
      paths_(paths),
      directory_(directory),
      logs_(logs),
      shards_(options.shard_count, options.quiet),
      orders_(context_,
              {.kind = options.store_kind,
               .location = options.store_path,
               .shard_count = options.shard_count,
               .mode = storage::OpenMode::create},
              kernel::Term{run},
              {.on_written = {},
               .on_migrated =
                   [this](const storage::StoreIdentity& identity) {
                     say(LogLevel::info, fmt::format("The store was migrated from format {} to {}.",
                                                     *identity.migrated_from, identity.format_version));
                   },
               .on_delay = [this](const std::string& why) { on_grants_delayed(why); },
               .on_deposed = [this](const std::string& why) { on_deposed(why); }},
              shards_, trail_, [this](NodeId node, const protocol::ToNode& message) { fleet_.send(node, message); }),
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
      quarantine_(fleet_, trail_, [this](std::string message) { say(LogLevel::error, std::move(message)); }),
      departures_(options, fleet_, shards_, [this](std::string message) { say(LogLevel::info, std::move(message)); }),
      restart_({.options = options,
                .fleet = fleet_,
                .shards = shards_,
                .modules = modules,
                .departures = departures_,
                .say = [this](std::string message) { say(LogLevel::info, std::move(message)); }}),
      verbs_({.options = options,
              .fleet = fleet_,
              .shards = shards_,
              .setup = setup_,
              .logs = logs,
              .requests = requests_,
              .trail = trail_,
              .quarantine = quarantine_.quarantine(),
              .release = [this](const std::string& entity) { return quarantine_.release(entity); },
              .drain = [this](NodeId node) { return drain(node); },
              .scale = [this](std::uint16_t node_count) { return scale(node_count); },
              .restart = [this](RestartWay way, ControlReply reply) { return restart(way, std::move(reply)); },
              .stop = [this](const std::string& why) { stop(why); }}) {
  coordination_.watch(kMemberPrefix, [this](const CoordinationChange& change) { on_member_change(change); });
}

int FabricRunner::run() {
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

void FabricRunner::listen_to_signals() {
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

void FabricRunner::tick() {
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
  } else if (now - stopping_since_ >= kSlowStop && !std::exchange(is_slow_told_, true)) {
    for (const NodeSlot& slot : fleet_.slots())
      if (slot.process && !slot.is_drained) tell_slow_stop(slot);
  }
  tick_.expires_after(kTick);
  tick_.async_wait([this](error_code error) {
    if (!error && !is_finished_) tick();
  });
}

/// The first map waits for every node, so that shards are granted once.
void FabricRunner::open_shards() {
  if (shards_.is_open() || is_stopping_ || fleet_.is_any_starting() || !restart_.may_open_shards()) return;
  shards_.open(steady_clock::now());
  if (is_ready_) fleet_.mark_started();  // it is after a restart: from here on there is no way back
}

/// Whatever has become possible: stop the nodes that own nothing any longer, continue a restart, start moves.
void FabricRunner::advance() {
  if (is_stopping_) return;
  departures_.advance();
  restart_.advance();
  shards_.on_tick(steady_clock::now());
  orders_.carry_out();
}

void FabricRunner::on_member_change(const CoordinationChange& change) {
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
  orders_.carry_out();
}

void FabricRunner::on_node_ready(NodeId node) {
  quarantine_.inform(node);  // before it gets a shard
  open_shards();
  advance();
}

void FabricRunner::on_node_message(NodeId node, const protocol::FromNode& message) {
  if (const auto* taken = std::get_if<protocol::Taken>(&message)) {
    shards_.on_taken(node, *taken, steady_clock::now());
    orders_.carry_out();
    requests_.on_owners_changed();
    check_ready();
  } else if (const auto* released = std::get_if<protocol::Released>(&message)) {
    shards_.on_released(node, *released, steady_clock::now());
    orders_.carry_out();
    advance();
  } else if (const auto* answer = std::get_if<protocol::Answer>(&message)) {
    requests_.on_answer(node, *answer);
  } else if (const auto* done = std::get_if<protocol::SetupDone>(&message)) {
    // A stopping node interrupts its setup; setup runs again on another, as if the node had died.
    const bool is_cut_short = !is_stopping_ && !done->error.empty() && !fleet_.find(node)->is_wanted;
    if (!is_cut_short && setup_.on_done(node, done->error)) on_setup_ended();
  }
}

void FabricRunner::on_node_exit(NodeId node, const std::optional<Crash>& crash) {
  const NodeSlot* slot = fleet_.find(node);
  const bool is_death = !slot->last_exit->is_orderly();
  trail_.add({.time = std::chrono::system_clock::now(),
              .node = slot->name,
              .what = is_death ? "died" : "ended",
              .why = slot->last_exit->text() + (crash ? " while it ran " + crash->place() : ""),
              .entity = crash ? crash->entity : ""});
  if (is_death) restart_.tell_death(*slot);
  // A turn that is cut short only because the node has to leave says nothing against its entity.
  const bool has_had_to_leave = slot->kill_cause && slot->kill_cause->reason == KillCause::Reason::not_stopped;
  if (crash && !has_had_to_leave) quarantine_.on_crash(*slot, *crash);
  if (is_stopping_ && is_death && slot->lease) unsaved_.push_back(slot->name);
}

void FabricRunner::on_node_ended(NodeId node) {
  requests_.on_left(node, fleet_.find(node)->crashed_in);
  if (setup_.on_left(node)) on_setup_ended();
  if (!is_stopping_ && fleet_.find(node)->is_wanted) fleet_.want(node);  // requested while it was stopping
  if (is_stopping_) verbs_.on_node_ended(fleet_.find(node)->name);
  if (is_stopping_ && fleet_.is_gone()) return finish();
  check_ready();
  advance();
}

void FabricRunner::on_grants_delayed(const std::string& why) {
  say(LogLevel::error, "Shards cannot be given to nodes just now: " + why);
}

/// Nodes that have their shards go on; but who is to have them is another's business.
void FabricRunner::on_deposed(const std::string& why) {
  if (is_stopping_) return;
  error_ = SupervisorError{why, "Stop the other fabric, or use a store of its own.", logs_.directory()};
  exit_code_ = kExitFailed;
  stop("another supervisor has the store");
}

/// Nobody can reach this fabric any longer, and another may have begun in a directory of the same name.
void FabricRunner::on_directory_gone() {
  error_ =
      SupervisorError{fmt::format("{} was moved away or deleted while the fabric ran.", directory_.path().string()),
                      "Put it back if it was moved, and start again with 'epic run'.",
                      {}};
  exit_code_ = kExitFailed;
  stop("its directory is gone");
}

void FabricRunner::check_ready() {
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

void FabricRunner::on_setup_ended() {
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

/// Whether the number of nodes can be changed at the moment.
std::expected<void, SupervisorError> FabricRunner::check_may_change() const {
  if (is_stopping_) return std::unexpected(SupervisorError{"The fabric is stopping.", {}, {}});
  if (restart_.is_under_way())
    return std::unexpected(SupervisorError{"A restart is under way.", "Wait until 'epic restart' has returned.", {}});
  return {};
}

std::expected<void, SupervisorError> FabricRunner::drain(NodeId node) {
  EPIC_TRY(check_may_change());
  return departures_.drain(node);
}

std::expected<void, SupervisorError> FabricRunner::scale(std::uint16_t node_count) {
  EPIC_TRY(check_may_change());
  departures_.scale(node_count);
  return {};
}

std::expected<void, SupervisorError> FabricRunner::restart(RestartWay way, ControlReply reply) {
  if (is_stopping_) return std::unexpected(SupervisorError{"The fabric is stopping.", {}, {}});
  if (!is_ready_) return std::unexpected(SupervisorError{"The fabric is still starting.", {}, {}});
  return restart_.begin(way, std::move(reply));
}

void FabricRunner::stop(const std::string& why) {
  if (std::exchange(is_stopping_, true)) return;
  orders_.end();
  say(LogLevel::info, fmt::format("Stopping: {}.", why));
  stopping_since_ = steady_clock::now();
  tell(SupervisorEventKind::stopping, why);
  fleet_.stop_all(options_.fabric.grace);
  if (fleet_.is_gone()) return finish();
  end_timer_.expires_after(options_.fabric.grace + kGraceMargin);
  end_timer_.async_wait([this](error_code error) {
    if (error || is_finished_) return;
    const auto grace = std::chrono::duration_cast<milliseconds>(options_.fabric.grace);
    say(LogLevel::error, fmt::format("Some nodes have not stopped within {}: killing them.", grace));
    tell(SupervisorEventKind::killing, fmt::format("not stopped within {}", grace));
    fleet_.kill_all();
  });
}

void FabricRunner::tell_slow_stop(const NodeSlot& slot) {
  say(LogLevel::info, fmt::format("{} has not finished yet: running calls have {} to end.", slot.name,
                                  std::chrono::duration_cast<milliseconds>(options_.fabric.grace / 5 * 4)));
  verbs_.on_node_waiting(slot.name);
}

void FabricRunner::kill(const std::string& why) {
  if (is_finished_) return;
  exit_code_ = kExitInterrupted;
  say(LogLevel::warn, fmt::format("Killing all nodes: {}.", why));
  tell(SupervisorEventKind::killing, why);
  fleet_.kill_all();
}

void FabricRunner::fail(SupervisorError error) {
  if (std::exchange(is_stopping_, true)) return;
  orders_.end();
  logs_.keep({std::chrono::system_clock::now(), "supervisor", LogLevel::error, "",
              fmt::format("The fabric cannot start. {}", error.message)});
  error_ = std::move(error);
  exit_code_ = kExitFailed;
  fleet_.kill_all();
  if (fleet_.is_gone()) finish();
}

void FabricRunner::finish() {
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

void FabricRunner::say(LogLevel level, std::string message) {
  logs_.add({std::chrono::system_clock::now(), "supervisor", level, "", std::move(message)});
}

void FabricRunner::tell(SupervisorEventKind kind, std::string text) const {
  if (options_.on_event) options_.on_event({kind, std::move(text)});
}

}  // namespace epic::cluster
