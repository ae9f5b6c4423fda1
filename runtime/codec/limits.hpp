#pragma once
// The bounds of the codecs. What is beyond them is refused when written, so that what was written can be read.

#include <cstddef>
#include <cstdint>

namespace epic::codec {

/// Values inside values inside values: a list of records counts two. Bounds the stack.
inline constexpr int kValueDepthMax = 512;
/// A message that decoders accept. State (8 MiB) and arguments have tighter bounds of their own, in the kernel.
inline constexpr std::size_t kMessageBytesMax = std::size_t{64} << 20;
/// Memory that the elements of all lists and maps of one message may take when decoded, so that a small damaged message
/// cannot ask for more than the machine has.
inline constexpr std::size_t kDecodedBytesMax = std::size_t{1} << 30;
/// What is kept from one encoding to the next, to be used instead of fresh memory.
inline constexpr std::size_t kScratchBytes = 32 << 10;

}  // namespace epic::codec
