#pragma once
// ShardOrders: carries out what the shard table decides, in order.
//
// A map is published when the store names its owners. What is decided while that is being written waits, and is then
// written together: so a map waits for one write at most before its own, however many were decided in between. Of maps
// that follow each other only the newest is sent. Writing begins when the event at hand is over: shards that a node
// releases together arrive as one read of several messages, and need one write, one map and one take.
//
// A node that has the map before gets what is new in it, which takes a hundred bytes where the whole map of 10,000
// nodes takes nearly a million.
//
// Not here: the decisions (shard_table.hpp), the writing (grant_writer.hpp).

#include <cstddef>
#include <functional>
#include <vector>

#include "cluster/supervisor/fabric_trail.hpp"
#include "cluster/supervisor/grant_writer.hpp"
#include "cluster/supervisor/shard_table.hpp"
#include "cluster/supervisor/shared_message.hpp"

namespace epic::cluster {

/// Single-threaded.
class ShardOrders {
 public:
  using Send = std::function<void(kernel::NodeId, const SharedMessage&)>;

  /// `events.on_written` is this class's own.
  ShardOrders(Host& host, GrantWriter::OpenStore open_store, GrantWriter::Leadership leadership,
              GrantWriter::Events events, ShardTable& shards, FabricTrail& trail, Send send);

  /// Takes the table's new actions. Called after each event that may have caused some.
  void carry_out();
  /// The node's map is not the one before the newest.
  void send_whole_map(kernel::NodeId node);
  /// The fabric stops: shards stay where they are.
  void end() {
    is_ended_ = true;
    orphans_ = shards_.list_orphans();
  }
  /// After end(), when all nodes have ended in order. `then` runs in any case.
  void give_back_all(std::function<void()> then) { grants_.give_back(orphans_, std::move(then)); }

 private:
  void begin();
  void publish(kernel::ShardMap map);
  void on_granted(const std::vector<kernel::ShardId>& orphans);

  Host& host_;
  ShardTable& shards_;
  FabricTrail& trail_;
  Send send_;
  std::vector<ShardTable::Action> actions_;  // not carried out yet
  std::size_t granted_count_ = 0;  // of them, those that may be carried out once that is written; 0: no writing
  bool is_begun_later_ = false;    // posted
  bool is_ended_ = false;
  kernel::ShardMap published_;            // last
  std::vector<kernel::ShardId> orphans_;  // when it ended: no node had them again
  GrantWriter grants_;
};

}  // namespace epic::cluster
