#pragma once
// Router: a client's calls on their way to the nodes that own their entities. No I/O: events in, messages out.
//
// It follows the shard map that nodes push; kernel/routing decides which calls may be sent and which must wait. A call
// that was sent is never sent again unless it was refused, or has an idempotency key. A call ends with a result, with
// the error that the node returned, with NodeLost if its node was lost and it has no key, or at its deadline: Timeout
// if it was sent, Unavailable if it never was.
//
// Single-threaded. A record belongs to the router from submit() to on_end.

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
#include "kernel/placement.hpp"
#include "kernel/routing/shard_router.hpp"
#include "reflect/schema.hpp"

namespace epic::client {

using kernel::Record;
using kernel::RecordRef;

class Router final : private kernel::ShardRouter::Listener {
 public:
  struct Out {
    std::function<void(const kernel::PeerAddress&, kernel::Message)> send;
    /// May a call be sent there now? If not, on_room follows, or on_lost.
    std::function<bool(const kernel::PeerAddress&)> has_room;
    /// Our table of methods has grown; nodes must know it before the next call is sent.
    std::function<void(const kernel::HelloMessage&)> introduce;
  };
  /// `failure` of the record says how it ended, or is null.
  using OnEnd = std::move_only_function<void(RecordRef)>;

  Router(std::uint64_t life, std::chrono::nanoseconds call_timeout, const kernel::Codec& codec, Out out);

  void on_time(std::int64_t now_ns);
  /// Returns the call's number, for cancel().
  std::uint64_t submit(RecordRef call, OnEnd on_end);
  /// Ends it with Cancelled, and so does its node unless it has ended there. Does nothing if it has ended here.
  void cancel(std::uint64_t number);
  /// True if it is a node of another fabric than before; everything learned from the others is then forgotten.
  bool on_hello(const kernel::PeerAddress& node, const kernel::HelloMessage& hello);
  void on_map(kernel::ShardMap map);
  void on_reply(const kernel::PeerAddress& node, const kernel::ReplyMessage& reply);
  /// `running`: "Type/Key.method", which it was running when it died; empty: unknown.
  void on_lost(const kernel::PeerAddress& node, std::string_view running = {});
  /// Calls may be sent to it again.
  void on_room(const kernel::PeerAddress& node) { shards_.on_room(node); }
  /// No node can be reached: calls that wait for one fail with Unavailable.
  void on_unreachable(const std::string& why);

  /// Ends everything with Unavailable.
  void on_closed();

  [[nodiscard]] kernel::HelloMessage hello() const;
  [[nodiscard]] const kernel::ShardMap& map() const { return shards_.map(); }
  [[nodiscard]] std::optional<std::int64_t> next_timer_ns() const;
  [[nodiscard]] std::size_t count() const { return calls_.size(); }

 private:
  struct Pending : kernel::RoutedCall {
    RecordRef record;
    OnEnd on_end;
    std::uint32_t method = 0;   // its place in methods_, once it was sent
    bool may_have_run = false;  // it is sent again, by its key, after its node was lost
  };
  struct PeerMethods {
    std::unordered_map<std::string, std::string> result_schemas;  // text, by "Type.method"
    std::unordered_map<std::uint32_t, reflect::Schema> parsed;    // by place in methods_
  };

  void join(const kernel::HelloMessage& hello);
  void route(kernel::RoutedCall& call) override;
  void send(Pending& pending, const kernel::PeerAddress& to);
  [[nodiscard]] std::string describe_obstacle(kernel::ShardId shard) const;
  void take_back(const kernel::PeerAddress& node);
  void lose_calls(const kernel::PeerAddress& node, std::string_view running);
  void end(Pending& pending, std::exception_ptr failure);
  void read_result(Pending& pending, const kernel::PeerAddress& node, const kernel::ResultPart& result);
  [[nodiscard]] std::uint32_t number_of(const Record& record);

  std::uint64_t life_;
  std::chrono::nanoseconds call_timeout_;
  const kernel::Codec& codec_;
  Out out_;
  std::int64_t now_ns_ = 0;
  std::uint64_t next_sequence_ = 1;
  std::string fabric_;
  std::optional<kernel::Placement> placement_;  // the fabric's; empty: no node has been met
  kernel::ShardRouter shards_{*this};
  std::map<std::uint64_t, Pending> calls_;  // by sequence
  std::set<std::pair<std::int64_t, std::uint64_t>> deadlines_;
  std::vector<kernel::MethodEntry> methods_;
  using Numbers = std::map<std::string, std::uint32_t, std::less<>>;  // by type
  std::unordered_map<const reflect::MethodInfo*, Numbers> numbers_;
  std::map<kernel::PeerAddress, PeerMethods> peers_;
};

}  // namespace epic::client
