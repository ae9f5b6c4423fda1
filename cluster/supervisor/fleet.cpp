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
  const bool is_sent =
      slot.process->try_send(protocol::Configure{.node = slot.id,
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
                                                 .module_origin = slot.module.origin(),
                                                 .place = {.machine = slot.machine, .tcp = options_.tcp}});
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
    logs_.keep({host_.wall_now(), slot.name, LogLevel::error, "", text_of(*refusal)});
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
  if (!protocol::understand_each_other(ready.speaks, protocol::kSpoken)) {
    slot.refusal = protocol::StartFailed{fmt::format("{} is version {}, which epic {} does not understand.",
                                                     options_.node_program.string(), ready.version, options_.version),
                                         "Reinstall epic, so that all parts have the same version."};
    return kill(slot, {.reason = Kill::wrong_version});
  }
  slot.renamed_types = ready.renamed_types;
  slot.host = ready.host;
  slot.port = ready.port;
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

bool Fleet::is_any_reachable() const {
  return std::ranges::any_of(
      slots_, [](const NodeSlot& slot) { return slot.is_leaving || (slot.process && slot.process->is_reachable()); });
}

bool Fleet::is_gone() const { return std::ranges::none_of(slots_, &NodeSlot::is_occupied); }

void Fleet::say(LogLevel level, std::string message) {
  logs_.add({host_.wall_now(), "supervisor", level, "", std::move(message)});
}

}  // namespace epic::cluster
