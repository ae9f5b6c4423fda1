#pragma once
// Refusals in the form in which `epic ps` has them.

#include "protocol/node_counters.hpp"
#include "transport/refusals.hpp"

namespace epic::transport {

[[nodiscard]] inline protocol::control::Refused count_refused(const RefusalCounts& counts) {
  using enum Refusal;
  return {.wrong_secret = counts.of(wrong_secret),
          .expired_certificate = counts.of(expired_certificate),
          .wrong_certificate = counts.of(wrong_certificate),
          .wrong_fabric = counts.of(wrong_fabric),
          .not_tls = counts.of(not_tls),
          .damaged = counts.of(damaged),
          .cut_off = counts.of(cut_off),
          .slow = counts.of(slow),
          .too_many = counts.of(too_many)};
}

}  // namespace epic::transport
