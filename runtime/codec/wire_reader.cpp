#include "codec/wire_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "codec/limits.hpp"

namespace epic::codec {
namespace {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

constexpr std::size_t kSegmentsMax = 512;
/// Far pointers and small messages add a little.
constexpr std::size_t kVisitsMin = 1024;

enum class PointerKind : std::uint8_t { structure = 0, list = 1, far = 2, other = 3 };

PointerKind kind_of(std::uint64_t pointer) { return static_cast<PointerKind>(pointer & 3); }

std::uint32_t low_half(std::uint64_t word) { return static_cast<std::uint32_t>(word); }

std::int64_t offset_of(std::uint64_t pointer) { return static_cast<std::int32_t>(low_half(pointer)) >> 2; }

std::uint32_t load_half(std::span<const std::byte> bytes, std::size_t index) {
  std::uint32_t half;
  std::memcpy(&half, bytes.data() + index * sizeof half, sizeof half);
  return half;
}

}  // namespace

bool WireReader::open(std::span<const std::byte> message, Place& root, std::size_t visits_per_word) {
  constexpr const char* kCutShort = "the message is cut short";
  if (message.size() < kWordBytes) return fail(kCutShort);
  const std::size_t segment_count = std::size_t{load_half(message, 0)} + 1;
  if (segment_count > kSegmentsMax) return fail("a message of too many segments");
  const std::size_t table_bytes = (segment_count / 2 + 1) * kWordBytes;
  if (message.size() < table_bytes) return fail(kCutShort);
  std::size_t words_left = (message.size() - table_bytes) / kWordBytes;
  words_left_ = visits_per_word * words_left + kVisitsMin;

  const std::byte* begin = message.data() + table_bytes;
  if (segment_count > 1) segments_.reserve(segment_count);
  for (std::size_t i = 0; i < segment_count; ++i) {
    const Segment segment{.begin = begin, .word_count = load_half(message, i + 1)};
    if (segment.word_count > words_left) return fail(kCutShort);
    words_left -= segment.word_count;
    begin += segment.word_count * kWordBytes;
    if (i == 0) first_ = segment;
    if (segment_count > 1) segments_.push_back(segment);
  }
  if (first_.word_count == 0) return fail("a message without a root");
  root = {&first_, 0};
  return true;
}

bool WireReader::charge(std::size_t word_count) {
  if (word_count > words_left_) return fail("the same words are pointed at again and again");
  words_left_ -= word_count;
  return true;
}

bool WireReader::visit(const Target& target, std::size_t word_count) {
  const auto size = static_cast<std::int64_t>(target.segment->word_count);
  if (target.word < 0 || target.word > size || word_count > static_cast<std::size_t>(size - target.word))
    return fail("a pointer leads out of its segment");
  return charge(word_count);
}

bool WireReader::find_segment(std::uint64_t far_pointer, std::size_t word_count, Place& out) {
  const std::size_t index = far_pointer >> 32;
  if (index >= std::max<std::size_t>(segments_.size(), 1)) return fail("a pointer into a segment that is not there");
  out.segment = segments_.empty() ? &first_ : &segments_[index];
  out.word = low_half(far_pointer) >> 3;
  if (out.word > out.segment->word_count || word_count > out.segment->word_count - out.word)
    return fail("a pointer leads out of its segment");
  return true;
}

bool WireReader::follow_far(std::uint64_t word, Target& out) {
  const bool is_double = (word & 4) != 0;
  Place pad;
  if (!find_segment(word, is_double ? 2 : 1, pad)) return false;
  if (!charge(1)) return false;
  const std::uint64_t landed = load(pad);
  if (!is_double) {
    out = {
        .segment = pad.segment, .pointer = landed, .word = static_cast<std::int64_t>(pad.word) + 1 + offset_of(landed)};
  } else {
    Place content;
    if (kind_of(landed) != PointerKind::far || (landed & 4) != 0) return fail("a far pointer without a landing pad");
    if (!find_segment(landed, 0, content)) return false;
    ++pad.word;
    out = {.segment = content.segment, .pointer = load(pad), .word = static_cast<std::int64_t>(content.word)};
  }
  return true;
}

bool WireReader::follow(Place pointer, std::uint64_t word, Target& out) {
  if (kind_of(word) == PointerKind::far) return follow_far(word, out);
  out = {.segment = pointer.segment,
         .pointer = word,
         .word = static_cast<std::int64_t>(pointer.word) + 1 + offset_of(word)};
  return true;
}

bool WireReader::read_struct(Place pointer, Struct& out) {
  out = {};
  if (pointer.segment == nullptr) return true;
  const std::uint64_t word = load(pointer);
  if (word == 0) return true;
  Target target{};
  if (!follow(pointer, word, target)) return false;
  if (kind_of(target.pointer) != PointerKind::structure) return fail("a struct is expected here");
  out.data_words = static_cast<std::uint16_t>(target.pointer >> 32);
  out.pointer_count = static_cast<std::uint16_t>(target.pointer >> 48);
  const std::size_t word_count = std::size_t{out.data_words} + out.pointer_count;
  if (word_count > 0 && !visit(target, word_count)) return false;
  out.segment = target.segment;
  out.word = static_cast<std::size_t>(target.word);
  return true;
}

bool WireReader::read_list(Place pointer, ElementSize size, List& out) {
  out = {};
  if (pointer.segment == nullptr) return true;
  const std::uint64_t word = load(pointer);
  if (word == 0) return true;
  Target target{};
  if (!follow(pointer, word, target)) return false;
  if (kind_of(target.pointer) != PointerKind::list) return fail("a list is expected here");
  const auto written = static_cast<ElementSize>((target.pointer >> 32) & 7);
  const std::size_t count = target.pointer >> 35;
  if (written != size) return count == 0 || fail("a list of other elements is expected here");

  out.segment = target.segment;
  if (size == ElementSize::composite) {
    if (!visit(target, count + 1)) return false;
    out.word = static_cast<std::size_t>(target.word) + 1;
    const std::uint64_t tag = load({target.segment, out.word - 1});
    if (kind_of(tag) != PointerKind::structure) return fail("a list of structs is expected here");
    out.count = low_half(tag) >> 2;
    out.data_words = static_cast<std::uint16_t>(tag >> 32);
    out.pointer_count = static_cast<std::uint16_t>(tag >> 48);
    const std::size_t stride = std::size_t{out.data_words} + out.pointer_count;
    if (out.count * stride > count) return fail("a list is longer than its place");
    return stride > 0 || charge(out.count);
  }
  static constexpr std::size_t kBits[] = {0, 1, 8, 16, 32, 64, 64};
  const std::size_t bits = kBits[static_cast<std::size_t>(size)];
  if (!visit(target, (count * bits + 63) / 64)) return false;
  out.word = static_cast<std::size_t>(target.word);
  out.count = count;
  return true;
}

bool WireReader::read_text(Place pointer, std::string_view& out) {
  out = {};
  List bytes;
  if (!read_list(pointer, ElementSize::one_byte, bytes)) return false;
  if (bytes.count == 0) return true;
  const auto* const text = reinterpret_cast<const char*>(bytes.bytes());
  if (text[bytes.count - 1] != '\0') return fail("a text does not end in a zero");
  out = {text, bytes.count - 1};
  return true;
}

std::string message_problem(std::span<const std::byte> bytes) {
  if (bytes.empty()) return "there are no bytes";
  if (bytes.size() % kWordBytes != 0)
    return fmt::format("{} bytes are no whole number of 8-byte words: the message is cut short", bytes.size());
  if (bytes.size() > kMessageBytesMax)
    return fmt::format("{} bytes are above the bound of {} for a message", bytes.size(), kMessageBytesMax);
  return {};
}

}  // namespace epic::codec
