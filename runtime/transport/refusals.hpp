#pragma once
// Why a connection from or to another process was refused, and how often that has happened.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace epic::transport {

enum class Refusal : std::uint8_t {
  wrong_secret,         // one side does not know the other's
  expired_certificate,  // or one that is not valid yet
  wrong_certificate,    // none, or not one of the fabric's authority
  wrong_fabric,         // it said so in its Hello
  not_tls,              // another protocol, or an older TLS
  damaged,              // changed on the way, or a replay
  cut_off,              // it closed the connection before it had proved anything
  slow,                 // no handshake or Hello in time
  too_many,             // others came while it had proved nothing yet
};
inline constexpr std::size_t kRefusals = 9;

/// "wrong secret".
[[nodiscard]] constexpr std::string_view describe(Refusal reason) {
  constexpr std::array<std::string_view, kRefusals> kTexts{"wrong secret",      "expired certificate",
                                                           "wrong certificate", "wrong fabric",
                                                           "not TLS 1.3",       "damaged",
                                                           "cut off",           "slow",
                                                           "too many"};
  return kTexts[static_cast<std::size_t>(reason)];
}

/// Since the start of the process. A value.
class RefusalCounts {
 public:
  void add(Refusal reason, std::uint64_t count = 1) { counts_[static_cast<std::size_t>(reason)] += count; }
  [[nodiscard]] std::uint64_t of(Refusal reason) const { return counts_[static_cast<std::size_t>(reason)]; }
  [[nodiscard]] std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : counts_) sum += count;
    return sum;
  }
  RefusalCounts& operator+=(const RefusalCounts& other) {
    for (std::size_t i = 0; i < kRefusals; ++i) counts_[i] += other.counts_[i];
    return *this;
  }
  bool operator==(const RefusalCounts&) const = default;

 private:
  std::array<std::uint64_t, kRefusals> counts_{};
};

}  // namespace epic::transport
