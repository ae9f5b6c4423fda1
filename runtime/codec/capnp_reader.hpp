#pragma once
// Reads values from Cap'n Proto messages by a ReadPlan: the decoding half of capnp_codec.hpp.

#include <cstddef>
#include <expected>
#include <span>

#include "codec/limits.hpp"
#include "codec/read_plan.hpp"
#include "kernel/codec.hpp"

namespace epic::codec {

/// Well-formed bytes that are refused all the same.
struct ReadBounds {
  std::size_t decoded_bytes_max = kDecodedBytesMax;  // of all lists and maps together
  bool only_named_enumerators = false;               // refuse a number that no enumerator has
};

/// Fills `object`, which must be default-constructed. Never reads outside `bytes` and never throws.
[[nodiscard]] std::expected<void, kernel::CodecError> read_message(std::span<const std::byte> bytes,
                                                                   const ReadPlan& plan, void* object,
                                                                   const ReadBounds& bounds = {});

}  // namespace epic::codec
