#pragma once
// Where Cap'n Proto puts a value: which slot of a struct each member gets.
//
// The rules are those of Cap'n Proto's own compiler for structs without unions: members in order, each number in the
// first hole of its size, or in a larger hole split in halves, or at the end; pointers in order. So a .capnp file with
// the same members in the same order (capnp_text.hpp) describes the same bytes.
//
// How kinds map to Cap'n Proto is told in codec/README.md.

#include <cstdint>
#include <span>
#include <vector>

#include "epic/type_info.hpp"

namespace epic::codec {

/// log2 of the bits that a value takes in a data section, or `pointer`.
enum class SlotSize : std::uint8_t {
  bit = 0,
  one_byte = 3,
  two_bytes = 4,
  four_bytes = 5,
  eight_bytes = 6,
  pointer = 7
};

struct Slot {
  SlotSize size = SlotSize::bit;
  std::uint32_t offset = 0;  // counted in slots of this size
  bool operator==(const Slot&) const = default;
};

struct StructLayout {
  std::uint16_t data_words = 0;
  std::uint16_t pointer_count = 0;
  std::vector<Slot> slots;  // one for each member
};

[[nodiscard]] SlotSize slot_size(reflect::Kind kind);

/// True for the kinds that are a struct on the wire: record, tuple, optional, variant.
[[nodiscard]] bool is_struct(reflect::Kind kind);

/// A struct without members still gets one word, so that the size of a message bounds what it can hold.
[[nodiscard]] StructLayout make_layout(std::span<const SlotSize> members);

/// The members of the struct that a value of `kind` with parts of `parts` is: the parts themselves, behind a bool for
/// an optional, behind a 16-bit index for a variant. For a map: of an entry.
[[nodiscard]] StructLayout make_layout(reflect::Kind kind, std::span<const SlotSize> parts);

/// The place of part `index` in such a struct's slots.
[[nodiscard]] constexpr std::size_t slot_of_part(reflect::Kind kind, std::size_t index) {
  return kind == reflect::Kind::optional || kind == reflect::Kind::variant ? index + 1 : index;
}

}  // namespace epic::codec
