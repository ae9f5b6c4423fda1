#include "codec/wire_layout.hpp"

#include <array>
#include <catch2/catch.hpp>

using namespace epic::codec;
using epic::reflect::Kind;

namespace {

std::vector<std::uint32_t> offsets(std::span<const SlotSize> members) {
  std::vector<std::uint32_t> result;
  for (const Slot& slot : make_layout(members).slots) result.push_back(slot.offset);
  return result;
}

}  // namespace

TEST_CASE("wire layout: a member takes the first hole that fits, and leaves the rest of it", "[codec]") {
  using enum SlotSize;
  // As `capnp compile -ocapnp` prints it: the rest of a split byte goes to the next bool; 16 bits start a new word.
  CHECK(offsets(std::array{four_bytes, one_byte, one_byte, bit, two_bytes, bit, eight_bytes, two_bytes}) ==
        std::vector<std::uint32_t>{0, 4, 5, 48, 4, 49, 2, 5});
  CHECK(offsets(std::array{bit, four_bytes, two_bytes, one_byte, bit}) == std::vector<std::uint32_t>{0, 1, 1, 1, 1});
}

TEST_CASE("wire layout: pointers are counted apart, and words as they are needed", "[codec]") {
  using enum SlotSize;
  const StructLayout layout = make_layout(std::array{pointer, bit, pointer, eight_bytes});
  CHECK(layout.data_words == 2);
  CHECK(layout.pointer_count == 2);
  CHECK(layout.slots[2] == Slot{.size = pointer, .offset = 1});
}

TEST_CASE("wire layout: an optional has a bool in front, a variant an index", "[codec]") {
  const std::array parts{SlotSize::two_bytes};
  CHECK(make_layout(Kind::optional, parts).slots[1] == Slot{.size = SlotSize::two_bytes, .offset = 1});
  CHECK(make_layout(Kind::variant, parts).slots[1] == Slot{.size = SlotSize::two_bytes, .offset = 1});
  CHECK(make_layout(Kind::tuple, parts).slots[0] == Slot{.size = SlotSize::two_bytes, .offset = 0});
  CHECK(make_layout(Kind::tuple, {}).data_words == 1);
}
