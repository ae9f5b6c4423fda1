// Shards that come, go, and are lost.
//
// A shard that is asked back is closed: new calls wait here, and it leaves when nothing of it runs any more; they are
// refused then, and find the next owner. But what runs may itself wait for one of those calls. When such a call comes
// from inside, its chain tells, and it is let in. It may also come from a call that keeps busy what is waited for, and
// no chain tells that: so, when what runs has waited for others for a window of time, the shard is opened again for a
// while, all calls are let in, and then it is closed for a longer window. That is how locks are taken in no order
// without a deadlock: try, give up, wait, try again.
//
//   asked back ─▶ closed ─▶ drained: released
//                 │    ▲
//   25, 100, … ms ▼    │ as long, at most 100 ms
//                 open again
//
// The last window is kReleasePatience: what runs at its end is ended.

#include <fmt/format.h>

#include <algorithm>

#include "kernel/errors.hpp"
#include "kernel/kernel.hpp"
#include "kernel/kernel_scope.hpp"

namespace epic::kernel {

void Kernel::on_shard_map(ShardMap map) {
  const Scope scope(*this);
  if (map.version <= shards_.version()) return;
  EPIC_ASSERT(map.owners.size() == shards_.count(), "a map of {} shards, where {} are", map.owners.size(),
              shards_.count());
  std::vector<ShardId> to_take;
  shards_.set_map(std::move(map));
  for (std::uint16_t i = 0; i < shards_.count(); ++i) {
    Shard& shard = shards_.at(ShardId{i});
    shard.owner = shards_.map().owners[i];
    const auto& moving = shards_.map().moving;
    const bool is_moving = std::ranges::find(moving, ShardId{i}) != moving.end();
    const bool is_ours = shard.owner == options_.self.node && shards_.address_of(shard.owner) == options_.self;
    if (is_ours && shard.local == Shard::Local::none && !is_moving) {
      shard.local = Shard::Local::taking;
      to_take.push_back(ShardId{i});
    } else if (!is_ours && shard.local != Shard::Local::none) {
      shard.local = Shard::Local::none;  // given to another without our release: we were taken for dead
      shard.release.reset();
      lose_shard(ShardId{i});
    }
  }
  if (!to_take.empty()) {
    park_held();
    syscalls_.take(std::move(to_take));
  }
  unblock_all();
}

void Kernel::on_taken(std::span<const ShardEpoch> epochs) {
  const Scope scope(*this);
  for (const ShardEpoch& taken : epochs) {
    Shard& shard = shards_.at(taken.shard);
    if (shard.local != Shard::Local::taking) continue;
    shard.local = Shard::Local::active;
    shard.epoch = taken.epoch;
    flush_parked(taken.shard);
  }
}

// ---- giving a shard back ----

void Kernel::on_release(std::span<const ShardId> shards) {
  const Scope scope(*this);
  for (const ShardId id : shards) {
    Shard& shard = shards_.at(id);
    if (shard.local != Shard::Local::active || shard.release) continue;
    shard.release = Shard::Release{.window_ns = limits::kReleaseWindow.count()};
    close(id);
  }
}

void Kernel::close(ShardId id) {
  Shard& shard = shards_.at(id);
  shard.local = Shard::Local::releasing;
  shard.release->closed_ns = now_ns_;
  shard.release->turn_ns = now_ns_ + std::min<std::int64_t>(shard.release->window_ns,
                                                            std::chrono::nanoseconds(limits::kReleasePatience).count());
  next_release_ns_ = std::min(next_release_ns_.value_or(INT64_MAX), shard.release->turn_ns);
  activations_.for_each_of(id, [this](Activation& activation) { ask_to_stop(activation, StopCause::moved); });
  check_released(id);
}

void Kernel::check_released(ShardId id) {
  Shard& shard = shards_.at(id);
  if (shard.local != Shard::Local::releasing || activations_.count_of(id) > 0) return;
  shard.local = Shard::Local::none;
  shard.release.reset();
  syscalls_.released(id);
  flush_parked(id);  // others' calls are refused, and ours wait
}

void Kernel::reopen(ShardId id) {
  Shard& shard = shards_.at(id);
  shard.local = Shard::Local::active;
  shard.release->turn_ns = now_ns_ + std::min<std::int64_t>(shard.release->window_ns, limits::kReleaseOpenMax.count());
  shard.release->window_ns *= limits::kReleaseWindowGrowth;
  activations_.for_each_of(id, [this](Activation& activation) { take_back_stop(activation); });
  flush_parked(id);
}

void Kernel::turn_releases() {
  next_release_ns_.reset();
  for (std::uint16_t i = 0; i < shards_.count(); ++i) {
    if (const auto& release = shards_.at(ShardId{i}).release; release && release->turn_ns <= now_ns_)
      turn_release(ShardId{i});
    if (const auto& release = shards_.at(ShardId{i}).release)
      next_release_ns_ = std::min(next_release_ns_.value_or(INT64_MAX), release->turn_ns);
  }
}

void Kernel::turn_release(ShardId id) {
  Shard& shard = shards_.at(id);
  if (shard.local == Shard::Local::active) return close(id);
  Shard::Release& release = *shard.release;
  const std::int64_t patience_ns = std::chrono::nanoseconds(limits::kReleasePatience).count();
  if (release.window_ns < patience_ns && waits_for_calls(id)) return reopen(id);
  const bool is_over = release.closed_ns + patience_ns <= now_ns_;
  release.turn_ns =
      is_over ? now_ns_ + patience_ns : std::min(now_ns_ + release.window_ns, release.closed_ns + patience_ns);
  if (is_over) end_running(id);
}

/// True when something that runs of the shard waits for a call that does not run there itself.
bool Kernel::waits_for_calls(ShardId id) const {
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
  const auto is_closed = [this](std::string_view entity) {
    return shards_.at(shard_of(entity)).local == Shard::Local::releasing;
  };
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
