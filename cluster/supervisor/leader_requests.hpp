#pragma once
// LeaderRequests: control requests that came to this machine, on their way to the supervisor that leads.
//
// While no leader can be reached they wait for the next one, up to their deadline, and their clients are told so. What
// a former leader has not answered is asked again if that does no harm; otherwise nobody knows whether it took effect.
// The leader hears of clients that have gone, so that no stream goes on for nobody.
//
// Not here: the link (machine_link.hpp), what the leader answers (control_verbs.hpp).

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "cluster/control/control_reply.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "protocol/control_frames.hpp"

namespace epic::cluster {

/// Single-threaded.
class LeaderRequests {
 public:
  using Send = std::function<void(const ControlRequest&)>;
  using GiveUp = std::function<void(std::uint64_t request)>;
  static constexpr std::size_t kCountMax = 1000;  // more are refused
  /// A client hears that its request waits after this time, and again after each such time.
  static constexpr std::chrono::seconds kTellAfter{1};

  LeaderRequests(Host& host, const SupervisorOptions& options) : host_(host), options_(options) {}

  void ask(const ControlRequest& request, ControlReply reply);
  /// There is a leader: what waits is sent, the oldest first. `give_up`: to a request, by the id that it was sent with.
  void connect(Send send, GiveUp give_up);
  void disconnect();
  /// From the leader, to the request with this id.
  void on_answer(const protocol::ControlAnswer& answer);

 private:
  struct Asked {
    ControlRequest request;
    ControlReply reply;
    Host::TimePoint deadline;  // for a leader to be found
    Host::TimePoint told_at;   // that it waits
  };

  [[nodiscard]] std::chrono::nanoseconds patience_for(const ControlRequest& request) const;
  void wait();
  void give_up_gone();

  Host& host_;
  const SupervisorOptions& options_;
  Send send_;  // empty: no leader can be reached
  GiveUp give_up_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Asked> asked_;  // by the id that the leader sees; in the order in which they came
  Timer timer_{host_};
};

}  // namespace epic::cluster
