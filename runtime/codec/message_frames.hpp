#pragma once
// Messages as frames: described structs to bytes and back, matched by name.
//
// The messages that one kind of channel carries are a family: a std::variant of described structs. A frame holds one of
// them, encoded as users' structs are. Two neighbouring versions of epic work side by side, so nothing is assumed of
// the other end but the first word of a frame: the first frame that a side sends *opens* the channel by stating the
// schema of its whole family, and the reader matches that schema with its own family by name. Fields may be added; one
// that the writer does not know keeps its default, one that the reader does not know is skipped.
//
//     frame    8 bytes (frame_buffer.hpp), then the payload:
//     payload  u8 format = 1, u8 opens, u16 kind, u32 schema bytes; the schema's text, up to a whole word;
//              the message. `kind` is the place of the message in the writer's family.
//
// Invariant: any bytes are safe to give; what comes back is within the bounds that find_fault() of each message checks.
// Not here:  which messages there are (kernel/messages.hpp, protocol/), who sends what when.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "epic/values.hpp"
#include "protocol/frame_buffer.hpp"

namespace epic::codec {

/// Whether a frame states the schema of its family.
enum class Opening : std::uint8_t { no, yes };

/// Everything about a family but its C++ type. Immutable, so any thread may use it.
class MessageFamily {
 public:
  explicit MessageFamily(const reflect::TypeInfo& variant);
  ~MessageFamily();
  MessageFamily(const MessageFamily&) = delete;
  MessageFamily& operator=(const MessageFamily&) = delete;

  /// Throws std::length_error for what no message can hold; `out` is then as it was.
  void append_frame(std::size_t kind, const void* message, Opening opening, std::vector<std::byte>& out) const;

  struct Plans;
  [[nodiscard]] const Plans& plans() const { return *plans_; }

 private:
  std::unique_ptr<const Plans> plans_;
};

/// Reads the frames of one side of a channel; knows what the other end has stated.
class MessageReader {
 public:
  explicit MessageReader(const MessageFamily& ours);
  ~MessageReader();
  MessageReader(MessageReader&&) noexcept;

  /// Fills `family`, a variant of the family.
  [[nodiscard]] std::expected<void, protocol::WireError> read(std::span<const std::byte> payload, void* family);

 private:
  struct Theirs;
  const MessageFamily& ours_;
  std::unique_ptr<Theirs> theirs_;  // null until the channel is open
};

template <class Family>
const MessageFamily& message_family() {
  static const MessageFamily family(reflect::type_of<Family>());
  return family;
}

template <class Message, class Family>
inline constexpr std::size_t kKindOf = 0;
template <class Message, class... All>
inline constexpr std::size_t kKindOf<Message, std::variant<All...>> = [] {
  constexpr bool kIsIt[] = {std::is_same_v<Message, All>...};
  std::size_t kind = 0;
  while (!kIsIt[kind]) ++kind;  // not a constant expression for a stranger
  return kind;
}();

/// Appends `message`, one of a family, as a whole frame with its header.
template <class Family, class Message>
void append_message(const Message& message, Opening opening, std::vector<std::byte>& out) {
  message_family<Family>().append_frame(kKindOf<Message, Family>, &message, opening, out);
}

/// One for the receiving side of each channel.
template <class Family>
class FrameReader {
 public:
  /// From a payload that FrameBuffer has cut out.
  [[nodiscard]] std::expected<Family, protocol::WireError> read(std::span<const std::byte> payload) {
    std::expected<Family, protocol::WireError> message;
    if (auto done = reader_.read(payload, &*message); !done) {
      message = std::unexpected(std::move(done).error());
    } else if (std::string fault = find_fault_of(*message); !fault.empty()) {
      message = std::unexpected(protocol::WireError{std::move(fault)});
    }
    return message;
  }

 private:
  static std::string find_fault_of(const Family& message) {
    return std::visit(
        [](const auto& one) -> std::string {
          if constexpr (requires { find_fault(one); }) return find_fault(one);
          return {};
        },
        message);
  }

  MessageReader reader_{message_family<Family>()};
};

/// One for the sending side of each channel: its first frame opens it.
template <class Family>
class FrameWriter {
 public:
  /// `message` is one of the family, or the family itself.
  template <class Message>
  void append(const Message& message, std::vector<std::byte>& out) {
    if constexpr (std::is_same_v<Message, Family>) {
      std::visit([&](const auto& one) { append(one, out); }, message);
    } else {
      append_message<Family>(message, opening_, out);
      opening_ = Opening::no;
    }
  }

 private:
  Opening opening_ = Opening::yes;
};

}  // namespace epic::codec
