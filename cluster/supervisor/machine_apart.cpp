// Machines that cannot reach each other: what their supervisors notice, which the leader evicts, and how they come
// back.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cluster/supervisor/machine_supervisor.hpp"

namespace epic::cluster {

namespace control = protocol::control;
using protocol::LogLevel;

/// A machine that this one reaches may not be able to open a link, and could report that over no other way.
void MachineSupervisor::watch_others() {
  auto silent = reach_.list_silent();
  if (machines_) {
    machines_->on_tick(kMachineTick);
    for (protocol::Unreached::Machine& unlinked : machines_->list_unlinked(Reachability::kSilentAfter))
      if (reach_.contains(unlinked.machine)) silent.push_back(std::move(unlinked));
    partitions_.report(machine_, std::move(silent), host_.now());
    return end_partitions();
  }
  if (silent.empty() && !has_reported_) return;
  has_reported_ = !silent.empty();
  agent_.report({std::move(silent)});
}

/// A fabric that has no leader at the moment changes nothing.
void MachineSupervisor::enter_when_reached() {
  if (!leader_ || !addresses_.contains(*leader_) || !reach_.reaches_all()) return reaches_all_since_.reset();
  if (!reaches_all_since_) reaches_all_since_ = host_.now();
  if (host_.now() - *reaches_all_since_ < options_.lease) return;
  is_waiting_ = false;
  say(LogLevel::info, "It has reached all machines for a lease, and belongs to the fabric again.");
  membership_.enter();
}

void MachineSupervisor::refuse_waiting(const ControlReply& reply) const {
  reply.fail(AnswerStatus::failed,
             fmt::format("This machine was evicted from the fabric, because it {}.", options_.evicted),
             control::FailureDetail{.error = "unavailable",
                                    .hint = "It comes back by itself when it can reach all machines of the fabric."});
}

// ---- the leader

/// Also before the fabric begins, so that a machine that cannot greet this one does not hold it up for ever, and while
/// it stops, so that a machine that does not hear of it does not.
void MachineSupervisor::end_partitions() {
  std::vector<ConnectedMachine> machines;
  for (const auto& [machine, address] : addresses_)
    machines.push_back(
        {.name = machine, .shards = fabric_ ? fabric_->count_shards(machine) : 0, .leads = machine == machine_});
  const bool is_stopping = fabric_ && fabric_->is_stopping();
  const auto evictions = partitions_.decide(std::move(machines), host_.now(),
                                            is_stopping ? Partitions::Leader::stays : Partitions::Leader::may_go);
  const auto own = std::ranges::find(evictions, machine_, &Partitions::Eviction::machine);
  if (own != evictions.end()) return on_evicted(describe(*own));  // and the next leader sees to the others
  for (const Partitions::Eviction& eviction : evictions) evict(eviction);
}

/// Its shards go to others when it has given its lease back, or that has ended.
void MachineSupervisor::evict(const Partitions::Eviction& eviction) {
  const std::string why = describe(eviction);
  say(LogLevel::error, fmt::format("{} is evicted: it {}.", eviction.machine, why));
  membership_.evict(eviction.machine, why, [this, machine = eviction.machine, why](bool is_done) {
    if (!is_done) return partitions_.retry(machine);
    if (fabric_) fabric_->note_eviction(machine, why);
  });
}

std::map<std::string, std::string> MachineSupervisor::list_waiting() const {
  auto waiting = waiting_;
  std::erase_if(waiting, [this](const auto& one) { return addresses_.contains(one.first); });
  return waiting;
}

// ---- a machine that is evicted

/// As after the loss of the lease; but the lease is given back, so that nobody waits for its end.
void MachineSupervisor::on_evicted(const std::string& why) {
  agent_.kill_all();
  if (is_leaving_) return finish(kExitOk, std::nullopt);
  evicted_ = why;
  const SupervisorError error{fmt::format("This machine is evicted from the fabric: it {}.", why), {}, {}};
  if (fabric_ && !exit_code_) return fabric_->depose(error);
  fail(error);
}

}  // namespace epic::cluster
