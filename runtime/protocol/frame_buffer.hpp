#pragma once
// FrameBuffer: cuts a stream of bytes into frames, however the kernel chopped it up.
//
// A frame is an 8-byte header (payload length, then a magic number; both 32-bit little endian) and a payload that is
// a whole number of 8-byte words, so that every payload lies aligned in the buffer and Cap'n Proto reads it in place.
// The magic number turns a stranger on the socket into an error at the first byte, not after gigabytes.
//
// Invariant: never holds more than one frame of the largest size and what one read brought beyond it, nor more than
//            twice what has arrived.
// Not here:  what a payload means (messages.hpp, supervision.hpp), sockets (the transports).

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace epic::protocol {

/// Bytes that are not a valid message: `what` is a sentence for the log. The connection cannot be used any longer.
struct WireError {
  std::string what;
};

inline constexpr std::size_t kFrameHeaderBytes = 8;
/// "epic" in the order in which it is sent.
inline constexpr std::uint32_t kFrameMagic = 0x63697065;

/// One per connection; any thread, one at a time.
class FrameBuffer {
 public:
  explicit FrameBuffer(std::size_t frame_bytes_max) : frame_bytes_max_(frame_bytes_max) {}

  /// Room for a read of at least `bytes_min`. It doubles as the bytes of a large frame come. Ends the life of spans
  /// that next() returned.
  [[nodiscard]] std::span<std::byte> prepare(std::size_t bytes_min = 16 * 1024);

  /// The first `bytes` of what prepare() returned have been filled.
  void commit(std::size_t bytes);

  /// The payload of the next complete frame, valid until prepare(); empty if more bytes are needed. After an error it
  /// always returns the same error.
  [[nodiscard]] std::expected<std::optional<std::span<const std::byte>>, WireError> next();

  /// Bytes held that do not form a complete frame yet.
  [[nodiscard]] std::size_t pending_bytes() const { return end_ - begin_; }

 private:
  [[nodiscard]] std::byte* bytes() { return reinterpret_cast<std::byte*>(words_.get()); }

  std::size_t frame_bytes_max_;
  std::unique_ptr<std::uint64_t[]> words_;  // words, for the alignment
  std::size_t capacity_ = 0;                // bytes
  std::size_t begin_ = 0;                   // Invariant: a multiple of 8, where a header is or will be
  std::size_t end_ = 0;
};

}  // namespace epic::protocol
