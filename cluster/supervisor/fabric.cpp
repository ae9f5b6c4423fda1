#include "cluster/supervisor/fabric.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "reflect/try.hpp"

namespace epic::cluster {

using kernel::NodeId;
using protocol::LogLevel;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds kTick{100};
/// A tick this late means that this process was stopped or the machine slept, so that silence of nodes means nothing.
constexpr std::chrono::seconds kAbsence{1};
constexpr milliseconds kGraceMargin{500};  // so that the nodes' own limit applies first
constexpr milliseconds kSlowStop{1000};    // then what it waits for is reported

/// What the store advises begins with the first sentence that has a command.
SupervisorError split_advice(SupervisorError error) {
  const std::size_t sentence = error.message.rfind(". ", error.message.find('`'));
  if (!error.hint.empty() || !error.message.contains('`') || sentence == std::string::npos) return error;
  error.hint = error.message.substr(sentence + 2);
  error.message.resize(sentence + 1);
  return error;
}

}  // namespace

Fabric::Fabric(FabricParts parts)
    : host_(parts.host),
      options_(parts.options),
      paths_(parts.paths),
      logs_(parts.logs),
      on_end_(std::move(parts.on_end)),
      machines_(parts.machines),
      fetch_module_(std::move(parts.fetch_module)),
      takeover_(std::move(parts.takeover)),
      shards_(options_.shard_count, options_.quiet, takeover_.first_version),
      orders_(host_, std::move(parts.open_store),
              {.term = kernel::Term{parts.run},
               .rule = machines_ != nullptr ? storage::Granter::TermRule::exact : storage::Granter::TermRule::at_least,
               .alive = takeover_.alive},
              {.on_written = {},
               .on_migrated =
                   [this](const storage::StoreIdentity& identity) {
                     say(LogLevel::info, fmt::format("The store was migrated from format {} to {}.",
                                                     *identity.migrated_from, identity.format_version));
                   },
               .on_delay = [this](const std::string& why) { on_grants_delayed(why); },
               .on_deposed = [this](const std::string& why) { on_deposed(why); },
               .on_damage = [this](const std::string& why) { on_store_damaged({why, {}, logs_.directory()}); }},
              shards_, trail_, [this](NodeId node, const SharedMessage& message) { fleet_.share(node, message); }),
      fleet_(host_, options_, paths_,
             takeover_.fabric_id.empty() ? fmt::format("{}/{}", options_.project_directory.string(), parts.run)
                                         : takeover_.fabric_id,
             std::move(parts.module), coordination_, logs_,
             {.on_message = [this](NodeId node, const protocol::FromNode& message) { on_node_message(node, message); },
              .on_ready = [this](NodeId node) { on_node_ready(node); },
              .on_exit = [this](NodeId node, const std::optional<Crash>& crash) { on_node_exit(node, crash); },
              .on_ended = [this](NodeId node) { on_node_ended(node); },
              .on_cannot_start =
                  [this](NodeId, const SupervisorError& error) {
                    if (!restart_.try_give_up(error)) fail(error, KillCause::Reason::not_started);
                  },
              .on_cannot_go_on = [this](SupervisorError error) { on_store_damaged(std::move(error)); }},
             machines_),
      requests_([this](NodeId node, const protocol::ToNode& message) { fleet_.send(node, message); },
                [this](kernel::ShardId shard) { return shards_.find_active_owner(shard); }),
      quarantine_(host_, fleet_, trail_, [this](std::string message) { say(LogLevel::error, std::move(message)); }),
      departures_(host_, options_, fleet_, shards_,
                  [this](std::string message) { say(LogLevel::info, std::move(message)); }),
      restart_({.host = host_,
                .options = options_,
                .fleet = fleet_,
                .shards = shards_,
                .modules = parts.modules,
                .departures = departures_,
                .say = [this](std::string message) { say(LogLevel::info, std::move(message)); }}),
      verbs_({.host = host_,
              .options = options_,
              .fleet = fleet_,
              .shards = shards_,
              .setup = setup_,
              .logs = logs_,
              .requests = requests_,
              .trail = trail_,
              .quarantine = quarantine_.quarantine(),
              .release =
                  [this](const std::string& entity) {
                    is_noted_ = false;
                    return quarantine_.release(entity);
                  },
              .drain = [this](NodeId node) { return drain(node); },
              .scale = [this](std::uint16_t node_count) { return scale(node_count); },
              .restart = [this](const protocol::control::Restart::Request& request,
                                ControlReply reply) { return restart(request, std::move(reply)); },
              .is_restarting = [this] { return restart_.is_under_way(); },
              .list_waiting = std::move(parts.list_waiting),
              .list_machines = std::move(parts.list_machines),
              .find_unrenewed = std::move(parts.find_unrenewed),
              .stop = [this](const std::string& why) { stop(why); }}) {
  coordination_.watch(kMemberPrefix, [this](const CoordinationChange& change) { on_member_change(change); });
}

