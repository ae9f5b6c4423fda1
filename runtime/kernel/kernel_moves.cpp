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
  for (const ShardId shard : shards) routing_.on_asked_back(shard, execution_.now_ns);
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

bool Kernel::waits_for_calls(ShardId shard) { return calls_.waits_for_calls(shard); }

/// A call that runs this long in a shard keeps all its callers waiting: it is interrupted.
void Kernel::end_running(ShardId id) {
  calls_.abort(fmt::format("its shard moves to another node, and waited for it for {} s",
                           std::chrono::duration_cast<std::chrono::seconds>(limits::kReleasePatience).count()),
               [&](const Record& record) {
                 const Activation* activation = activation_of(&record);
                 return activation != nullptr && record.has_run && activation->shard == id;
               });
}

// ---- losing it ----

void Kernel::lose_shard(ShardId shard) {
  std::vector<ActivationId> lost;
  activations_.for_each_of(shard, [&](const Activation& activation) { lost.push_back(activation.id); });
  for (const ActivationId id : lost)
    if (Activation* activation = activations_.find(id))
      discard(*activation, ErrorCode::node_lost,
              fmt::format("{}: its shard was given to another node", words_.shown(activation->name)));
}

}  // namespace epic::kernel
