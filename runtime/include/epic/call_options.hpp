#pragma once
// What a caller outside the fabric may say of one call: epic::Client, and the clients of a simulated fabric (sim.hpp).

#include <optional>
#include <string>

namespace epic {

/// The options of one call.
struct ClientCallOptions {
  /// Makes the call safe to repeat: however often calls of this method, with these arguments, are made to this entity
  /// with this key within 24 hours, by whatever client, the method runs once and all of them end alike. A repeat joins
  /// the call that runs, or gets its result or exception; if that was cut short by a crash after its first turn was
  /// saved: Interrupted. A call with a key never ends with NodeLost; until its deadline it is sent again. At most 256
  /// bytes of UTF-8, and not empty: BadArguments. Other arguments under a key that was used: BadArguments, too. For
  /// entities with saved state, in a store that all nodes share (sqlite). A result of more than 1 MiB is not kept:
  /// repeats get an error that says so.
  std::optional<std::string> idempotency_key = {};
};

}  // namespace epic
