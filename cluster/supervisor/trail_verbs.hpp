#pragma once
// TrailVerbs: the control requests that gather what every node knows: `events` and `calls`.
//
// Each sends one request to all nodes and joins the answers. A node that is paused or too busy to answer does not delay
// the others' answers for long: it is named instead, because it may be the cause. Following events repeats the request
// with the cursors of the last answers, so nodes keep no state for it.

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "cluster/control/control_reply.hpp"
#include "cluster/supervisor/fabric_trail.hpp"
#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/node_requests.hpp"
#include "protocol/control_entities.hpp"

namespace epic::cluster {

/// Single-threaded.
class TrailVerbs {
 public:
  static constexpr std::chrono::milliseconds kTimeout{1500};
  static constexpr std::chrono::milliseconds kFollowEvery{250};
  static constexpr std::uint64_t kEventsMax = 100'000;
  static constexpr std::size_t kFollowersMax = 64;

  TrailVerbs(const Host& host, const Fleet& fleet, NodeRequests& requests, const FabricTrail& trail)
      : host_(host), fleet_(fleet), requests_(requests), trail_(trail) {}

  void events(protocol::control::Events::Request request, const ControlReply& reply);
  void calls(const protocol::control::Calls::Request& request, const ControlReply& reply);
  void on_tick(std::chrono::steady_clock::time_point now);
  /// The fabric has stopped: ends the streams.
  void end_all();

 private:
  template <class Verb>
  struct Gathered {
    std::vector<typename Verb::NodeAnswer> answers;
    std::vector<std::string> silent;  // nodes that have not answered
  };
  struct Watch {  // a client that follows events
    protocol::control::Events::Request request;
    ControlReply reply;
    std::uint64_t seen = 0;  // of the supervisor's own events
    std::vector<std::string> silent = {};
    std::chrono::steady_clock::time_point ask_at = {};
    bool is_asking = false;
  };

  template <class Verb>
  void gather(const typename Verb::Request& request, std::function<void(Gathered<Verb>)> on_gathered);
  void ask_events(const std::shared_ptr<Watch>& watch);
  void send_events(Watch& watch, Gathered<protocol::control::Events> gathered) const;

  const Host& host_;
  const Fleet& fleet_;
  NodeRequests& requests_;
  const FabricTrail& trail_;
  std::list<std::shared_ptr<Watch>> followers_;  // shared with the answers in progress
};

}  // namespace epic::cluster
