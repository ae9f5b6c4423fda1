#include "cluster/supervisor/quarantine_runner.hpp"

#include <fmt/format.h>

namespace epic::cluster {

using kernel::NodeId;

void QuarantineRunner::on_crash(const NodeSlot& slot, const Crash& crash) {
  fleet_.forget_failures(slot.id);  // how often an entity kills nodes is limited here
  const bool was_blocked = slot.kill_cause && slot.kill_cause->reason == KillCause::Reason::turn_max;
  const auto entry = quarantine_.on_death(crash.entity, crash.method, host_.now(),
                                          was_blocked ? slot.kill_cause->limit : std::chrono::milliseconds(0));
  if (!entry) return;
  const std::string why = fmt::format("{} nodes died while they ran {}; next attempt in {} s", entry->deaths,
                                      crash.place(), entry->left.count());
  trail_.add({.time = host_.wall_now(), .node = slot.name, .what = "quarantined", .why = why, .entity = crash.entity});
  say_(fmt::format("{} is quarantined: {}. 'epic release {}' lifts that.", crash.entity, why, crash.entity));
  inform_all();
}

bool QuarantineRunner::release(const std::string& entity) {
  if (!quarantine_.release(entity)) return false;
  trail_.add({.time = host_.wall_now(),
              .node = "supervisor",
              .what = "released",
              .why = "requested by 'epic release'",
              .entity = entity});
  inform_all();
  return true;
}

protocol::Quarantined QuarantineRunner::list() const {
  protocol::Quarantined message;
  for (const Quarantine::Entry& entry : quarantine_.list(host_.now()))
    message.entities.push_back({.entity = entry.entity, .deaths = entry.deaths, .left = entry.left});
  return message;
}

void QuarantineRunner::inform_all() {
  for (const NodeId node : fleet_.list_ready()) inform(node);
}

}  // namespace epic::cluster
