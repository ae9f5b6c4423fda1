#include "codec/wire_layout.hpp"

#include <array>
#include <optional>

#include "kernel/assert.hpp"

namespace epic::codec {
namespace {

using reflect::Kind;

/// The unused ends of words: at most one hole of each size, because a split always leaves the smallest remainder.
class DataSection {
 public:
  std::uint32_t allocate(SlotSize size) {
    const auto log_size = static_cast<unsigned>(size);
    if (const auto hole = try_take_hole(log_size)) return *hole;
    const std::uint32_t offset = word_count_++ << (kWordLog - log_size);
    std::uint32_t rest = offset + 1;
    for (unsigned log = log_size; log < kWordLog; ++log) {
      holes_[log] = rest;
      rest = (rest + 1) / 2;
    }
    return offset;
  }

  [[nodiscard]] std::uint32_t word_count() const { return word_count_; }

 private:
  static constexpr unsigned kWordLog = 6;

  std::optional<std::uint32_t> try_take_hole(unsigned log_size) {
    if (log_size >= kWordLog) return std::nullopt;
    if (const std::uint32_t hole = holes_[log_size]; hole != 0) {
      holes_[log_size] = 0;
      return hole;
    }
    const auto larger = try_take_hole(log_size + 1);
    if (!larger) return std::nullopt;
    holes_[log_size] = *larger * 2 + 1;
    return *larger * 2;
  }

  std::uint32_t word_count_ = 0;
  std::array<std::uint32_t, kWordLog> holes_{};  // 0: none, as the first slot of a struct is never a hole
};

}  // namespace

SlotSize slot_size(Kind kind) {
  using enum SlotSize;
  // By Kind; all others are pointers.
  static constexpr SlotSize kSizes[] = {bit,       one_byte,   two_bytes,   four_bytes, eight_bytes, one_byte,
                                        two_bytes, four_bytes, eight_bytes, four_bytes, eight_bytes, eight_bytes,
                                        pointer,   pointer,    eight_bytes, eight_bytes};
  static_assert(std::size(kSizes) == static_cast<std::size_t>(Kind::ref));
  return kind < Kind::ref ? kSizes[static_cast<std::size_t>(kind)] : pointer;
}

bool is_struct(Kind kind) {
  return kind == Kind::record || kind == Kind::tuple || kind == Kind::optional || kind == Kind::variant;
}

StructLayout make_layout(std::span<const SlotSize> members) {
  DataSection data;
  std::uint32_t pointer_count = 0;
  StructLayout layout;
  layout.slots.reserve(members.size());
  for (const SlotSize size : members)
    layout.slots.push_back({.size = size, .offset = size == SlotSize::pointer ? pointer_count++ : data.allocate(size)});
  const std::uint32_t data_words = members.empty() ? 1 : data.word_count();
  EPIC_ASSERT(data_words <= UINT16_MAX && pointer_count <= UINT16_MAX, "a struct of {} members", members.size());
  layout.data_words = static_cast<std::uint16_t>(data_words);
  layout.pointer_count = static_cast<std::uint16_t>(pointer_count);
  return layout;
}

StructLayout make_layout(Kind kind, std::span<const SlotSize> parts) {
  std::vector<SlotSize> members;
  if (kind == Kind::optional) members.push_back(SlotSize::bit);
  if (kind == Kind::variant) members.push_back(SlotSize::two_bytes);
  members.insert(members.end(), parts.begin(), parts.end());
  return make_layout(members);
}

}  // namespace epic::codec
