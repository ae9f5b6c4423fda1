#pragma once
// Cap'n Proto messages as frames: the one place where bytes become a reader and a builder becomes bytes.
//
// Reading never throws and never leaves the payload: Cap'n Proto checks every pointer, and what it finds wrong comes
// back as a WireError. For .cpp files of wire/ and cluster/control/ only; nobody's header includes this.

#include <cstddef>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "wire/capnp.hpp"
#include "wire/frame_buffer.hpp"

namespace epic::wire {

/// Appends header and payload in one piece.
void append_message_frame(capnp::MessageBuilder& message, std::vector<std::byte>& out);

/// Runs `read` on a reader over the payload; what Cap'n Proto throws meanwhile becomes the error.
[[nodiscard]] std::expected<void, WireError> read_message_frame(std::span<const std::byte> payload,
                                                                const std::function<void(capnp::MessageReader&)>& read);

/// The usual case: the root struct, made into a value. `read` may itself return a WireError.
template <class Root, class Read>
auto decode_frame(std::span<const std::byte> payload, Read&& read)
    -> std::invoke_result_t<Read, typename Root::Reader> {
  std::invoke_result_t<Read, typename Root::Reader> result = std::unexpected(WireError{});
  auto done = read_message_frame(payload, [&](capnp::MessageReader& reader) { result = read(reader.getRoot<Root>()); });
  if (!done) return std::unexpected(std::move(done).error());
  return result;
}

inline std::string to_string(capnp::Text::Reader text) { return {text.begin(), text.size()}; }
inline capnp::Text::Reader to_text(const std::string& text) { return {text.c_str(), text.size()}; }

}  // namespace epic::wire
