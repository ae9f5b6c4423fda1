#pragma once
// WireReader: finds its way in a Cap'n Proto message of unknown origin, in place.
//
// Decoding a call is a few pointers, so they are followed here rather than through the library's reader, which is made
// for generated code. Every pointer is checked against its segment before anything behind it is touched. A small
// message cannot pretend to be large: what has been visited is counted, and a message of ours, a tree, visits each word
// once. The layout is that of https://capnproto.org/encoding.html. Bytes may lie at any address.
//
// Invariant: nothing outside the message is read.
// Not here:  what the words mean (capnp_reader.cpp).

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/scalars.hpp"
#include "codec/wire_layout.hpp"

namespace epic::codec {

class WireReader {
  struct Segment {
    const std::byte* begin;
    std::size_t word_count;
  };

 public:
  /// Where a pointer lies; no segment: a null pointer.
  struct Place {
    const Segment* segment = nullptr;
    std::size_t word = 0;
  };

  /// A struct as it was written: shorter or longer than expected, empty for a null pointer.
  struct Struct {
    /// 0 if the struct was written without it.
    [[nodiscard]] std::uint64_t bits(Slot slot) const;
    [[nodiscard]] Place pointer(Slot slot) const {
      if (slot.offset >= pointer_count) return {};
      return {segment, word + data_words + slot.offset};
    }

    const Segment* segment = nullptr;
    std::size_t word = 0;
    std::uint16_t data_words = 0;
    std::uint16_t pointer_count = 0;
  };

  /// The elements of a list lie one behind the other.
  struct List {
    [[nodiscard]] Struct structure(std::size_t index) const {
      const std::size_t stride = std::size_t{data_words} + pointer_count;
      return {segment, word + index * stride, data_words, pointer_count};
    }
    [[nodiscard]] Place pointer(std::size_t index) const { return {segment, word + index}; }
    [[nodiscard]] const std::byte* bytes() const { return segment->begin + word * 8; }
    /// The bits of a number or bool.
    [[nodiscard]] std::uint64_t bits(SlotSize size, std::size_t index) const { return read_slot(bytes(), size, index); }

    std::size_t count = 0;
    const Segment* segment = nullptr;
    std::size_t word = 0;
    std::uint16_t data_words = 0;
    std::uint16_t pointer_count = 0;
  };

  // Each returns false when the bytes are damaged; problem() then says how.

  /// `visits_per_word`: how often each word may be read.
  [[nodiscard]] bool open(std::span<const std::byte> message, Place& root, std::size_t visits_per_word = 2);
  [[nodiscard]] bool read_struct(Place pointer, Struct& out);
  /// A null pointer is an empty list.
  [[nodiscard]] bool read_list(Place pointer, ElementSize size, List& out);
  [[nodiscard]] bool read_text(Place pointer, std::string_view& out);

  [[nodiscard]] const char* problem() const { return problem_; }

 private:
  /// A pointer whose way over other segments has been gone.
  struct Target {
    const Segment* segment;
    std::uint64_t pointer;
    std::int64_t word;
  };

  [[nodiscard]] static std::uint64_t load(Place place) {
    std::uint64_t word;
    std::memcpy(&word, place.segment->begin + place.word * 8, sizeof word);
    return word;
  }
  [[nodiscard]] bool follow(Place pointer, std::uint64_t word, Target& out);
  [[nodiscard]] bool follow_far(std::uint64_t word, Target& out);
  [[nodiscard]] bool find_segment(std::uint64_t far_pointer, std::size_t word_count, Place& out);
  [[nodiscard]] bool visit(const Target& target, std::size_t word_count);
  [[nodiscard]] bool charge(std::size_t word_count);
  bool fail(const char* problem) {
    problem_ = problem;
    return false;
  }

  Segment first_{};
  std::vector<Segment> segments_;  // all, if there are several
  std::size_t words_left_ = 0;     // to be visited
  const char* problem_ = "";
};

inline std::uint64_t WireReader::Struct::bits(Slot slot) const {
  const std::size_t bits_each = slot.size == SlotSize::bit ? 1 : 8 * bytes_of(slot.size);
  if ((slot.offset + std::size_t{1}) * bits_each > std::size_t{data_words} * 64) return 0;
  return read_slot(segment->begin + word * 8, slot.size, slot.offset);
}

/// Why `bytes` cannot be a message (empty, not whole words, too large); empty if they may be one.
[[nodiscard]] std::string message_problem(std::span<const std::byte> bytes);

}  // namespace epic::codec
