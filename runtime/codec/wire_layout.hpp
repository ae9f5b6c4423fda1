#pragma once
// Where Cap'n Proto puts a value: the slot of each member of a struct.
//
// The rules are those of Cap'n Proto's compiler for structs without unions: members in order, each number in the first
// hole of its size, or in a larger hole split in halves, or at the end; pointers in order. So a .capnp file with the
// same members in the same order (capnp_text.hpp) describes the same bytes.
//
// codec/README.md describes how kinds map to Cap'n Proto.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "epic/type_info.hpp"

namespace epic::codec {

inline constexpr std::size_t kWordBytes = 8;

/// log2 of the bits that a value occupies in a data section, or `pointer`.
enum class SlotSize : std::uint8_t {
  bit = 0,
  one_byte = 3,
  two_bytes = 4,
  four_bytes = 5,
  eight_bytes = 6,
  pointer = 7
};

/// How a list pointer names the size of its elements.
enum class ElementSize : std::uint8_t {
  nothing,
  bit,
  one_byte,
  two_bytes,
  four_bytes,
  eight_bytes,
  pointer,
  composite  // structs; the pointer counts words, and a word in front of them has their number and size
};

[[nodiscard]] constexpr ElementSize element_size(SlotSize size) {
  return size == SlotSize::bit ? ElementSize::bit : static_cast<ElementSize>(static_cast<int>(size) - 1);
}

/// The number of bytes of a slot of whole bytes.
[[nodiscard]] constexpr std::uint8_t bytes_of(SlotSize size) {
  return static_cast<std::uint8_t>(1U << (static_cast<unsigned>(size) - 3));
}

struct Slot {
  SlotSize size = SlotSize::bit;
  std::uint32_t offset = 0;  // counted in slots of this size
  bool operator==(const Slot&) const = default;
};

struct StructLayout {
  std::uint16_t data_words = 0;
  std::uint16_t pointer_count = 0;
  std::vector<Slot> slots;  // one per member
};

[[nodiscard]] SlotSize slot_size(reflect::Kind kind);

/// True for kinds that are structs on the wire: record, tuple, optional, variant.
[[nodiscard]] bool is_struct(reflect::Kind kind);

/// A struct without members still gets one word, so that the size of a message bounds the number of values in it.
[[nodiscard]] StructLayout make_layout(std::span<const SlotSize> members);

/// The members of the struct for a value of `kind` with these `parts`: the parts themselves, preceded by a bool for an
/// optional or a 16-bit index for a variant. For a map, those of an entry.
[[nodiscard]] StructLayout make_layout(reflect::Kind kind, std::span<const SlotSize> parts);

}  // namespace epic::codec
