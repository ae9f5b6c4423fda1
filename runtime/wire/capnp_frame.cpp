#include "wire/capnp_frame.hpp"

#include <fmt/format.h>
#include <kj/exception.h>

#include <algorithm>
#include <cstring>

namespace epic::wire {

namespace {

// A frame is read once or twice; much more says that pointers inside it go round in circles.
constexpr std::uint64_t kTraversalFactor = 4;
constexpr std::uint64_t kTraversalWordsMin = 1024;
constexpr int kNestingMax = 32;

}  // namespace

void append_message_frame(capnp::MessageBuilder& message, std::vector<std::byte>& out) {
  const std::size_t begin = out.size();
  out.resize(begin + kFrameHeaderBytes);
  append_message(message, out);
  const std::size_t payload_bytes = out.size() - begin - kFrameHeaderBytes;
  const std::uint32_t header[2] = {static_cast<std::uint32_t>(payload_bytes), kFrameMagic};
  std::memcpy(out.data() + begin, header, sizeof header);
}

std::expected<void, WireError> read_message_frame(std::span<const std::byte> payload,
                                                  const std::function<void(capnp::MessageReader&)>& read) {
  if (payload.size() % sizeof(capnp::word) != 0)
    return std::unexpected(
        WireError{fmt::format("a message of {} bytes, which is no whole number of words", payload.size())});

  const std::size_t word_count = payload.size() / sizeof(capnp::word);
  const auto* words = reinterpret_cast<const capnp::word*>(payload.data());
  std::vector<std::uint64_t> aligned;
  if (reinterpret_cast<std::uintptr_t>(payload.data()) % alignof(std::uint64_t) != 0) {
    aligned.resize(word_count);
    std::memcpy(aligned.data(), payload.data(), payload.size());
    words = reinterpret_cast<const capnp::word*>(aligned.data());
  }
  capnp::ReaderOptions options;
  options.traversalLimitInWords = std::max<std::uint64_t>(kTraversalFactor * word_count, kTraversalWordsMin);
  options.nestingLimit = kNestingMax;
  try {
    capnp::FlatArrayMessageReader reader(kj::arrayPtr(words, word_count), options);
    read(reader);
    return {};
  } catch (const kj::Exception& error) {
    const kj::StringPtr text = error.getDescription();
    return std::unexpected(
        WireError{fmt::format("a malformed message: {}", std::string_view(text.begin(), text.size()))});
  }
}

}  // namespace epic::wire
