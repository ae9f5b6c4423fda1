#pragma once
// OpenLinks: the links that others have opened to a supervisor, and how long one may be silent.
//
// The side that opens a link has proved the secret and has something to say at once: a machine and a guest greet, and
// others ask for something. A link over which nothing whole has come for kSilenceMax, because the other side is silent
// or sends byte by byte, is to be dropped, unless what it is sent is still on its way. A machine or a guest that has
// greeted may be silent for as long as it likes: the machine's lease ends when it has gone, and Guests ends a guest
// that wants nothing, but not one that follows a log.
//
// Silence is counted in ticks: while this process stands still, others do not grow silent.
//
// Not here: what is said (machine_links.cpp), the time for the handshake before it (transport/tcp_medium.hpp).

#include <chrono>
#include <memory>
#include <vector>

#include "cluster/supervisor/machine_link.hpp"

namespace epic::cluster {

/// Single-threaded.
class OpenLinks {
 public:
  static constexpr std::chrono::seconds kSilenceMax{10};

  struct Silent {
    std::shared_ptr<LinkToMachine> link;
    bool has_spoken = false;  // before
  };

  void add(std::shared_ptr<LinkToMachine> link);
  /// Something whole has come over it.
  void on_message(const LinkToMachine& link);
  /// It is that of a machine or a guest.
  void on_greeted(const LinkToMachine& link);
  /// Null if it is not one of them.
  [[nodiscard]] std::shared_ptr<LinkToMachine> remove(const LinkToMachine& link);
  /// Returns those that have been silent for too long, which it has removed.
  [[nodiscard]] std::vector<Silent> tick(std::chrono::nanoseconds passed);
  /// All have taken what they were sent.
  [[nodiscard]] bool is_sent() const;

 private:
  struct Open {
    std::shared_ptr<LinkToMachine> link;  // shared with what is called by its events
    std::chrono::nanoseconds silence{0};
    bool has_spoken = false;
    bool has_greeted = false;
  };
  [[nodiscard]] std::vector<Open>::iterator find(const LinkToMachine& link);

  std::vector<Open> open_;
};

}  // namespace epic::cluster
