#pragma once
// Guests: programs outside of the fabric that ask a supervisor over the port where machines join, such as `epic
// --connect`.
//
// A guest has proved that it has the fabric's secret, so it may ask whatever the control socket answers, and is bounded
// as there: one frame's size, what it has not read, and how many there are. One without a request under way goes after
// a while, and sooner when another needs its place.
//
// Not here: TLS and who may connect (transport/tcp_medium.hpp), what the requests do (control_verbs.hpp), the other end
// (remote_control.hpp).

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cluster/control/control_reply.hpp"
#include "cluster/supervisor/host.hpp"
#include "cluster/supervisor/machine_link.hpp"

namespace epic::cluster {

struct GuestLimits {
  std::size_t count_max = 256;
  std::chrono::steady_clock::duration idle_max = std::chrono::minutes(5);
  std::size_t unsent_bytes_max = 128u << 20;
  std::size_t room_bytes = 1u << 20;  // unsent bytes from which on there is no room
};

/// Single-threaded.
class Guests {
 public:
  struct Parts {
    Host& host;
    std::string version;   // of epic
    std::string manifest;  // the text of epic.toml
    std::function<void(const ControlRequest&, ControlReply)> on_request;
    /// Closes and forgets the link of a guest.
    std::function<void(const LinkToMachine&)> drop;
  };

  explicit Guests(Parts parts, GuestLimits limits = {}) : parts_(std::move(parts)), limits_(limits) {}
  Guests(const Guests&) = delete;
  Guests& operator=(const Guests&) = delete;
  ~Guests();

  /// False if a guest does not say that.
  [[nodiscard]] bool try_take(const protocol::FromMachine& message, const std::shared_ptr<LinkToMachine>& link);
  /// The link has ended, or was dropped.
  void on_closed(const LinkToMachine& link);
  /// From time to time.
  void drop_idle();

  [[nodiscard]] std::size_t count() const { return guests_.size(); }
  [[nodiscard]] bool contains(const LinkToMachine& link) const { return guests_.contains(&link); }

 private:
  class Guest;

  [[nodiscard]] std::string find_fault(const protocol::GuestHello& hello) const;
  [[nodiscard]] bool make_room();
  void drop(const LinkToMachine* link);

  Parts parts_;
  GuestLimits limits_;
  std::map<const LinkToMachine*, std::shared_ptr<Guest>> guests_;  // shared with the requests that wait for an answer
};

}  // namespace epic::cluster
