#pragma once
// The yardstick for a remote call: bytes to another process over a UNIX socket and back, with blocking reads and
// writes.

#include <cstddef>
#include <optional>
#include <vector>

#include "support/child.hpp"

namespace epic::bench {

/// A process that echoes, until the object is destroyed.
class BareSocketEcho {
 public:
  explicit BareSocketEcho(std::size_t message_bytes = 64);
  BareSocketEcho(const BareSocketEcho&) = delete;
  BareSocketEcho& operator=(const BareSocketEcho&) = delete;
  ~BareSocketEcho();

  void round_trip();

 private:
  int socket_ = -1;
  std::vector<std::byte> message_;
  std::optional<test::Child> echo_;
};

}  // namespace epic::bench
