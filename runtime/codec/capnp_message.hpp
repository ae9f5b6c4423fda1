#pragma once
// Opens a Cap'n Proto message of unknown origin, and reads its slots without trusting it.

#include <cstring>
#include <expected>
#include <span>
#include <string>

#include "codec/capnp.hpp"
#include "codec/wire_layout.hpp"

namespace epic::codec {

/// A message borrowed from `bytes`, copied only if they are not word-aligned. Reading through it throws kj::Exception
/// for pointers that are out of bounds, nest too deeply, or visit the same words too often.
class IncomingMessage {
 public:
  /// The caller must have checked message_problem(bytes). Throws kj::Exception.
  explicit IncomingMessage(std::span<const std::byte> bytes);

  [[nodiscard]] capnp::AnyStruct::Reader root() {
    return reader_.getRoot<capnp::AnyPointer>().getAs<capnp::AnyStruct>();
  }

 private:
  kj::Array<capnp::word> copy_;
  capnp::FlatArrayMessageReader reader_;
};

/// Why `bytes` cannot be a message (empty, not whole words, too large); empty if they may be one.
[[nodiscard]] std::string message_problem(std::span<const std::byte> bytes);

/// The bits in a slot; 0 if the struct was written shorter.
[[nodiscard]] inline std::uint64_t read_slot(kj::ArrayPtr<const kj::byte> data, Slot slot) {
  if (slot.size == SlotSize::bit) {
    const std::size_t at = slot.offset / 8;
    return at < data.size() ? (data[at] >> (slot.offset % 8)) & 1U : 0;
  }
  const std::size_t size_bytes = std::size_t{1} << (static_cast<unsigned>(slot.size) - 3);
  const std::size_t at = slot.offset * size_bytes;
  if (at + size_bytes > data.size()) return 0;
  std::uint64_t bits = 0;
  std::memcpy(&bits, data.begin() + at, size_bytes);
  return bits;
}

/// Writes to a slot that is still zero; takes as many of `bits` as fit. `data` is that of the whole struct.
inline void write_slot(std::byte* data, Slot slot, std::uint64_t bits) {
  if (slot.size == SlotSize::bit) {
    data[slot.offset / 8] |= static_cast<std::byte>(bits << (slot.offset % 8));
    return;
  }
  const std::size_t size_bytes = std::size_t{1} << (static_cast<unsigned>(slot.size) - 3);
  std::memcpy(data + slot.offset * size_bytes, &bits, size_bytes);
}
inline void write_slot(kj::ArrayPtr<kj::byte> data, Slot slot, std::uint64_t bits) {
  write_slot(reinterpret_cast<std::byte*>(data.begin()), slot, bits);
}

/// The pointer in a slot; null if the struct was written shorter.
[[nodiscard]] inline capnp::AnyPointer::Reader read_pointer(capnp::List<capnp::AnyPointer>::Reader pointers,
                                                            Slot slot) {
  return slot.offset < pointers.size() ? pointers[slot.offset] : capnp::AnyPointer::Reader();
}

/// The list of structs at a pointer. Throws kj::Exception if it is a list of anything else.
[[nodiscard]] capnp::List<capnp::AnyStruct>::Reader read_struct_list(capnp::AnyPointer::Reader pointer);

/// The list of pointers at a pointer. Throws kj::Exception if it is a list of anything else.
[[nodiscard]] capnp::List<capnp::AnyPointer>::Reader read_pointer_list(capnp::AnyPointer::Reader pointer);

}  // namespace epic::codec
