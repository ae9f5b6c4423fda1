#include "cluster/supervisor/fleet.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "kernel/assert.hpp"

namespace epic::cluster {

using kernel::NodeId;
using protocol::LogLevel;
using std::chrono::milliseconds;
using Kill = KillCause::Reason;

namespace {

constexpr std::chrono::seconds kSilentAfter{1};  // then a node is shown as silent; heartbeats are five a second

std::string member_key(NodeId node) { return fmt::format("{}{}", kMemberPrefix, node); }

milliseconds round_ms(std::chrono::nanoseconds duration) { return std::chrono::duration_cast<milliseconds>(duration); }

std::string join(const protocol::StartFailed& refusal) {
  if (refusal.hint.empty()) return refusal.message;
  return refusal.message + (refusal.message.ends_with('.') ? " " : ". ") + refusal.hint;
}

std::string quote_frames(const std::optional<Crash>& crash) {
  std::string text;
  if (crash)
    for (const std::string& frame : crash->frames) text += "\n  at " + frame;
  return text;
}

std::string quote_lines(const std::deque<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  | " + line;
  return text;
}

}  // namespace

Fleet::Fleet(Host& host, const SupervisorOptions& options, const RunPaths& paths, std::string fabric_id,
             ModuleCopy module, LocalCoordination& coordination, LogHub& logs, Events events, Machines* machines)
    : host_(host),
      options_(options),
      paths_(paths),
      fabric_id_(std::move(fabric_id)),
      module_(std::move(module)),
      coordination_(coordination),
      logs_(logs),
      events_(std::move(events)),
      machines_(machines),
      placement_(kernel::ungrouped(options.shard_count)) {
  for (std::uint16_t number = 1; machines_ == nullptr && number <= options.node_count; ++number)
    make_slot(NodeId{number});
}

/// The slots below it must exist.
NodeSlot& Fleet::make_slot(NodeId node) {
  NodeSlot& slot = slots_.emplace_back(node, paths_.node_socket(node), options_.restart, host_);
  if (machines_ != nullptr) slot.machine = machines_->self();
  return slot;
}

void Fleet::place_on(NodeSlot& slot, const protocol::Hello& machine) {
  slot.machine = machine.machine;
  slot.socket = std::filesystem::path(machine.run_directory) / paths_.node_socket(slot.id).filename();
  slot.is_wanted = slot.is_listed = true;
  slot.leaving_since.reset();
  slot.last_exit.reset();
  slot.crashed_in.clear();
  slot.restarts = 0;
  slot.failed_starts = 0;
}

void Fleet::start_on(const protocol::Hello& machine, std::size_t count) {
  const auto is_free = [](const NodeSlot& slot) { return !slot.is_wanted && !slot.is_listed && !slot.is_occupied(); };
  std::vector<NodeId> started;
  for (NodeSlot& slot : slots_)
    if (started.size() < count && is_free(slot)) {
      place_on(slot, machine);
      started.push_back(slot.id);
    }
  while (started.size() < count) {
    place_on(make_slot(NodeId{static_cast<std::uint16_t>(slots_.size() + 1)}), machine);
    started.push_back(slots_.back().id);
  }
  for (const NodeId node : started) want(node);
}

NodeSlot& Fleet::claim_slot(NodeId node, const protocol::Hello& machine) {
  while (slots_.size() < node.value) {
    NodeSlot& gap = make_slot(NodeId{static_cast<std::uint16_t>(slots_.size() + 1)});
    gap.is_wanted = gap.is_listed = false;
  }
  EPIC_ASSERT(!at(node).is_occupied(), "{} is there twice", at(node).name);
  place_on(at(node), machine);
  return at(node);
}

void Fleet::list_drained(const protocol::Hello& machine, NodeId node) { claim_slot(node, machine).is_wanted = false; }

void Fleet::adopt(const protocol::Hello& machine, const protocol::LiveNode& live) {
  NodeSlot& slot = claim_slot(live.node, machine);
  slot.incarnation = live.incarnation;
  slot.module = {
      .generation = Generation{live.module.generation}, .path = module_.path, .built_at = live.module.built_at};
  slot.started_at = host_.now() - live.age;
  slot.heard_at = host_.now();
  slot.state = NodeState::starting;
  slot.is_adopted = true;
  ++slot.spawned;
  slot.process = machines_->adopt(machine.machine, live, listen(slot));
  on_ready(slot, live.ready);
}

void Fleet::forget_machine(const std::string& machine) {
  for (NodeSlot& slot : slots_)
    if (slot.machine == machine) unwant(slot.id, Afterwards::forgotten);
}

std::vector<NodeId> Fleet::list_on(const std::string& machine) const {
  std::vector<NodeId> nodes;
  for (const NodeSlot& slot : slots_)
    if (slot.machine == machine && (slot.is_wanted || slot.is_occupied())) nodes.push_back(slot.id);
  return nodes;
}

void Fleet::start_all() {
  for (NodeSlot& slot : slots_)
    if (!is_stopping_) start(slot);
}

void Fleet::start(NodeSlot& slot) {
  EPIC_ASSERT(!slot.is_occupied(), "{} is started twice", slot.name);
  slot.incarnation = kernel::Incarnation{host_.random_id()};
  slot.module = slot.trial.value_or(module_);
  slot.started_at = host_.now();
  slot.state = NodeState::starting;
  slot.heartbeat = {};
  slot.kill_cause.reset();
  slot.leaving_since.reset();
  slot.refusal.reset();
  slot.last_lines.clear();
  slot.is_turn_reported = false;
  slot.is_drained = slot.may_leave = false;
  slot.is_paused = false;
  slot.is_adopted = false;
  std::expected<std::unique_ptr<NodeProcess>, SupervisorError> process = std::exchange(slot.spare, nullptr);
  if (*process == nullptr) process = spawn(slot);
  if (!process) {
    slot.state = NodeState::stopped;
    if (!is_started_ || slot.trial) return events_.on_cannot_start(slot.id, process.error());
    say(LogLevel::error, fmt::format("{} {}", process.error().message, process.error().hint));
    return restart_later(slot);
  }
  slot.process = std::move(*process);
  const auto crash_memory = slot.process->crash_memory();
  if (!crash_memory)
    say(LogLevel::warn, fmt::format("A crash of {} will not name its entity: {}.", slot.name, crash_memory.error()));
  const bool is_sent = slot.process->try_send(protocol::Configure{
      .node = slot.id,
      .incarnation = slot.incarnation,
      .fabric_id = fabric_id_,
      .project_directory = options_.project_directory.string(),
      .module_path = slot.module.path.string(),
      .store_kind = options_.store.kind,
      .store_path = options_.store.location.string(),
      .shard_count = options_.shard_count,
      .socket_path = slot.socket.string(),
      .crash_memory = crash_memory.value_or(""),
      .options = options_.fabric,
      .module_origin = {.generation = slot.module.generation.value, .built_at = slot.module.built_at}});
  EPIC_ASSERT(is_sent, "the first message to {} does not fit an empty channel", slot.name);
}

/// A process and its spare have the same slot; what happens to the spare is no business of the node's.
std::expected<std::unique_ptr<NodeProcess>, SupervisorError> Fleet::spawn(NodeSlot& slot) {
  ++slot.spawned;
  std::vector<std::string> arguments{slot.name, options_.project_name};
  if (machines_ != nullptr) return machines_->spawn(slot.machine, std::move(arguments), listen(slot));
  return host_.spawn(
      {.path = options_.node_program, .arguments = std::move(arguments), .directory = options_.project_directory},
      listen(slot));
}

/// To the process that was spawned last.
NodeProcess::Events Fleet::listen(NodeSlot& slot) {
  const auto is_spare = [&slot, number = slot.spawned] { return slot.spare && slot.spawned == number; };
  return {.on_message =
              [this, &slot, is_spare](const protocol::FromNode& message) {
                if (!is_spare()) on_message(slot, message);
              },
          .on_log =
              [this, &slot, is_spare](std::string_view text) {
                add_line(is_spare() ? nullptr : &slot, protocol::parse_log_line(slot.name, text, host_.wall_now()));
              },
          .on_output =
              [this, &slot, is_spare](std::string_view text) {
                add_line(is_spare() ? nullptr : &slot,
                         {host_.wall_now(), slot.name, LogLevel::output, "", std::string(text)});
              },
          .on_garbage =
              [this, &slot, is_spare](const std::string& what) {
                is_spare() ? slot.spare.reset() : kill(slot, {.reason = Kill::bad_message, .detail = what});
              },
          .on_cut_off = [this, &slot, is_spare] { is_spare() ? slot.spare.reset() : on_cut_off(slot); },
          .on_end = [this, &slot, is_spare](ProcessEnd end) { is_spare() ? slot.spare.reset() : on_end(slot, end); }};
}

void Fleet::prepare(NodeId node) {
  NodeSlot& slot = at(node);
  if (slot.spare || is_stopping_) return;
  if (auto spare = spawn(slot)) slot.spare = std::move(*spare);  // otherwise start() tries it, and reports
}

void Fleet::drop_spares() {
  for (NodeSlot& slot : slots_) slot.spare.reset();
}

void Fleet::add_line(NodeSlot* node, protocol::LogLine line) {
  if (node != nullptr) node->last_lines.push_back(protocol::strip_controls(line.message));
  if (node != nullptr && node->last_lines.size() > kLastLinesMax) node->last_lines.pop_front();
  logs_.add(std::move(line));
}

std::string Fleet::stored_name(const std::string& type_or_entity) const {
  const std::string_view type = std::string_view(type_or_entity).substr(0, type_or_entity.find('/'));
  for (const NodeSlot& slot : slots_)
    for (const protocol::RenamedType& renamed : slot.renamed_types)
      if (renamed.name == type) return renamed.stored_name + type_or_entity.substr(type.size());
  return type_or_entity;
}

void Fleet::on_message(NodeSlot& slot, const protocol::FromNode& message) {
  slot.heard_at = host_.now();
  if (const auto* ready = std::get_if<protocol::Ready>(&message)) return on_ready(slot, *ready);
  if (const auto* heartbeat = std::get_if<protocol::Heartbeat>(&message)) return on_heartbeat(slot, *heartbeat);
  if (const auto* refusal = std::get_if<protocol::StartFailed>(&message)) {
    slot.refusal = *refusal;
    logs_.keep({host_.wall_now(), slot.name, LogLevel::error, "", join(*refusal)});
    if (refusal->ends_fabric) events_.on_cannot_go_on({refusal->message, refusal->hint, logs_.file_of(slot.name)});
    return;
  }
  renew(slot);
  if (const auto* drained = std::get_if<protocol::Drained>(&message)) {
    slot.is_drained = drained->is_drained;
    return let_drained_leave();
  }
  if (slot.state == NodeState::ready || slot.state == NodeState::draining) events_.on_message(slot.id, message);
}

/// Nodes that stop together stay until none of them has work left, because the work may be with another of them.
void Fleet::let_drained_leave() {
  const auto is_leaving = [](const NodeSlot& slot) { return slot.state == NodeState::draining && slot.process; };
  if (std::ranges::any_of(slots_, [&](const NodeSlot& slot) { return is_leaving(slot) && !slot.is_drained; })) return;
  for (NodeSlot& slot : slots_)
    if (is_leaving(slot) && !std::exchange(slot.may_leave, true) && !slot.process->try_send(protocol::Leave{}))
      kill(slot, {.reason = Kill::unread});
}

void Fleet::on_ready(NodeSlot& slot, const protocol::Ready& ready) {
  if (is_stopping_ || slot.state != NodeState::starting || slot.kill_cause) return;  // it is being killed
  if (ready.version != options_.version) {
    slot.refusal = protocol::StartFailed{fmt::format("{} is version {}, but this is epic {}.",
                                                     options_.node_program.string(), ready.version, options_.version),
                                         "Reinstall epic, so that all parts have the same version."};
    return kill(slot, {.reason = Kill::wrong_version});
  }
  slot.renamed_types = ready.renamed_types;
  placement_ = {options_.shard_count, ready.groups};
  coordination_.open_lease(options_.silence_max, [this, &slot, incarnation = slot.incarnation](auto lease) {
    on_lease(slot, incarnation, std::move(lease));
  });
}

void Fleet::on_lease(NodeSlot& slot, kernel::Incarnation incarnation, std::expected<LeaseId, CoordinationError> lease) {
  const bool is_there = slot.process && slot.incarnation == incarnation;
  if (!lease) {
    if (is_there) kill(slot, {.reason = Kill::no_member, .detail = lease.error().message});
    return;
  }
  if (!is_there) return coordination_.revoke(*lease, [](const auto&) {});
  slot.lease = *lease;
  coordination_.put_if_absent(member_key(slot.id), fmt::format("{}", incarnation), *lease,
                              [this, &slot, incarnation](auto is_put) {
                                if (!slot.process || slot.incarnation != incarnation)
                                  return;  // its lease has been revoked, too
                                EPIC_ASSERT(!is_put || *is_put, "{} is a member twice", slot.name);
                                if (!is_put)
                                  return kill(slot, {.reason = Kill::no_member, .detail = is_put.error().message});
                                on_member(slot);
                              });
}

void Fleet::on_member(NodeSlot& slot) {
  if (is_stopping_ || slot.state != NodeState::starting || slot.kill_cause) return;
  slot.state = NodeState::ready;
  if (is_started_) slot.failed_starts = 0;
  if (slot.trial) module_ = *std::exchange(slot.trial, std::nullopt);
  const auto took = round_ms(host_.now() - slot.started_at);
  say(LogLevel::info, slot.is_adopted ? fmt::format("{} goes on (pid {}).", slot.name, slot.process->pid())
                                      : fmt::format("{} is ready (pid {}, {}).", slot.name, slot.process->pid(), took));
  events_.on_ready(slot.id);
}

/// Whatever it says shows that it lives. That its lease may have ended meanwhile shows in that its key goes.
void Fleet::renew(NodeSlot& slot) {
  if (slot.lease) coordination_.renew(*slot.lease, [](const auto&) {});
}

void Fleet::on_heartbeat(NodeSlot& slot, const protocol::Heartbeat& heartbeat) {
  slot.heartbeat = heartbeat;
  renew(slot);
  const auto turn = heartbeat.turn_in_progress;
  if (turn < options_.fabric.turn_report) {
    slot.is_turn_reported = false;
    return;
  }
  // A node that is to leave cannot, and does not even hear of it, before its turn ends.
  if (options_.turn_max.count() > 0 && turn >= options_.turn_max)
    return kill(slot, {.reason = Kill::turn_max, .limit = round_ms(turn)});
  if (options_.turn_max.count() > 0 && slot.leaving_since && turn >= options_.fabric.grace &&
      host_.now() - *slot.leaving_since >= options_.fabric.grace)
    return kill(slot, {.reason = Kill::not_stopped});
  if (!std::exchange(slot.is_turn_reported, true))
    say(LogLevel::warn,
        fmt::format("{} has been in one turn for {}, which blocks all its other work. Does a method block?", slot.name,
                    round_ms(turn)));
}

void Fleet::on_tick(TimePoint now) {
  for (NodeSlot& slot : slots_)
    if (slot.process && !slot.process->is_reachable()) renew(slot);  // its silence says nothing
  const auto overdue = coordination_.list_overdue();
  for (NodeSlot& slot : slots_) {
    slot.is_silent = slot.lease && now - slot.heard_at > kSilentAfter;
    if (slot.lease && std::ranges::find(overdue, *slot.lease) != overdue.end())
      kill(slot, {.reason = Kill::silent, .limit = round_ms(options_.silence_max)});
    else if (slot.state == NodeState::starting && now - slot.started_at > options_.start_timeout &&
             slot.process->is_reachable())
      kill(slot, {.reason = Kill::not_ready, .limit = round_ms(options_.start_timeout)});
  }
}

void Fleet::kill(NodeSlot& slot, KillCause cause) {
  if (!slot.process || slot.kill_cause) return;
  slot.kill_cause = std::move(cause);
  say(LogLevel::error, fmt::format("{} {}: killing it.", slot.name, slot.kill_cause->text()));
  const bool is_in_a_turn = slot.kill_cause->reason == Kill::turn_max || slot.kill_cause->reason == Kill::not_stopped;
  if (!is_in_a_turn || !slot.process->try_signal(SIGQUIT)) return slot.process->kill();  // with a report if possible
  slot.timer.expires_after(kReportTimeout, [&slot, killed = slot.incarnation] {
    if (slot.process && slot.incarnation == killed) slot.process->kill();
  });
}

/// Mostly it is about to end, which takes a while. Otherwise it runs another program by now, or is deaf.
void Fleet::on_cut_off(NodeSlot& slot) {
  if (slot.kill_cause) return;
  slot.timer.expires_after(kReportTimeout, [this, &slot, cut_off = slot.incarnation] {
    if (slot.process && slot.incarnation == cut_off) kill(slot, {.reason = Kill::cut_off});
  });
}

void Fleet::on_end(NodeSlot& slot, ProcessEnd end) {
  slot.timer.cancel();
  const std::unique_ptr<NodeProcess> ended = std::move(slot.process);
  const NodeState before = std::exchange(slot.state, NodeState::stopped);
  if (machines_ == nullptr) host_.remove_socket(slot.socket);  // otherwise its machine does
  slot.heartbeat = {};
  slot.is_paused = false;
  slot.last_exit = NodeExit{end, slot.kill_cause};
  auto crash = ended->read_crash();
  if (crash && !slot.last_exit->concerns(*crash)) crash.reset();
  slot.crashed_in = crash ? crash->place() : std::string();
  if (const std::uint64_t lost = ended->count_lost_lines(); lost > 0)
    say(LogLevel::warn, fmt::format("{} ended before it had written its log: {} lost.", slot.name,
                                    lost == 1 ? "1 line is" : fmt::format("{} lines are", lost)));
  const bool is_its_own_deed = crash && crash->source == Crash::Source::last_act;
  const bool is_from_outside = slot.last_exit->end.signal == SIGKILL && !slot.kill_cause && !is_its_own_deed;

  const bool is_in_order = (is_stopping_ || before == NodeState::draining) && slot.last_exit->is_orderly();
  const bool is_wanted_end = is_in_order || (before == NodeState::starting && !slot.is_wanted);
  const std::string lines = is_wanted_end || slot.refusal ? std::string() : quote_lines(slot.last_lines);
  // What keeps the whole fabric from starting is reported as its end, once, and not again for each node.
  const bool is_told_as_end =
      (slot.refusal && slot.refusal->ends_fabric) || (!is_started_ && (slot.refusal || is_stopping_));
  const auto tell = [&](std::string message) {
    protocol::LogLine line{host_.wall_now(), "supervisor", LogLevel::error, "", std::move(message)};
    is_told_as_end ? logs_.keep(std::move(line)) : logs_.add(std::move(line));
  };
  if (is_wanted_end)
    say(LogLevel::info, fmt::format("{} has stopped.", slot.name));
  else if (slot.refusal)
    tell(fmt::format("{} cannot {}: {}", slot.name, before == NodeState::starting ? "start" : "go on",
                     join(*slot.refusal)));
  else
    tell(fmt::format("{} {}{}.{}{}{}", slot.name, slot.last_exit->text(),
                     crash ? " while it ran " + slot.crashed_in : "",
                     is_from_outside ? " epic did not send it; the kernel does when memory runs out." : "",
                     quote_frames(crash), lines.empty() ? "" : " Its last lines:" + lines));

  let_drained_leave();
  events_.on_exit(slot.id, crash);
  if (!slot.lease) return on_left(slot, before, is_wanted_end);
  slot.is_leaving = true;
  coordination_.revoke(*std::exchange(slot.lease, std::nullopt), [this, &slot, before, is_wanted_end](const auto&) {
    slot.is_leaving = false;
    on_left(slot, before, is_wanted_end);
  });
}

/// Its process has ended, and it is a member no more.
void Fleet::on_left(NodeSlot& slot, NodeState before, bool is_wanted_end) {
  const bool is_to_come_back = !is_stopping_ && slot.is_wanted && !is_wanted_end;
  // A ready node may still fail with the first shards that it takes.
  const bool is_blameless = slot.kill_cause && slot.kill_cause->is_blameless();
  const bool has_been_starting = before == NodeState::starting || (before == NodeState::ready && !is_started_);
  if (has_been_starting && is_to_come_back && !is_blameless) ++slot.failed_starts;
  if (is_to_come_back && (!is_started_ || slot.trial) && has_been_starting)
    on_end_before_started(slot, before);
  else if (is_to_come_back)
    restart_later(slot);
  events_.on_ended(slot.id);
}

void Fleet::on_end_before_started(NodeSlot& slot, NodeState before) {
  const auto log = logs_.file_of(slot.name);
  if (slot.refusal)
    return events_.on_cannot_start(
        slot.id, {fmt::format("{} cannot start: {}", slot.name, slot.refusal->message), slot.refusal->hint, log});
  // A process that exits has decided to, and would do so again; one that was killed may have had bad luck, and so may
  // one that was ready and fell silent.
  const bool is_refused = slot.kill_cause && before == NodeState::starting;
  const bool is_blameless = slot.kill_cause && slot.kill_cause->is_blameless();
  const bool is_hopeless = !is_blameless && (slot.last_exit->end.signal == 0 || is_refused);
  if (!is_hopeless && slot.failed_starts < kFirstStartAttemptsMax) return restart_later(slot);
  events_.on_cannot_start(
      slot.id, {fmt::format("{} {} while it was starting.{}", slot.name, slot.last_exit->text(),
                            slot.last_lines.empty() ? " It wrote nothing." : quote_lines(slot.last_lines)),
                "Run 'epic doctor' to check the installation, and 'epic build' to rebuild the module.", log});
}

void Fleet::restart_later(NodeSlot& slot) {
  const auto delay = slot.backoff.next_delay(slot.started_at, host_.now());
  slot.state = NodeState::backoff;
  ++slot.restarts;
  say(LogLevel::info, fmt::format("Restarting {} in {}.", slot.name, delay));
  slot.timer.expires_after(delay, [this, &slot] {
    if (slot.state == NodeState::backoff) start(slot);
  });
}

void Fleet::stop_all(std::chrono::nanoseconds grace) {
  is_stopping_ = true;
  drop_spares();
  for (NodeSlot& slot : slots_) {
    slot.timer.cancel();
    if (!slot.leaving_since) slot.leaving_since = host_.now();
    if (slot.state == NodeState::ready) {
      slot.state = NodeState::draining;
      if (!slot.process->try_send(protocol::Stop{grace})) kill(slot, {.reason = Kill::unread});
    } else if (slot.state == NodeState::starting) {
      if (!slot.kill_cause) slot.kill_cause = KillCause{.reason = Kill::not_wanted};
      slot.process->kill();  // it owns nothing yet
    } else if (slot.state == NodeState::backoff) {
      slot.state = NodeState::stopped;
    }
  }
}

std::expected<pid_t, std::string> Fleet::signal(NodeId node, int number) {
  NodeSlot& slot = at(node);
  if (!slot.process || !slot.process->try_signal(number))
    return std::unexpected(
        fmt::format("{} has no process at the moment: its state is '{}'.", slot.name, describe_state(slot)));
  if (number == SIGSTOP) slot.is_paused = true;
  if (number == SIGCONT) slot.is_paused = false;
  if (number == SIGKILL && !slot.kill_cause) slot.kill_cause = KillCause{.reason = Kill::asked_for};
  say(LogLevel::info, fmt::format("Sending SIG{1} to {0}, as requested.", slot.name, ::sigabbrev_np(number)));
  return slot.process->pid();
}

void Fleet::unwant(NodeId node, Afterwards afterwards) {
  NodeSlot& slot = at(node);
  slot.is_wanted = false;
  if (!slot.leaving_since) slot.leaving_since = host_.now();
  slot.is_listed = afterwards == Afterwards::listed;
  slot.trial.reset();
  if (slot.state == NodeState::backoff) {
    slot.timer.cancel();
    slot.state = NodeState::stopped;
  } else if (slot.state == NodeState::starting && !slot.kill_cause) {
    slot.kill_cause = KillCause{.reason = Kill::not_wanted};
    slot.process->kill();  // it owns nothing yet
  }
}

void Fleet::stop_unwanted(NodeId node, std::chrono::nanoseconds grace) {
  NodeSlot& slot = at(node);
  if (slot.is_wanted || slot.state != NodeState::ready) return;
  slot.state = NodeState::draining;
  if (!slot.process->try_send(protocol::Stop{grace})) kill(slot, {.reason = Kill::unread});
}

NodeSlot& Fleet::make_wanted(NodeId node) {
  if (node.value > slots_.size()) make_slot(node);
  NodeSlot& slot = at(node);
  if (!has_machine(slot)) {
    slot.machine = machines_->self();
    slot.socket = paths_.node_socket(node);
  }
  slot.is_wanted = slot.is_listed = true;
  slot.leaving_since.reset();
  return slot;
}

void Fleet::want(NodeId node) {
  NodeSlot& slot = make_wanted(node);
  if (slot.state == NodeState::stopped && !slot.is_occupied() && !is_stopping_) start(slot);
}

void Fleet::try_module(NodeId node, ModuleCopy module) {
  NodeSlot& slot = make_wanted(node);
  EPIC_ASSERT(!slot.is_occupied(), "{} is to try a module but has a process", slot.name);
  slot.trial = std::move(module);
  slot.failed_starts = 0;
  start(slot);
}

void Fleet::begin_again(ModuleCopy module) {
  EPIC_ASSERT(is_gone(), "the nodes are restarted while some still run");
  module_ = std::move(module);
  is_started_ = false;
  for (NodeSlot& slot : slots_) slot.failed_starts = 0;
}

void Fleet::kill_all(KillCause::Reason reason) {
  is_stopping_ = true;
  drop_spares();
  for (NodeSlot& slot : slots_) {
    slot.timer.cancel();
    if (slot.process) {
      if (!slot.kill_cause) slot.kill_cause = KillCause{.reason = reason};
      slot.process->kill();
    } else {
      slot.state = NodeState::stopped;
    }
  }
}

void Fleet::abandon() {
  is_stopping_ = true;
  for (NodeSlot& slot : slots_) slot.timer.cancel();
}

void Fleet::send(NodeId node, const protocol::ToNode& message) {
  if (find(node) == nullptr || !at(node).process) return;
  if (!at(node).process->try_send(message)) kill(at(node), {.reason = Kill::unread});
}

void Fleet::share(NodeId node, const SharedMessage& message) {
  if (find(node) == nullptr || !at(node).process) return;
  if (!at(node).process->try_share(message)) kill(at(node), {.reason = Kill::unread});
}

const NodeSlot* Fleet::find(NodeId node) const {
  return node == NodeId{0} || node.value > slots_.size() ? nullptr : &slots_[node.value - 1u];
}

std::vector<NodeId> Fleet::list_ready() const {
  std::vector<NodeId> ready;
  for (const NodeSlot& slot : slots_)
    if (slot.state == NodeState::ready) ready.push_back(slot.id);
  return ready;
}

bool Fleet::is_any_starting() const {
  return std::ranges::any_of(slots_, [](const NodeSlot& slot) {
    return slot.state == NodeState::starting || slot.state == NodeState::backoff;
  });
}

bool Fleet::is_gone() const { return std::ranges::none_of(slots_, &NodeSlot::is_occupied); }

void Fleet::say(LogLevel level, std::string message) {
  logs_.add({host_.wall_now(), "supervisor", level, "", std::move(message)});
}

}  // namespace epic::cluster
