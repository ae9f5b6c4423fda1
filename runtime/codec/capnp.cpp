#include "codec/capnp.hpp"

#include <bit>
#include <cstdint>

namespace epic::codec {

static_assert(std::endian::native == std::endian::little, "the segment table is written in its memory representation");

// By hand, because most messages are so small that kj's streams would cost several times the copy. The layout is
// described in https://capnproto.org/encoding.html#serialization-over-a-stream.
void append_message(capnp::MessageBuilder& message, std::vector<std::byte>& out) {
  const auto segments = message.getSegmentsForOutput();
  const auto append = [&out](const void* data, std::size_t size_bytes) {
    const auto* first = static_cast<const std::byte*>(data);
    out.insert(out.end(), first, first + size_bytes);
  };
  const auto append_number = [&append](std::size_t number) {
    const auto word_half = static_cast<std::uint32_t>(number);
    append(&word_half, sizeof word_half);
  };
  if (out.empty()) out.reserve(capnp::computeSerializedSizeInWords(segments) * sizeof(capnp::word));
  append_number(segments.size() - 1);
  for (const auto segment : segments) append_number(segment.size());
  if (segments.size() % 2 == 0) append_number(0);  // up to a whole word
  for (const auto segment : segments) append(segment.begin(), segment.size() * sizeof(capnp::word));
}

}  // namespace epic::codec
