// What shards that come, go and are lost mean for what lives in them.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

void Kernel::on_shard_map(ShardMap map) {
  const Scope scope(*this);
  if (map.version <= routing_.version()) return;
  EPIC_ASSERT(map.owners.size() == options_.shard_count, "a map of {} shards, where {} are", map.owners.size(),
              options_.shard_count);
  Routing::Changes changes = routing_.on_map(std::move(map));
  for (const ShardId shard : changes.lost) lose_shard(shard);
  if (!changes.given.empty()) {
    park_held();
    syscalls_.take(std::move(changes.given));
  }
  routing_.retry_all();
}

void Kernel::on_taken(std::span<const ShardEpoch> epochs) {
  const Scope scope(*this);
  for (const ShardEpoch& taken : epochs) routing_.on_taken(taken.shard, taken.epoch);
}

// ---- giving a shard back ----

void Kernel::on_release(std::span<const ShardId> shards) {
  const Scope scope(*this);
  for (const ShardId shard : shards) routing_.on_asked_back(shard, now_ns_);
}

void Kernel::on_closed(ShardId shard) {
  activations_.for_each_of(shard, [this](Activation& activation) { ask_to_stop(activation, StopCause::moved); });
  check_released(shard);
}

void Kernel::check_released(ShardId shard) {
  if (!routing_.try_release(shard, activations_.count_of(shard) == 0)) return;
  syscalls_.released(shard);
  routing_.retry(shard);  // others' calls are refused, and ours wait for the next owner
}

void Kernel::on_reopened(ShardId shard) {
  activations_.for_each_of(shard, [this](Activation& activation) { take_back_stop(activation); });
  routing_.retry(shard);
}

bool Kernel::waits_for_calls(ShardId id) {
  const auto runs_there = [id](const Record* record) {
    const Activation* activation = activation_of(record);
    return activation != nullptr && activation->shard == id &&
           (record->state == Record::State::running || record->is_abandoned);
  };
  bool waits = false;
  calls_.for_each([&](const Record& record) {
    waits = waits || (record.method != nullptr && runs_there(record.caller) && !runs_there(&record));
  });
  return waits;
}

/// What runs in a shard for so long keeps all its callers waiting: it is ended.
void Kernel::end_running(ShardId id) {
  abort(fmt::format("its shard moves to another node, and waited for it for {} s",
                    std::chrono::duration_cast<std::chrono::seconds>(limits::kReleasePatience).count()),
        [&](const Record& record) {
          const Activation* activation = activation_of(&record);
          return activation != nullptr && record.has_run && activation->shard == id;
        });
}

/// True when one who waits for this call, at once or through others, belongs to a shard that is closed: that shard
/// cannot leave before the call has ended. It may overtake calls that wait already, as it would wait for ever with
/// them.
bool Kernel::holds_up_a_move(const Record& record) const {
  const auto is_closed = [this](std::string_view entity) { return routing_.is_closed(shard_of(entity)); };
  for (const Record* link = &record; link != nullptr; link = link->caller) {
    if (link != &record && link->callee && is_closed(link->callee->text)) return true;
    if (link->site != nullptr && std::ranges::any_of(link->site->chain, [&](const ChainLink& remote) {
          return remote.entity.contains('/') && is_closed(types_.stored(remote.entity));
        }))
      return true;
  }
  return false;
}

// ---- losing it ----

void Kernel::lose_shard(ShardId shard) {
  std::vector<ActivationId> lost;
  activations_.for_each_of(shard, [&](const Activation& activation) { lost.push_back(activation.id); });
  for (const ActivationId id : lost)
    if (Activation* activation = activations_.find(id))
      discard(*activation, ErrorCode::node_lost,
              fmt::format("{}: its shard was given to another node", shown(activation->name)));
}

}  // namespace epic::kernel