void Fabric::start() {
  if (takeover_.is_takeover)
    say(LogLevel::info,
        fmt::format("This supervisor leads {} now; {} nodes go on.", options_.project_name, takeover_.alive.size()));
  else
    say(LogLevel::info,
        fmt::format("Starting {} node{} of {} with {}.", options_.node_count, options_.node_count == 1 ? "" : "s",
                    options_.project_name, options_.module_path.string()));
  host_.post([this] { machines_ != nullptr ? open_machines() : fleet_.start_all(); });
  tick();
}

void Fabric::tick() {
  const auto now = host_.now();
  if (now - last_tick_ > kAbsence) coordination_.renew_all();
  last_tick_ = now;
  fleet_.on_tick(now);
  requests_.on_tick(now);
  if (!is_stopping_ && !host_.is_directory_in_place()) on_directory_gone();
  if (!is_stopping_) {
    // Do not wait for a node that keeps failing.
    if (!fleet_.list_ready().empty()) open_shards();
    advance();
    verbs_.on_tick();
  } else if (slow_stop_at_ && now >= *slow_stop_at_) {
    slow_stop_at_.reset();
    for (const NodeSlot& slot : fleet_.slots())
      if (slot.process && !slot.is_drained) tell_slow_stop(slot);
  }
  if (is_cut_short_ && !fleet_.is_any_reachable()) finish();  // the others do not hear that they are killed
  if (!is_finished_) tick_.expires_after(kTick, [this] { tick(); });
}

/// The first map waits for every node, so that shards are granted once.
void Fabric::open_shards() {
  if (shards_.is_open() || is_stopping_ || fleet_.is_any_starting() || !restart_.may_open_shards()) return;
  shards_.open(host_.now());
  start_missing();
  go_on();
  if (is_ready_) fleet_.mark_started();  // it is after a restart: from here on there is no way back
}

/// Whatever has become possible: stop the nodes that own nothing any longer, continue a restart, start moves, answer.
void Fabric::advance() {
  if (is_stopping_) return;
  departures_.advance();
  dismiss_left();
  restart_.advance();
  shards_.on_tick(host_.now());
  if (!is_noted_) note();
  orders_.carry_out();
  verbs_.advance();
}

void Fabric::on_member_change(const CoordinationChange& change) {
  is_noted_ = false;
  const std::string_view number = std::string_view(change.key).substr(kMemberPrefix.size());
  NodeId node{0};
  std::from_chars(number.data(), number.data() + number.size(), node.value);
  const auto now = host_.now();
  if (change.value) {
    const NodeSlot* slot = fleet_.find(node);
    if (slot->is_wanted) shards_.stop_draining(node);  // one before it with this number may have left as no member
    trail_.add({.time = host_.wall_now(),
                .node = slot->name,
                .what = "ready",
                .why = slot->restarts == 0 || !slot->last_exit
                           ? std::string()
                           : fmt::format("restarted after it {}", slot->last_exit->text()),
                .took = std::chrono::duration_cast<std::chrono::microseconds>(now - slot->started_at)});
    shards_.on_joined({.node = node,
                       .incarnation = slot->incarnation,
                       .address = slot->socket.string(),
                       .machine = slot->machine,
                       .host = slot->host,
                       .port = slot->port},
                      slot->module.generation, now);
  } else {
    const std::size_t lost = shards_.count_owned(node);
    shards_.on_left(node, now);
    if (!is_stopping_ && lost > 0 && !shards_.map().members.empty())
      say(LogLevel::info, fmt::format("The {} shards of node-{} go to the other nodes.", lost, node));
  }
  orders_.carry_out();
}

