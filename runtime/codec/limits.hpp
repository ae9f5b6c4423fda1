#pragma once
// The limits of the codecs. They are checked on writing, so that everything written can be read.

#include <cstddef>
#include <cstdint>

#include "reflect/limits.hpp"

namespace epic::codec {

using reflect::kValueDepthMax;
/// The largest message that decoders accept. State (8 MiB) and arguments have smaller limits, in the kernel.
inline constexpr std::size_t kMessageBytesMax = std::size_t{64} << 20;
/// Memory that the elements of all lists and maps of one message may take when decoded, and their number, so that a
/// small damaged message cannot exhaust the machine's memory, decoded or as JSON.
inline constexpr std::size_t kDecodedBytesMax = std::size_t{1} << 30;
inline constexpr std::size_t kElementsMax = std::size_t{1} << 25;

}  // namespace epic::codec
