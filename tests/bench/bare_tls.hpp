#pragma once
// The yardstick for a call to another machine: bytes to another process over TCP with TLS 1.3 and a pre-shared key, and
// back, with OpenSSL's own blocking reads and writes.

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "support/child.hpp"

namespace epic::bench {

/// A process that echoes, until the object is destroyed.
class BareTlsEcho {
 public:
  explicit BareTlsEcho(std::size_t message_bytes = 64);
  BareTlsEcho(const BareTlsEcho&) = delete;
  BareTlsEcho& operator=(const BareTlsEcho&) = delete;
  ~BareTlsEcho();

  void round_trip();

 private:
  struct Line;
  std::unique_ptr<Line> line_;
  std::vector<std::byte> message_;
  std::optional<test::Child> echo_;
};

}  // namespace epic::bench