void Fabric::on_node_ready(NodeId node) {
  is_noted_ = false;
  quarantine_.inform(node);  // before it gets a shard
  open_shards();
  advance();
}

void Fabric::on_node_message(NodeId node, const protocol::FromNode& message) {
  if (const auto* taken = std::get_if<protocol::Taken>(&message)) {
    shards_.on_taken(node, *taken, host_.now());
    orders_.carry_out();
    requests_.on_owners_changed();
    check_ready();
  } else if (const auto* released = std::get_if<protocol::Released>(&message)) {
    shards_.on_released(node, *released, host_.now());
    orders_.carry_out();
    advance();
  } else if (std::holds_alternative<protocol::MapWanted>(message)) {
    orders_.send_whole_map(node);
  } else if (const auto* answer = std::get_if<protocol::Answer>(&message)) {
    requests_.on_answer(node, *answer);
  } else if (const auto* done = std::get_if<protocol::SetupDone>(&message)) {
    // A stopping node interrupts its setup; setup runs again on another, as if the node had died.
    const bool is_cut_short = !is_stopping_ && !done->error.empty() && !fleet_.find(node)->is_wanted;
    if (!is_cut_short && setup_.on_done(node, done->error)) on_setup_ended();
  }
}

void Fabric::on_node_exit(NodeId node, const std::optional<Crash>& crash) {
  is_noted_ = false;
  const NodeSlot* slot = fleet_.find(node);
  const bool is_death = crash || !slot->last_exit->is_orderly();
  trail_.add({.time = host_.wall_now(),
              .node = slot->name,
              .what = is_death ? "died" : "ended",
              .why = slot->last_exit->text() + (crash ? " while it ran " + crash->place() : ""),
              .entity = crash ? crash->entity : ""});
  if (is_death) restart_.tell_death(*slot);
  if (is_death) shards_.on_death(node, host_.now());
  if (crash && slot->last_exit->counts_against(*crash)) quarantine_.on_crash(*slot, *crash);
  const auto& killed_for = slot->last_exit->killed_for;
  const bool was_starting = killed_for && killed_for->reason == KillCause::Reason::not_wanted;  // it had no shard
  if (is_stopping_ && is_death && slot->lease && !was_starting) unsaved_.push_back(slot->name);
}

void Fabric::on_node_ended(NodeId node) {
  is_noted_ = false;
  requests_.on_left(node, fleet_.find(node)->crashed_in);
  if (setup_.on_left(node)) on_setup_ended();
  if (!is_stopping_ && fleet_.find(node)->is_wanted) fleet_.want(node);  // requested while it was stopping
  if (is_stopping_) verbs_.on_node_ended(fleet_.find(node)->name);
  if (is_stopping_ && fleet_.is_gone()) return finish();
  check_ready();
  advance();
}

void Fabric::on_grants_delayed(const std::string& why) {
  say(LogLevel::error, "Shards cannot be given to nodes just now: " + why);
}

/// Nodes that have their shards go on; but who is to have them is another's business.
void Fabric::on_deposed(const std::string& why) {
  if (is_stopping_) return;
  if (machines_ != nullptr) return depose({why, "Start this supervisor again.", logs_.directory()});
  end_.error = SupervisorError{why, "Stop the other fabric, or use a store of its own.", logs_.directory()};
  end_.exit_code = kExitFailed;
  stop("another supervisor has the store");
}

void Fabric::depose(SupervisorError error) {
  if (is_finished_) return;
  is_stopping_ = true;
  orders_.end();
  machines_->abandon();
  fleet_.abandon();
  say(LogLevel::error, fmt::format("This supervisor leads no more: {}", error.message));
  end_.error = std::move(error);
  end_.exit_code = kExitFailed;
  finish();
}

