#pragma once
// ShardRouter: which node a call may be sent to now, and which calls must wait.
//
// Coordination publishes maps of which node owns which shard, and every node and client goes by the newest one that it
// has. Calls between two entities must start in the order in which they were made, also while a shard moves. So nothing
// is sent to a new owner while calls to the former one are unanswered, and calls that cannot be sent are parked by
// sequence number. That holds for the node itself, too, when it becomes the owner. A call that an owner refuses goes
// back to its place in that order. An owner that gets a shard back counts as a new one.
//
// After a refusal nothing more is sent to that shard, and after the loss of a node nothing to that node, until a newer
// map arrives or kRetryParked has passed.
//
// Calls of other nodes that arrive before their shard is ready are parked here, too, in a line of their own: they never
// wait for the calls made here, which may be waiting for them.
//
// Cost:     only shards with parked or unanswered calls take memory; a lost peer costs its own unanswered calls. One
//           tick handles a bounded number of calls, however many are parked or were unanswered at a lost peer.
// Not here: what a call is. The owner of calls derives them from RoutedCall, and encodes, sends and ends them.

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "kernel/ids.hpp"
#include "kernel/limits.hpp"
#include "kernel/messages.hpp"
#include "kernel/routing/by_shard.hpp"
#include "kernel/routing/routed_call.hpp"

namespace epic::kernel {

class ShardRouter {
 public:
  class Listener {
   public:
    /// A parked call has its turn: it must be sent, ended, or parked again.
    virtual void route(RoutedCall& call) = 0;

   protected:
    ~Listener() = default;
  };

  /// `self`: the node that it works for; life 0: a client.
  explicit ShardRouter(Listener& listener, PeerAddress self = {}) : listener_(listener), self_(self) {}

  [[nodiscard]] const ShardMap& map() const { return map_; }
  [[nodiscard]] MapVersion version() const { return map_.version; }
  /// By the newest map; node 0: no owner.
  [[nodiscard]] NodeId owner_of(ShardId shard) const {
    return shard.value < map_.owners.size() ? map_.owners[shard.value] : NodeId{};
  }
  /// Calls sent under an older map than this precede the current ownership, even if the owner had the shard before.
  [[nodiscard]] MapVersion owned_since(ShardId shard) const {
    return shard.value < map_.owned_since.size() ? map_.owned_since[shard.value] : MapVersion{};
  }
  /// The member in a slot, by the newest map; life 0: there is none.
  [[nodiscard]] PeerAddress address_of(NodeId node) const {
    return {node, node.value < lives_.size() ? lives_[node.value] : 0};
  }

  /// The owner that `call` may be sent to now; life 0: it must be parked.
  [[nodiscard]] PeerAddress find_way(const RoutedCall& call) const;
  /// Calls that were sent from here to an owner before this one are unanswered: those made since come after them.
  [[nodiscard]] bool is_former_owner_asked(ShardId shard) const;
  /// A call of the same line that came earlier is parked.
  [[nodiscard]] bool is_behind_another(const RoutedCall& call) const;

  void park(RoutedCall& call);
  void on_sent(RoutedCall& call, const PeerAddress& to);
  /// The owner refused it, and has done nothing: it is parked.
  void on_refused(RoutedCall& call, std::int64_t now_ns);
  /// The call has ended, or takes another path. Parked calls that waited for its answer have their turn.
  void forget(RoutedCall& call);

  /// The call with this number, if it is unanswered at `peer`; otherwise null.
  [[nodiscard]] RoutedCall* find_sent(const PeerAddress& peer, std::uint64_t sequence) const;
  /// `peer` will answer nothing any more. Its calls still count as sent, until each has been ended or refused.
  void lose(const PeerAddress& peer, bool has_refused);
  struct Lost {
    RoutedCall* call;
    bool is_refused;  // has not been started there
  };
  /// Up to `count` of them.
  [[nodiscard]] std::vector<Lost> list_lost(std::size_t count) const;
  [[nodiscard]] bool has_lost() const { return !lost_.empty(); }
  /// The calls that are unanswered at `peer`, by sequence number.
  [[nodiscard]] std::vector<RoutedCall*> list_sent(const PeerAddress& peer) const;
  /// Peers with unanswered calls.
  [[nodiscard]] std::vector<PeerAddress> list_asked() const;

  /// Takes `map`, if it is newer. Call unblock_all() and retry() when everything else that depends on the map has
  /// changed, too.
  bool set_map(ShardMap map);
  /// As before the first map: everything is parked from here on.
  void forget_map();
  /// Sends nothing to `peer` for a while.
  void block(const PeerAddress& peer, std::int64_t now_ns);
  /// Calls that were parked because the peer had no room for them have their turn.
  void on_room(const PeerAddress& at);
  enum class Pace : std::uint8_t {
    at_once,
    sliced,  // some of them in later ticks: for a shard where none of them may start
  };
  /// The parked calls of a shard have their turn, in order. The first of those made here that must wait again ends it
  /// for them; if many may be sent, some are sent in later ticks. `pace`: of those that have arrived.
  void retry(ShardId shard, Pace pace);
  /// Forgets what is blocked. Returns the shards whose parked calls may have their turn.
  [[nodiscard]] std::vector<ShardId> unblock_all();
  void on_time(std::int64_t now_ns);
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const {
    return rests_.empty() ? retry_at_ns_ : std::optional(std::int64_t{0});
  }
  [[nodiscard]] std::size_t shard_count() const { return shards_.size(); }

 private:
  using Line = std::map<std::uint64_t, RoutedCall*>;  // by sequence
  /// A shard that has parked or unanswered calls, or is blocked.
  struct Shard {
    Line parked;
    Line arrived;
    std::uint32_t sent = 0;  // unanswered at `sent_to`
    PeerAddress sent_to;
    MapVersion sent_version;  // of the newest of them
    bool is_blocked = false;
  };
  /// The calls that have had no turn yet, of a shard with more parked calls than one tick may send or refuse.
  struct Rest {
    bool has_arrived = false;  // some that have arrived
    std::uint64_t after = 0;   // … later than this one
  };
  using Sent = boost::unordered_flat_map<std::uint64_t, RoutedCall*>;  // by sequence
  static Line& line_of(Shard& shard, const RoutedCall& call) {
    return call.has_arrived() ? shard.arrived : shard.parked;
  }
  [[nodiscard]] bool is_former_owner_asked(const Shard& shard, ShardId id) const;
  [[nodiscard]] static bool is_behind_another(const Shard& shard, const RoutedCall& call);
  [[nodiscard]] static bool is_unused(const Shard& shard);
  void erase_sent(const RoutedCall& call);
  [[nodiscard]] bool may_be_sent(const RoutedCall& call) const;
  void retry_own(ShardId shard);
  void give_turns(ShardId shard, Rest rest, Pace pace);
  void remove_if_unused(ShardId shard);
  void retry_later(std::int64_t now_ns);

  Listener& listener_;
  PeerAddress self_;
  ShardMap map_;
  std::vector<std::uint64_t> lives_;  // of the members, by node
  ByShard<Shard> shards_;
  std::map<PeerAddress, Sent> sent_;
  std::deque<std::pair<bool, Sent>> lost_;           // at peers that will not answer; whether they have refused them
  std::map<ShardId, Rest> rests_;                    // for the next tick
  std::size_t turns_left_ = limits::kRoutedPerTick;  // in this tick
  std::uint64_t sent_count_ = 0;
  ShardId had_room_last_;  // of those that have waited for it
  std::set<PeerAddress> blocked_;
  std::optional<std::int64_t> retry_at_ns_;  // while something is blocked
};

}  // namespace epic::kernel
