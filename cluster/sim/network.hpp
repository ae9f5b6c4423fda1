#pragma once
// Network: streams of bytes between simulated processes, and what can go wrong with them.
//
// It is a Medium (transport/stream.hpp) for the production protocol, so frames are encoded and cut as on a socket:
// bytes come in order, in pieces of any size, after any delay; a stream takes only as much as fits into its window.
//
// A process has a *place*, and faults are between places: a cut holds up all bytes in one direction or both until it is
// healed, or until the stream is given up; a break ends the streams at once, with the loss of a tail of what was on its
// way; a stream that is half open has ended for one side only. When a process ends, its streams do: the other side
// reads what had arrived, then the end.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cluster/sim/world.hpp"
#include "transport/stream.hpp"

namespace epic::cluster::sim {

struct NetworkOptions {
  nanoseconds delay_max = std::chrono::milliseconds(2);
  std::size_t window_bytes = 256 * 1024;                // on their way in one direction of a stream
  nanoseconds give_up_after = std::chrono::seconds(3);  // bytes that a cut holds up
};

/// The number of a node, or that of a client above all nodes.
using Place = std::uint32_t;

class Network {
 public:
  Network(World& world, NetworkOptions options) : world_(world), options_(options) {}

  /// For one process, at its place; it must not outlive the process.
  [[nodiscard]] std::unique_ptr<transport::Medium> make_medium(Process& process, Place place);
  /// Ends the streams of a process that is gone.
  void on_process_gone(ProcessId process);

  // ---- faults
  void cut(Place from, Place to);
  void heal(Place from, Place to);
  void heal_all();
  /// Streams that `from` dials to `to` never open, until heal_all(); nothing else is held up. As by a firewall.
  void block_dials(Place from, Place to) { blocked_dials_.insert({from, to}); }
  /// Ends the streams between the two.
  void break_streams(Place one, Place other);
  void break_all();
  /// The streams between the two become half open: they end for `one`, but the other hears nothing of it. What it sends
  /// is lost, until it gives up.
  void vanish(Place one, Place other);
  /// Everything takes this many times as long; 1: as usual.
  void set_slowness(std::int64_t times) { slowness_ = times; }
  /// Between the two, in both directions, if that is more.
  void set_slowness(Place one, Place other, std::int64_t times);

 private:
  friend class SimMedium;
  friend class SimStream;
  struct Line;  // both ends of a stream
  struct Listener {
    ProcessId process;
    Place place;
    std::weak_ptr<transport::Medium::OnAccept> on_accept;
  };

  [[nodiscard]] nanoseconds draw_delay(Place one, Place other);
  [[nodiscard]] bool is_cut(Place from, Place to) const { return cuts_.contains({from, to}); }
  /// A handshake takes both directions.
  [[nodiscard]] bool may_not_open(Place dialler, Place listener) const {
    return is_cut(dialler, listener) || is_cut(listener, dialler) || blocked_dials_.contains({dialler, listener});
  }
  [[nodiscard]] std::shared_ptr<Line> connect(Process& dialler, Place place, const Listener& listener);
  void forget_ended();
  [[nodiscard]] std::vector<std::shared_ptr<Line>> list_lines();

  World& world_;
  NetworkOptions options_;
  std::int64_t slowness_ = 1;
  std::map<std::string, Listener> listeners_;                   // by address
  std::map<std::pair<Place, Place>, std::int64_t> slow_pairs_;  // the smaller place first
  std::set<std::pair<Place, Place>> cuts_;
  std::set<std::pair<Place, Place>> blocked_dials_;
  std::vector<std::weak_ptr<Line>> lines_;  // oldest first
  std::uint64_t lines_made_ = 0;
};

}  // namespace epic::cluster::sim