/// Nothing can be saved, and what is there may be wrong: so nothing is served either.
void Fabric::on_store_damaged(SupervisorError error) {
  if (std::exchange(is_store_damaged_, true)) return;
  error = split_advice(std::move(error));
  if (!is_stopping_) return fail(std::move(error), KillCause::Reason::store_damaged);
  if (end_.error) return;
  end_.error = std::move(error);
  end_.exit_code = kExitFailed;
}

/// Nobody can reach this fabric any longer, and another may have begun in a directory of the same name.
void Fabric::on_directory_gone() {
  end_.error =
      SupervisorError{fmt::format("{} was moved away or deleted while the fabric ran.", paths_.directory.string()),
                      "Put it back if it was moved, and start again with 'epic run'.",
                      {}};
  end_.exit_code = kExitFailed;
  stop("its directory is gone");
}

void Fabric::check_ready() {
  if (is_stopping_ || !shards_.is_settled()) return;
  if (!is_ready_) {
    is_ready_ = true;
    fleet_.mark_started();
    FabricReady ready{.pid = host_.pid(),
                      .nodes = {},
                      .control_socket = paths_.control_socket,
                      .store = options_.store.shown(),
                      .log_directory = logs_.directory(),
                      .took = std::chrono::duration_cast<milliseconds>(host_.now() - begun_at_)};
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

void Fabric::on_setup_ended() {
  const bool is_done = setup_.state() == SetupState::done;
  note();
  say(is_done ? LogLevel::info : LogLevel::error,
      is_done ? "The module's setup has returned." : fmt::format("The module's setup failed: {}", setup_.error()));
  tell(is_done ? SupervisorEventKind::setup_done : SupervisorEventKind::setup_failed, setup_.error());
  if (options_.after_setup != AfterSetup::exit || is_stopping_) return;
  if (!is_done) {
    end_.error = SupervisorError{
        .message = fmt::format("The module's setup failed: {}", setup_.error()), .hint = {}, .log = logs_.directory()};
    end_.exit_code = kExitFailed;
  }
  stop(is_done ? "setup has returned" : "setup has failed");
}

/// Whether the number of nodes can be changed at the moment.
std::expected<void, SupervisorError> Fabric::check_may_change() const {
  if (is_stopping_) return std::unexpected(SupervisorError{"The fabric is stopping.", {}, {}});
  // Those of machines come when the fabric is open; they are not to come twice.
  if (fleet_.slots().empty()) return std::unexpected(SupervisorError{"The fabric is still starting.", {}, {}});
  if (restart_.is_under_way())
    return std::unexpected(SupervisorError{"A restart is under way.", "Wait until 'epic restart' has returned.", {}});
  return {};
}

std::expected<void, SupervisorError> Fabric::drain(NodeId node) {
  EPIC_TRY(check_may_change());
  EPIC_TRY(departures_.drain(node));
  is_noted_ = false;
  advance();
  return {};
}

std::expected<void, SupervisorError> Fabric::scale(std::uint16_t node_count) {
  EPIC_TRY(check_may_change());
  if (machines_ != nullptr && machines_->has_others())
    return std::unexpected(SupervisorError{"The fabric has several machines, and the number does not say where.",
                                           "Add nodes with 'epic run --join', and remove one with 'epic drain'.",
                                           {}});
  departures_.scale(node_count);
  advance();
  return {};
}

/// The module may have to come from the machine where the restart was requested. It is numbered when it is there: other
/// restarts may be requested meanwhile.
std::expected<void, SupervisorError> Fabric::restart(const protocol::control::Restart::Request& request,
                                                     ControlReply reply) {
  const auto way = request.rolling ? RestartWay::rolling : RestartWay::at_once;
  if (request.module.empty() || !fetch_module_) return begin_restart(way, std::nullopt, std::move(reply));
  const std::chrono::nanoseconds built_at(request.built_at_ns);
  fetch_module_(
      {.generation = 0, .built_at = std::chrono::system_clock::time_point(built_at), .digest = request.module},
      request.address, [this, way, reply](const std::expected<ModuleCopy, SupervisorError>& module) {
        const auto begun = module ? begin_restart(way, *module, reply) : std::unexpected(module.error());
        if (!begun) refuse(begun.error(), reply);
      });
  return {};
}

std::expected<void, SupervisorError> Fabric::begin_restart(RestartWay way, std::optional<ModuleCopy> module,
                                                           ControlReply reply) {
  if (is_stopping_) return std::unexpected(SupervisorError{"The fabric is stopping.", {}, {}});
  if (!is_ready_) return std::unexpected(SupervisorError{"The fabric is still starting.", {}, {}});
  is_noted_ = false;
  return restart_.begin(way, std::move(module), std::move(reply));
}

void Fabric::stop(const std::string& why) {
  if (std::exchange(is_stopping_, true)) return;
  orders_.end();
  say(LogLevel::info, fmt::format("Stopping: {}.", why));
  slow_stop_at_ = host_.now() + kSlowStop;
  tell(SupervisorEventKind::stopping, why);
  fleet_.stop_all(options_.fabric.grace);
  if (fleet_.is_gone()) return finish();
  end_timer_.expires_after(options_.fabric.grace + kGraceMargin, [this] {
    const auto grace = std::chrono::duration_cast<milliseconds>(options_.fabric.grace);
    say(LogLevel::error, fmt::format("Some nodes have not stopped within {}: killing them.", grace));
    tell(SupervisorEventKind::killing, fmt::format("not stopped within {}", grace));
    slow_stop_at_.reset();
    fleet_.kill_all(KillCause::Reason::not_stopped);
  });
}

void Fabric::tell_slow_stop(const NodeSlot& slot) {
  say(LogLevel::info, fmt::format("{} has not finished yet: calls or on_deactivate run there, and have {} to end.",
                                  slot.name, std::chrono::duration_cast<milliseconds>(options_.fabric.grace / 5 * 4)));
  verbs_.on_node_waiting(slot.name);
}

void Fabric::kill(const std::string& why) {
  if (is_finished_) return;
  end_.exit_code = kExitInterrupted;
  is_cut_short_ = true;
  say(LogLevel::warn, fmt::format("Killing all nodes: {}.", why));
  tell(SupervisorEventKind::killing, why);
  slow_stop_at_.reset();
  fleet_.kill_all(KillCause::Reason::cut_short);
}

void Fabric::fail(SupervisorError error, KillCause::Reason reason) {
  if (std::exchange(is_stopping_, true)) return;
  orders_.end();
  logs_.keep({host_.wall_now(), "supervisor", LogLevel::error, "",
              fmt::format("The fabric cannot {}. {}", is_ready_ ? "go on" : "start", error.message)});
  end_.error = std::move(error);
  end_.exit_code = kExitFailed;
  fleet_.kill_all(reason);
  if (fleet_.is_gone()) finish();
}

void Fabric::finish() {
  if (std::exchange(is_finished_, true)) return;
  tick_.cancel();
  end_timer_.cancel();
  requests_.fail_all("The fabric has stopped.");
  restart_.abandon(end_.error);
  if (fleet_.is_gone()) say(LogLevel::info, "All nodes have stopped.");
  std::ranges::sort(unsaved_);
  if (!unsaved_.empty() && end_.exit_code == kExitOk) {
    end_.exit_code = kExitFailed;
    end_.error = SupervisorError{
        fmt::format("{} ended before everything was saved; nothing acknowledged by a gated class is lost.",
                    fmt::join(unsaved_, ", ")),
        "See the log for the reason.", logs_.directory()};
  }
  verbs_.on_all_ended(unsaved_);
  // Otherwise what was lost must show in the next run.
  if (!unsaved_.empty() || is_store_damaged_ || !fleet_.is_gone() || end_.exit_code == kExitInterrupted)
    return on_end_(end_);
  orders_.give_back_all([this] { on_end_(end_); });
}

void Fabric::say(LogLevel level, std::string message) {
  logs_.add({host_.wall_now(), "supervisor", level, "", std::move(message)});
}

void Fabric::tell(SupervisorEventKind kind, std::string text) const {
  if (options_.on_event) options_.on_event({kind, std::move(text)});
}

}  // namespace epic::cluster
