#include "protocol/frame_buffer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernel/assert.hpp"

namespace epic::protocol {

static_assert(std::endian::native == std::endian::little, "frames are written in the machine's byte order");

namespace {

constexpr std::size_t kKeptBytes = 256 * 1024;  // of an empty buffer

struct FrameHeader {
  std::uint32_t payload_bytes;
  std::uint32_t magic;
};
static_assert(sizeof(FrameHeader) == kFrameHeaderBytes);

FrameHeader read_header(const std::byte* at) {
  FrameHeader header;
  std::memcpy(&header, at, sizeof header);
  return header;
}

}  // namespace

std::span<std::byte> FrameBuffer::prepare(std::size_t bytes_min) {
  const std::size_t held = end_ - begin_;
  std::size_t wanted = bytes_min;
  if (held >= kFrameHeaderBytes) {
    const FrameHeader header = read_header(bytes() + begin_);
    const std::size_t frame = kFrameHeaderBytes + header.payload_bytes;
    // At most as much again as has come: a large frame that is announced and never sent takes no memory.
    if (header.payload_bytes <= frame_bytes_max_ && frame > held)
      wanted = std::max(wanted, std::min(frame - held, held));
  }
  if (held == 0 && capacity_ > std::max(kKeptBytes, wanted)) capacity_ = begin_ = end_ = 0;
  if (capacity_ - end_ >= wanted) return {bytes() + end_, capacity_ - end_};

  if (capacity_ < held + wanted) {
    const std::size_t word_count = (held + wanted + 7) / 8;
    auto grown = std::make_unique_for_overwrite<std::uint64_t[]>(word_count);
    if (held > 0) std::memcpy(grown.get(), bytes() + begin_, held);
    words_ = std::move(grown);
    capacity_ = word_count * 8;
  } else if (held > 0) {
    std::memmove(bytes(), bytes() + begin_, held);
  }
  begin_ = 0;
  end_ = held;
  return {bytes() + end_, capacity_ - end_};
}

void FrameBuffer::commit(std::size_t filled_bytes) {
  EPIC_ASSERT(filled_bytes <= capacity_ - end_, "{} bytes read into room for {}", filled_bytes, capacity_ - end_);
  end_ += filled_bytes;
}

std::expected<std::optional<std::span<const std::byte>>, WireError> FrameBuffer::next() {
  if (end_ - begin_ < kFrameHeaderBytes) return std::nullopt;
  const FrameHeader header = read_header(bytes() + begin_);
  if (header.magic != kFrameMagic)
    return std::unexpected(WireError{fmt::format("not an epic frame: it starts with {:08x}", header.magic)});
  if (header.payload_bytes > frame_bytes_max_)
    return std::unexpected(
        WireError{fmt::format("a frame of {} bytes; the limit is {}", header.payload_bytes, frame_bytes_max_)});
  if (header.payload_bytes % 8 != 0)
    return std::unexpected(
        WireError{fmt::format("a frame of {} bytes, which is not a whole number of words", header.payload_bytes)});

  const std::size_t frame = kFrameHeaderBytes + header.payload_bytes;
  if (end_ - begin_ < frame) return std::nullopt;
  const std::span<const std::byte> payload{bytes() + begin_ + kFrameHeaderBytes, header.payload_bytes};
  begin_ += frame;
  return payload;
}

}  // namespace epic::protocol
