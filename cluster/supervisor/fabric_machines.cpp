// The machines of a fabric as they come and go, and what its next leader has to know.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cluster/supervisor/fabric.hpp"

namespace epic::cluster {

using kernel::NodeId;
using protocol::LogLevel;

void Fabric::open_machines() {
  if (takeover_.is_takeover) {
    is_ready_ = true;
    fleet_.mark_started();
    is_going_on_ = true;
    setup_.resume(
        static_cast<SetupState>(std::min(takeover_.notes.setup, static_cast<std::uint32_t>(SetupState::failed))));
    quarantine_.go_on(takeover_.notes.suspects, host_.now() - takeover_.notes.age);
    trail_.go_on(takeover_.notes.events, std::move(takeover_.last_owners));
    shards_.inherit(std::move(takeover_.shards));
  }
  note();
  machines_->open(
      fleet_.fabric_id(),
      {.on_arrived = [this](const protocol::Hello& machine) { on_machine_arrived(machine); },
       .on_gone = [this](const std::string& machine) { on_machine_gone(machine); },
       .on_leaves = [this](const std::string& machine) { on_machine_leaves(machine); },
       .on_request = [this](const ControlRequest& request, ControlReply reply) { handle(request, std::move(reply)); },
       .on_room = [this] { on_room(); }});
  takeover_.nodes.clear();  // a machine that comes later has none that this term knows
  open_shards();
}

void Fabric::on_machine_arrived(const protocol::Hello& machine) {
  if (is_stopping_) return machines_->dismiss(machine.machine, {.why = "The fabric is stopping."});
  if (!protocol::understand_each_other(machine.speaks, protocol::kSpoken))
    return machines_->dismiss(machine.machine, {.why = fmt::format("This is epic {}, and the fabric runs epic {}: the "
                                                                   "two do not understand each other.",
                                                                   machine.version, options_.version),
                                                .hint = "Install the same version of epic on all machines.",
                                                .is_error = true});
  if (machine.store != options_.store.text())
    return machines_->dismiss(
        machine.machine,
        {.why = fmt::format("Its state is in {}, and the fabric has {}.", machine.store, options_.store.text()),
         .hint = "Give each fabric keys of its own, such as coordination = "
                 "\"etcd://10.0.0.1:2379/arena-2\", or the same store in epic.toml.",
         .is_error = true});
  std::size_t count = 0;
  for (const protocol::LiveNode& live : machine.live) {
    if (takeover_.nodes.contains(live.incarnation)) {
      fleet_.adopt(machine, live);
      ++count;
    } else {
      machines_->drop(machine.machine, live.process);
    }
  }
  for (const auto& [node, on] : takeover_.notes.drained) {
    const NodeSlot* const slot = fleet_.find(node);
    if (on != machine.machine || (slot != nullptr && slot->is_occupied())) continue;
    fleet_.list_drained(machine, node);
    ++count;
  }
  if (machine.machine != machines_->self())
    say(LogLevel::info,
        fmt::format("{} has joined, with {} node{}.", machine.machine, machine.nodes, machine.nodes == 1 ? "" : "s"));
  if (count >= machine.nodes) return;
  protocol::Hello missing = machine;
  missing.nodes -= static_cast<std::uint32_t>(count);
  missing_.push_back(std::move(missing));
  const bool is_in_time = !takeover_.is_takeover || shards_.is_open();
  if (is_in_time && restart_.may_open_shards()) start_missing();
}

/// Those that go on do not wait for them, and a restart at once starts none before all have stopped.
void Fabric::start_missing() {
  for (const protocol::Hello& machine : std::exchange(missing_, {}))
    if (machines_->contains(machine.machine)) fleet_.start_on(machine, machine.nodes);
}

void Fabric::on_machine_gone(const std::string& machine) {
  const auto nodes = fleet_.list_on(machine);
  say(nodes.empty() ? LogLevel::info : LogLevel::error,
      nodes.empty() ? fmt::format("{} has left.", machine)
                    : fmt::format("{} is gone: its lease has ended, and with it the nodes that it had: {}.", machine,
                                  nodes.size()));
  fleet_.forget_machine(machine);
  leaving_.erase(machine);
}

std::size_t Fabric::count_shards(const std::string& machine) const {
  std::size_t count = 0;
  for (const NodeId node : fleet_.list_on(machine)) count += shards_.count_owned(node);
  return count;
}

void Fabric::note_eviction(const std::string& machine, const std::string& why) {
  is_noted_ = false;
  trail_.add({.time = host_.wall_now(), .node = machine, .what = "evicted", .why = why});
}

/// In order: its shards move to the others first.
void Fabric::on_machine_leaves(const std::string& machine) {
  if (is_stopping_ || !leaving_.insert(machine).second) return;
  say(LogLevel::info, fmt::format("{} is leaving.", machine));
  for (const NodeId node : fleet_.list_on(machine)) departures_.leave(node, Afterwards::forgotten, host_.now());
  advance();
}

void Fabric::dismiss_left() {
  std::erase_if(leaving_, [this](const std::string& machine) {
    if (!fleet_.list_on(machine).empty()) return false;
    machines_->dismiss(machine, {.why = "It has left the fabric."});
    return true;
  });
}

/// All that runs is on other machines, and goes on: another supervisor leads once this one has given back its lease.
void Fabric::step_down() {
  if (is_finished_) return;
  is_stopping_ = true;
  orders_.end();
  machines_->abandon();
  fleet_.abandon();
  say(LogLevel::info, "This supervisor leads no more, because its machine has left the fabric.");
  finish();
}

/// What a former leader has begun, and not ended.
void Fabric::go_on() {
  if (!std::exchange(is_going_on_, false)) return;
  for (const auto& [node, machine] : std::exchange(takeover_.notes.drained, {}))
    if (const NodeSlot* const slot = fleet_.find(node); slot != nullptr && slot->process && slot->machine == machine)
      departures_.leave(node, Afterwards::listed, host_.now());
  if (takeover_.has_older_nodes) return restart_.go_on();
  if (Generation{takeover_.notes.restart} > takeover_.generation)
    say(LogLevel::warn,
        "The restart that the former leader had begun has replaced no node yet, and is dropped: request it again.");
}

/// Machines keep it for the next leader.
void Fabric::note() {
  is_noted_ = true;
  if (machines_ == nullptr) return;
  protocol::FabricNotes& last = takeover_.notes;
  protocol::FabricNotes notes{.number = ++last.number,
                              .setup = static_cast<std::uint32_t>(setup_.state()),
                              .generation = fleet_.module().generation.value,
                              .module = fleet_.module().digest,
                              .restart = restart_.next().value,
                              .suspects = quarantine_.quarantine().note(host_.now()),
                              .drained = last.drained,
                              .events = trail_.note()};
  for (const NodeSlot& slot : fleet_.slots())
    if (!is_going_on_ && !slot.is_wanted && slot.is_listed && !restart_.includes(slot.id))
      notes.drained.push_back({slot.id, slot.machine});
  machines_->tell_notes(std::move(notes));
}

}  // namespace epic::cluster
