#pragma once
// Router: a client's calls on their way to the nodes that own their entities. No I/O: events in, messages out.
//
// It goes by the shard map that nodes push. A call whose shard is nobody's, or on its way, is parked; one that a node
// refuses goes back to its place in the order and is sent again by a newer map, or after a while. What has been sent is
// never sent twice unless it was refused. A call ends with a result, the error that the node gave, NodeLost when its
// node went away, or at its deadline: Timeout if it was sent, Unavailable if it never was.
//
// Invariant: nothing is sent to a shard's new owner while calls to the former one are unanswered.
// One thread. A record belongs to the router from submit() to on_end.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernel/codec.hpp"
#include "kernel/entity_lock.hpp"
#include "kernel/messages.hpp"
#include "reflect/schema.hpp"

namespace epic::client {

using kernel::Record;
using kernel::RecordRef;

class Router {
 public:
  struct Out {
    std::function<void(const kernel::PeerAddress&, kernel::Message)> send;
    /// Our table of methods has grown; nodes must know it before the next call is sent.
    std::function<void(const kernel::HelloMessage&)> introduce;
  };
  /// `failure` of the record says how it ended, or is null.
  using OnEnd = std::move_only_function<void(RecordRef)>;

  Router(std::uint64_t life, std::chrono::nanoseconds call_patience, const kernel::Codec& codec, Out out);

  void on_time(std::int64_t now_ns);
  void submit(RecordRef call, OnEnd on_end);
  /// True: it is a node of another fabric than those before, and everything that they said is forgotten.
  bool on_hello(const kernel::PeerAddress& node, const kernel::HelloMessage& hello);
  void on_map(kernel::ShardMap map);
  void on_reply(const kernel::PeerAddress& node, const kernel::ReplyMessage& reply);
  void on_lost(const kernel::PeerAddress& node);
  /// No node can be reached: what waits, and what comes until the next Hello, fails with Unavailable.
  void on_unreachable(const std::string& why);

  /// Everything ends with Unavailable.
  void on_closed();

  [[nodiscard]] kernel::HelloMessage hello() const;
  [[nodiscard]] bool has_map() const { return map_.version.value != 0; }
  [[nodiscard]] const kernel::ShardMap& map() const { return map_; }
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;
  [[nodiscard]] std::size_t count() const { return calls_.size(); }

 private:
  struct Pending {
    RecordRef record;
    OnEnd on_end;
    kernel::ShardId shard;
    bool is_sent = false;
    kernel::MapVersion sent_version;
  };
  struct Shard {
    kernel::NodeId owner;
    kernel::MapVersion owned_since;  // the map that gave it to its owner
    std::set<std::uint64_t> parked;  // sequences, in order
    std::uint32_t sent_count = 0;
    kernel::PeerAddress sent_to;
    kernel::MapVersion sent_version;  // the map that the last of them went by
    bool is_blocked = false;          // its owner refused, or is gone: a newer map, or a while, sets it right
  };
  struct PeerMethods {
    std::unordered_map<std::string, std::string> result_schemas;  // text, by "Type.method"
    std::unordered_map<std::string, reflect::Schema> parsed;
  };

  void join(const kernel::HelloMessage& hello);
  [[nodiscard]] std::set<kernel::PeerAddress> list_sent_to() const;
  void route(std::uint64_t sequence, Pending& pending);
  void send(std::uint64_t sequence, Pending& pending, Shard& shard, const kernel::PeerAddress& to);
  void flush(Shard& shard);
  void flush_all();
  void block(Shard& shard);
  void block_all_of(const kernel::PeerAddress& owner);
  void forget_sent(Pending& pending);
  void take_back(const kernel::PeerAddress& node);
  void end(std::uint64_t sequence, std::exception_ptr failure);
  void read_result(std::uint64_t sequence, Pending& pending, const kernel::PeerAddress& node,
                   const kernel::ResultPart& result);
  [[nodiscard]] std::uint32_t number_of(const Record& record);
  [[nodiscard]] kernel::PeerAddress address_of(kernel::NodeId node) const;

  std::uint64_t life_;
  std::chrono::nanoseconds call_patience_;
  const kernel::Codec& codec_;
  Out out_;
  std::int64_t now_ns_ = 0;
  std::uint64_t next_sequence_ = 1;
  std::string fabric_;
  kernel::ShardMap map_;
  std::vector<Shard> shards_;
  std::map<std::uint64_t, Pending> calls_;
  std::set<std::pair<std::int64_t, std::uint64_t>> deadlines_;
  std::optional<std::int64_t> unblock_at_ns_;
  std::string unreachable_;  // why new calls fail at once; empty: they do not
  std::vector<kernel::MethodEntry> methods_;
  std::map<std::pair<std::string, const reflect::MethodInfo*>, std::uint32_t> numbers_;
  std::map<kernel::PeerAddress, PeerMethods> peers_;
};

}  // namespace epic::client
