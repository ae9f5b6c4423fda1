#pragma once
// Routing: where a call goes. Here, to another node, back to where it came from, or into a line to wait.
//
// LocalShards knows what this node owns, ShardRouter what may be sent to the others; Routing puts one question to both.
// A call from another node that went by a map older than this owner's time, or came to a shard that is not ours, is
// refused: its sender finds the owner. A call whose shard is on its way to this node, or closed before it leaves, is
// parked.
//
// Not here: how a call starts, is encoded, or ends (calls/); whether what it has seen is durable (saving/).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "kernel/routing/local_shards.hpp"
#include "kernel/routing/shard_router.hpp"

namespace epic::kernel {

class Routing {
 public:
  class Listener : public ShardRouter::Listener, public LocalShards::Listener {
   protected:
    ~Listener() = default;
  };
  enum class Way : std::uint8_t { here, send, park, refuse };
  struct Decision {
    Way way;
    PeerAddress owner{};  // to send it to
  };
  /// What a new map changes for this node.
  struct Changes {
    std::vector<ShardId> lost;
    std::vector<ShardId> given;
  };

  Routing(PeerAddress self, Listener& listener) : self_(self), local_(listener), router_(listener, self) {}

  /// `is_urgent`: a shard that is being released waits for this call, so it enters closed shards and overtakes.
  [[nodiscard]] Decision decide(const RoutedCall& call, bool is_urgent) const;
  /// Calls can start in it.
  [[nodiscard]] bool is_open(ShardId shard, bool is_urgent) const {
    return is_active(shard) || (is_urgent && is_closed(shard));
  }
  /// A call from another node, sent by the map `by`, to a shard for which it comes too late or to the wrong node.
  [[nodiscard]] bool must_refuse(ShardId shard, MapVersion by) const;

  void park(RoutedCall& call) { router_.park(call); }
  /// Parks a call until the next commit; its turn may come earlier.
  void park_until_commit(RoutedCall& call);
  void on_committed();
  void on_sent(RoutedCall& call, const PeerAddress& to) { router_.on_sent(call, to); }
  void on_refused(RoutedCall& call, std::int64_t now_ns) { router_.on_refused(call, now_ns); }
  void forget(RoutedCall& call) { router_.forget(call); }
  void on_room(const PeerAddress& at) { router_.on_room(at); }

  /// Empty for a map that is not newer. When its changes have been carried out: retry_all().
  [[nodiscard]] Changes on_map(ShardMap map);
  void on_taken(ShardId shard, Epoch epoch) {
    if (local_.on_taken(shard, epoch)) retry(shard);
  }
  void on_asked_back(ShardId shard, std::int64_t now_ns, std::int64_t announced_ns, std::int64_t grace_ns) {
    local_.on_asked_back(shard, now_ns, announced_ns, grace_ns);
  }
  void on_waits_seen(ShardId shard, std::int64_t now_ns) { local_.on_waits_seen(shard, now_ns); }
  /// True if the shard has been given up now, as it was closed and is empty. Call retry() when that has been reported.
  bool try_release(ShardId shard, bool is_empty) { return local_.try_release(shard, is_empty); }
  bool note_change(ShardId shard, CommitNumber batch) { return local_.note_change(shard, batch); }
  /// The parked calls of a shard have their turn; while the shard is being taken none can start, so they keep waiting
  /// for on_taken(), however many maps arrive meanwhile.
  void retry(ShardId shard) {
    if (state_of(shard) == LocalShards::State::taking) return;
    router_.retry(shard, is_active(shard) ? ShardRouter::Pace::at_once : ShardRouter::Pace::sliced);
  }
  void retry_all() {
    for (const ShardId shard : router_.unblock_all()) retry(shard);
  }
  void block(const PeerAddress& peer, std::int64_t now_ns) { router_.block(peer, now_ns); }

  void on_time(std::int64_t now_ns) {
    router_.on_time(now_ns);
    local_.on_time(now_ns);
  }
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;

  [[nodiscard]] LocalShards::State state_of(ShardId shard) const { return local_.state_of(shard); }
  [[nodiscard]] bool is_active(ShardId shard) const { return state_of(shard) == LocalShards::State::active; }
  [[nodiscard]] bool is_closed(ShardId shard) const { return state_of(shard) == LocalShards::State::releasing; }
  [[nodiscard]] bool is_asked_back(ShardId shard) const { return local_.is_asked_back(shard); }
  [[nodiscard]] bool is_ours(ShardId shard) const { return state_of(shard) != LocalShards::State::none; }
  /// True if the shard's owner before this node has died.
  [[nodiscard]] bool is_orphaned(ShardId shard) const { return local_.is_orphaned(shard); }
  [[nodiscard]] Epoch epoch_of(ShardId shard) const { return local_.epoch_of(shard); }
  /// Nodes of the fabric, this one included.
  [[nodiscard]] std::size_t member_count() const { return router_.map().members.size(); }
  [[nodiscard]] MapVersion version() const { return router_.version(); }
  /// By the newest map; life 0: none, or not known here.
  [[nodiscard]] PeerAddress owner_of(ShardId shard) const { return router_.address_of(router_.owner_of(shard)); }
  [[nodiscard]] PeerAddress address_of(NodeId node) const { return router_.address_of(node); }
  [[nodiscard]] RoutedCall* find_sent(const PeerAddress& peer, std::uint64_t sequence) const {
    return router_.find_sent(peer, sequence);
  }
  /// `peer` will answer nothing any more: its calls are listed until each has been ended or refused.
  void lose(const PeerAddress& peer, bool has_refused) { router_.lose(peer, has_refused); }
  [[nodiscard]] std::vector<ShardRouter::Lost> list_lost(std::size_t count) const { return router_.list_lost(count); }
  [[nodiscard]] bool has_lost() const { return router_.has_lost(); }

 private:
  PeerAddress self_;
  LocalShards local_;
  ShardRouter router_;
  std::set<ShardId> await_commit_;  // shards whose first parked call depends on one
};

}  // namespace epic::kernel
