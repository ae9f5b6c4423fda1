// Shards that come, go, and are lost; and which calls must not wait while one is on its way.
//
// A shard that is asked back leaves when nothing of it runs any more, and new calls wait for its next owner. But what
// runs may itself wait for a call to an entity of a shard that is on its way, its own perhaps: such a call holds up the
// move, so it is let in, by the holder of that shard. The chain in the envelope tells.

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
    if (shard.owner != NodeId{0}) shard.holder = shards_.address_of(shard.owner);
    const bool is_given = shard.owner == options_.self.node && shards_.address_of(shard.owner) == options_.self;
    if (is_given && shard.local == Shard::Local::none) {
      shard.local = Shard::Local::taking;
      to_take.push_back(ShardId{i});
    } else if (shard.owner == NodeId{0} && shard.local == Shard::Local::releasing) {
      // on its way from here to the next owner, and still ours until it is released
    } else if (!is_given && shard.local != Shard::Local::none) {
      shard.local = Shard::Local::none;  // given to another without our release: we were taken for dead
      lose_shard(ShardId{i});
    }
  }
  if (!to_take.empty()) syscalls_.take(std::move(to_take));
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

void Kernel::on_release(std::span<const ShardId> shards) {
  const Scope scope(*this);
  for (const ShardId id : shards) {
    Shard& shard = shards_.at(id);
    if (shard.local != Shard::Local::active) continue;
    shard.local = Shard::Local::releasing;
    shard.release_by_ns = now_ns_ + std::chrono::nanoseconds(limits::kReleasePatience).count();
    if (!release_by_ns_) release_by_ns_ = shard.release_by_ns;
  }
  for (std::size_t slot = 0; slot < activations_.slot_count(); ++slot) {
    Activation* activation = activations_.at(slot);
    if (activation == nullptr || shards_.at(activation->shard).local != Shard::Local::releasing) continue;
    ask_to_stop(*activation, StopCause::moved);
  }
  for (const ShardId id : shards) check_released(id);
}

void Kernel::check_released(ShardId id) {
  Shard& shard = shards_.at(id);
  if (shard.local != Shard::Local::releasing || shard.activations > 0) return;
  shard.local = Shard::Local::none;
  syscalls_.released(id);
}

void Kernel::lose_shard(ShardId shard) {
  std::vector<ActivationId> lost;
  for (std::size_t slot = 0; slot < activations_.slot_count(); ++slot)
    if (Activation* activation = activations_.at(slot); activation != nullptr && activation->shard == shard)
      lost.push_back(activation->id);
  for (const ActivationId id : lost)
    if (Activation* activation = activations_.find(id))
      discard(*activation, ErrorCode::node_lost,
              fmt::format("{}: its shard was given to another node", shown(activation->name)));
}

// ---- calls that hold up a move ----

bool Kernel::is_on_its_way(ShardId id) const {
  const Shard& shard = shards_.at(id);
  return shard.local == Shard::Local::releasing ||
         (shard.local == Shard::Local::none && (shard.owner == NodeId{0} || shard.is_blocked));
}

bool Kernel::is_any_on_its_way(const std::vector<ChainLink>& chain) const {
  return std::ranges::any_of(chain, [this](const ChainLink& link) {
    return link.entity.contains('/') && is_on_its_way(shard_of(link.entity));
  });
}

/// True when one who waits for this call, at once or through others, belongs to a shard that is on its way: that shard
/// cannot leave before the call has ended. It may overtake calls that wait already, as it would wait for ever with
/// them.
bool Kernel::holds_up_a_move(const Record& record) const {
  for (const Record* link = &record; link != nullptr; link = link->caller) {
    if (link != &record && link->callee && is_on_its_way(shard_of(link->callee->text))) return true;
    if (link->site != nullptr && is_any_on_its_way(link->site->chain)) return true;
  }
  return false;
}

/// Who has a shard that is perhaps on its way; an address with life 0 when that one is gone.
PeerAddress Kernel::holder_of(const Shard& shard) const {
  const bool is_there = shards_.address_of(shard.holder.node) == shard.holder;
  return is_there ? shard.holder : PeerAddress{shard.holder.node, 0};
}

/// What runs in a shard for so long after it was asked back keeps all its callers waiting: it is ended.
void Kernel::end_overdue_releases() {
  release_by_ns_.reset();
  const auto is_overdue = [this](const Shard& shard) {
    return shard.local == Shard::Local::releasing && shard.release_by_ns <= now_ns_;
  };
  abort(fmt::format("its shard moves to another node, and waited for it for {} s",
                    std::chrono::duration_cast<std::chrono::seconds>(limits::kReleasePatience).count()),
        [&](const Record& record) {
          const Activation* activation = activation_of(&record);
          return activation != nullptr && record.has_run && is_overdue(shards_.at(activation->shard));
        });
  for (std::uint16_t i = 0; i < shards_.count(); ++i) {
    Shard& shard = shards_.at(ShardId{i});
    if (shard.local != Shard::Local::releasing) continue;
    if (is_overdue(shard)) shard.release_by_ns = now_ns_ + std::chrono::nanoseconds(limits::kReleasePatience).count();
    release_by_ns_ = std::min(release_by_ns_.value_or(INT64_MAX), shard.release_by_ns);
  }
}

}  // namespace epic::kernel
