// Whatever a peer sends, as its first frame or after a good one, must give an error or a message that can be sent
// again.

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "codec/peer_frames.hpp"
#include "support/messages.hpp"

using epic::codec::append_frame;
using epic::codec::PeerReader;
using epic::protocol::PeerMessage;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

using Payload = std::vector<std::byte>;

Payload payload_of(const PeerMessage& message) {
  Payload frame;
  append_frame(message, frame);
  frame.erase(frame.begin(), frame.begin() + epic::protocol::kFrameHeaderBytes);
  return frame;
}

const std::vector<PeerMessage>& examples() {
  static const std::vector<PeerMessage> messages = epic::test::every_peer_message();
  return messages;
}

}  // namespace

/// Replaces an almost empty payload by a valid one, from which libFuzzer continues.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  if (size < 16) {
    const Payload good = payload_of(examples()[seed % examples().size()]);
    if (good.size() <= max_size) {
      std::memcpy(data, good.data(), good.size());
      size = good.size();
    }
  }
  return LLVMFuzzerMutate(data, size, max_size);
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Payload hello = payload_of(examples().front());
  const std::span bytes(reinterpret_cast<const std::byte*>(data), size);
  (void)PeerReader().read(bytes);
  PeerReader reader;
  if (!reader.read(hello)) std::abort();
  const auto message = reader.read(bytes);
  if (!message) return 0;
  PeerReader other;
  if (!other.read(hello) || other.read(payload_of(*message)) != *message) std::abort();
  return 0;
}
