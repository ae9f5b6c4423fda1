#pragma once
// TrailVerbs: the control requests that gather what every node knows: `events` and `calls`.
//
// Each puts one question to all nodes and joins the answers. A node that is paused or too busy to answer does not hold
// the others' answers up for long: it is named instead, as it may be what one is looking for. Following events is
// asking again and again, with the cursors of the last answers; so nodes keep no state for it.

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "cluster/control/control_server.hpp"
#include "cluster/supervisor/fabric_trail.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/node_requests.hpp"

namespace epic::cluster {

/// One thread.
class TrailVerbs {
 public:
  static constexpr std::chrono::seconds kPatience{2};
  static constexpr std::chrono::milliseconds kFollowEvery{250};
  static constexpr std::uint64_t kEventsMax = 100'000;
  static constexpr std::size_t kFollowersMax = 64;

  TrailVerbs(const Fleet& fleet, NodeRequests& requests, const FabricTrail& trail, std::uint16_t shard_count)
      : fleet_(fleet), requests_(requests), trail_(trail), shard_count_(shard_count) {}

  void events(const boost::json::object& body, const ControlReply& reply);
  void calls(const boost::json::object& body, const ControlReply& reply);
  void on_tick(std::chrono::steady_clock::time_point now);
  /// The fabric has stopped: ends the streams.
  void end_all();

 private:
  struct Gathered {
    std::vector<boost::json::object> answers;
    std::vector<std::string> silent;  // nodes that have not answered
  };
  struct Watch {  // one who asked for events
    boost::json::object body;
    ControlReply reply;
    std::uint64_t seen = 0;  // of the supervisor's own trail
    std::vector<std::string> silent = {};
    std::chrono::steady_clock::time_point ask_at = {};
    bool is_asking = false;
  };

  void gather(const std::string& verb, const boost::json::object& body, std::function<void(Gathered)> on_gathered);
  void ask_events(const std::shared_ptr<Watch>& watch);
  void send_events(Watch& watch, Gathered gathered) const;

  const Fleet& fleet_;
  NodeRequests& requests_;
  const FabricTrail& trail_;
  std::uint16_t shard_count_;
  std::list<std::shared_ptr<Watch>> followers_;  // shared with the answers that are under way
};

}  // namespace epic::cluster
