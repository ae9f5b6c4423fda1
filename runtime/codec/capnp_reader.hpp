#pragma once
// Reads values from Cap'n Proto messages by a ReadPlan: the decoding half of capnp_codec.hpp.

#include <cstddef>
#include <expected>
#include <span>

#include "codec/read_plan.hpp"
#include "kernel/codec.hpp"

namespace epic::codec {

/// Fills `object`, which must be default-constructed. Never reads outside `bytes` and never throws.
[[nodiscard]] std::expected<void, kernel::CodecError> read_message(std::span<const std::byte> bytes,
                                                                   const ReadPlan& plan, void* object);

}  // namespace epic::codec
