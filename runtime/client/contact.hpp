#pragma once
// Contact: which nodes of the fabric a client is connected to, and how it finds them. No thread, socket or clock of its
// own: the same code runs in a program (session.hpp) and in a simulated one.
//
// Nodes listen at addresses that can be listed; the first one that answers sends the shard map, which says where the
// others are. While none is connected, the list is read repeatedly, and at once for a new call. After kAbsenceMax
// without any, a call waits for one such attempt only, and then fails with Unavailable. A connection may be dead
// without a sign (its other end has gone with its machine), and then nobody sends newer maps: so where the map's node
// does not answer, the process that does is asked for a map.
//
// A tick: begin_tick, what is to be submitted, end_tick. Between ticks come the transport's events.
//
// Invariant: a map counts only from a node that is connected, and of the fabric joined last.
// Not here:  where a call goes (router.hpp), connections (transport/).

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "client/router.hpp"
#include "transport/transport.hpp"

namespace epic::client {

class Contact {
 public:
  /// What it asks of its surroundings.
  struct Uses {
    std::function<std::int64_t()> now_ns;  // monotonic
    /// Where nodes may be listening.
    std::function<std::vector<std::string>()> list_addresses;
    /// "Type/Key.method", which a node was running when it died; empty: unknown.
    std::function<std::string(const kernel::PeerAddress&)> read_last_words;
    /// is_ready() or absence() has changed.
    std::function<void()> on_change;
  };
  /// `place`: of the fabric, for errors.
  Contact(std::uint64_t life, std::chrono::nanoseconds call_timeout, const kernel::Codec& codec, std::string place,
          Uses uses);
  Contact(const Contact&) = delete;
  Contact& operator=(const Contact&) = delete;

  /// For the transport, which must then be given to start().
  [[nodiscard]] transport::TransportEvents events();
  void start(transport::Transport& transport);
  void begin_tick();
  /// Returns its number, for cancel().
  std::uint64_t submit(RecordRef call, Router::OnEnd on_end);
  void cancel(std::uint64_t number);
  /// Returns when the next tick is due; INT64_MAX: after an event.
  [[nodiscard]] std::int64_t end_tick();
  /// Ends all calls with Unavailable. The transport is closed.
  void close() { router_.on_closed(); }

  /// It has a shard map.
  [[nodiscard]] bool is_ready() const { return router_.map().version != kernel::MapVersion{}; }
  /// Why there is no point in waiting for one: no node can be reached, and none is being tried. Empty: there is.
  [[nodiscard]] const std::string& absence() const { return absence_; }
  /// The number of calls that have not ended.
  [[nodiscard]] std::size_t count() const { return router_.count(); }

 private:
  void touch_time();
  void seek(std::int64_t now_ns);
  [[nodiscard]] bool is_long_alone() const;
  void release_waiting();
  void meet_doubtful();
  void on_hello(const kernel::PeerAddress& node, const kernel::HelloMessage& hello);
  void on_lost(const kernel::PeerAddress& node);
  void on_map(const kernel::PeerAddress& node, kernel::ShardMap map);
  void on_unmet(const std::string& address, const std::string& why);
  void set_absence(std::string why);

  std::string place_;
  Uses uses_;
  transport::Transport* transport_ = nullptr;  // null until start()
  Router router_;
  std::set<kernel::PeerAddress> nodes_;  // connected, and of the fabric joined last
  std::set<std::string> seeking_;        // addresses being tried
  std::set<std::string> doubtful_;       // where the map's node does not answer
  std::int64_t seek_at_ns_ = 0;
  std::int64_t sought_at_ns_ = 0;
  std::int64_t alone_since_ns_ = 0;  // no node is connected
  std::string last_unmet_;
  std::string absence_;
  bool is_time_fresh_ = false;
};

/// The error of calls that find no fabric in `place`. `why`: what the last address has answered, or nothing.
[[nodiscard]] std::string describe_absence(const std::string& place, const std::string& why);

}  // namespace epic::client
