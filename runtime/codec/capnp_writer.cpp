#include "codec/capnp_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <type_traits>

#include "codec/limits.hpp"
#include "codec/scalars.hpp"
#include "codec/sort_key.hpp"
#include "reflect/text_of.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

static_assert(std::endian::native == std::endian::little, "words are written as they lie in memory");

using reflect::Kind;
using reflect::TypeInfo;

/// A list holds fewer than 2^29 elements, a text fewer than 2^29 bytes, a list of structs fewer than 2^29 words.
constexpr std::size_t kListCountMax = (std::size_t{1} << 29) - 2;
/// Offsets between words of a segment have 30 bits with their sign.
constexpr std::size_t kSegmentWordsMax = (std::size_t{1} << 29) - 1;

/// Most calls and replies fit into it.
constexpr std::size_t kWordsAhead = 32;

bool is_empty(const TypeInfo& type, const void* object) {
  switch (type.kind) {
    case Kind::text:
      return reflect::text_of(type, object).empty();
    case Kind::bytes:
      return static_cast<const Bytes*>(object)->empty();
    case Kind::ref:
      return type.ref.get(object).empty();
    case Kind::sequence:
      return type.sequence.size(object) == 0;
    case Kind::map:
      return type.map.size(object) == 0;
    case Kind::optional:
      return type.optional.get(object) == nullptr;
    default:
      return false;
  }
}

/// The segment, addressed by words: bytes move when it grows. It grows ahead of what is needed, and finish() cuts it.
class Segment {
 public:
  explicit Segment(std::vector<std::byte>& out) : out_(out), begin_(out.size() + kWordBytes) {
    grow(1);  // the root pointer
  }

  /// Zeroed words at the end.
  std::size_t allocate(std::size_t word_count) {
    const std::size_t at = word_count_;
    if (word_count > kSegmentWordsMax - at) throw std::length_error("a message above the size that pointers can span");
    word_count_ += word_count;
    if (word_count_ > zeroed_words_) grow(word_count_);
    return at;
  }

  [[nodiscard]] std::byte* bytes_at(std::size_t word) { return out_.data() + begin_ + word * kWordBytes; }

  void point_to_struct(std::size_t pointer, std::size_t target, const StructLayout& layout, std::size_t pointer_count) {
    put(pointer, offset(pointer, target) | std::uint64_t{layout.data_words} << 32 | std::uint64_t{pointer_count} << 48);
  }

  void point_to_list(std::size_t pointer, std::size_t target, ElementSize size, std::size_t count) {
    put(pointer, offset(pointer, target) | 1 | std::uint64_t{static_cast<std::uint8_t>(size)} << 32 |
                     std::uint64_t{count} << 35);
  }

  /// The word in front of a list of structs.
  void put_list_tag(std::size_t word, std::size_t count, const StructLayout& layout) {
    put(word,
        std::uint64_t{count} << 2 | std::uint64_t{layout.data_words} << 32 | std::uint64_t{layout.pointer_count} << 48);
  }

  void finish() {
    const std::uint32_t table[2] = {0, static_cast<std::uint32_t>(word_count_)};  // segments less one, words of it
    std::memcpy(out_.data() + begin_ - kWordBytes, table, sizeof table);
    out_.resize(begin_ + word_count_ * kWordBytes);
  }

 private:
  void grow(std::size_t word_count) {
    zeroed_words_ = word_count + kWordsAhead;
    out_.resize(begin_ + zeroed_words_ * kWordBytes);
  }
  static std::uint64_t offset(std::size_t pointer, std::size_t target) {
    return std::uint64_t{static_cast<std::uint32_t>(target - pointer - 1)} << 2;
  }
  void put(std::size_t word, std::uint64_t bits) { std::memcpy(bytes_at(word), &bits, sizeof bits); }

  std::vector<std::byte>& out_;
  std::size_t begin_;  // of the segment in `out_`
  std::size_t word_count_ = 1;
  std::size_t zeroed_words_ = 0;
};

// Out of the way of what is called for each value.
[[noreturn]] void throw_too_deep(const WritePlan& plan) {
  throw std::length_error(fmt::format("values of {} are nested more than {} deep and cannot be saved or sent",
                                      reflect::type_text(*plan.type), kValueDepthMax));
}
[[noreturn]] void throw_too_large(const WritePlan& plan, std::size_t count) {
  throw std::length_error(
      fmt::format("a {} of {} elements is too large to be saved or sent", reflect::type_text(*plan.type), count));
}
[[noreturn]] void throw_too_many(const WritePlan& plan) {
  throw std::length_error(fmt::format(
      "with the elements of a {} there are more than {}, or they take more than {} bytes of memory, which is "
      "too much to be saved or sent",
      reflect::type_text(*plan.type), kElementsMax, kDecodedBytesMax));
}
[[noreturn]] void throw_valueless(const WritePlan& plan) {
  throw std::length_error(fmt::format("a {} that holds nothing (valueless by exception) cannot be saved or sent",
                                      reflect::type_text(*plan.type)));
}

class Writer {
 public:
  Writer(std::vector<std::byte>& out, EmptyTail tail) : segment_(out), tail_(tail) {}

  void root(const WritePlan& plan, const void* object) {
    if (is_struct(plan.type->kind)) {
      new_struct(plan, 0, object);
    } else {
      const bool is_pointer = plan.slot == SlotSize::pointer;
      StructLayout around;
      around.data_words = is_pointer ? 0 : 1;
      around.pointer_count = is_pointer ? 1 : 0;
      const std::size_t at = segment_.allocate(1);
      segment_.point_to_struct(0, at, around, around.pointer_count);
      member(plan, {.size = plan.slot, .offset = 0}, {.data = at, .pointers = at}, object);
    }
    segment_.finish();
  }

 private:
  /// Where the two sections of a struct begin.
  struct Place {
    std::size_t data;
    std::size_t pointers;
  };

  void enter(const WritePlan& plan) {
    if (++depth_ > kValueDepthMax) throw_too_deep(plan);
  }

  static std::size_t checked_count(const WritePlan& plan, std::size_t count) {
    if (count > kListCountMax) throw_too_large(plan, count);
    return count;
  }

  /// Counts elements, and what is in a box, as readers do.
  std::size_t counted(const WritePlan& plan, std::size_t count, std::size_t size_bytes) {
    if (count > elements_left_ || count > bytes_left_ / std::max<std::size_t>(size_bytes, 1)) throw_too_many(plan);
    elements_left_ -= count;
    bytes_left_ -= count * size_bytes;
    return checked_count(plan, count);
  }

  /// A value in its slot of the struct around it.
  void member(const WritePlan& plan, Slot slot, Place around, const void* object) {
    if (slot.size == SlotSize::pointer) {
      pointer(plan, around.pointers + slot.offset, object);
    } else if (plan.plain_bytes != 0) {
      copy_plain(segment_.bytes_at(around.data) + std::size_t{slot.offset} * plan.plain_bytes, object,
                 plan.plain_bytes);
    } else {
      write_slot(segment_.bytes_at(around.data), slot, load_bits(*plan.type, object));
    }
  }

  void new_struct(const WritePlan& plan, std::size_t pointer, const void* object) {
    const std::size_t pointer_count =
        tail_ == EmptyTail::cut ? used_pointer_count(plan, object) : plan.body.pointer_count;
    const std::size_t at = segment_.allocate(plan.body.data_words + pointer_count);
    segment_.point_to_struct(pointer, at, plan.body, pointer_count);
    body(plan, {.data = at, .pointers = at + plan.body.data_words}, object);
  }

  /// Up to the last pointer that is not empty.
  static std::size_t used_pointer_count(const WritePlan& plan, const void* object) {
    const TypeInfo& type = *plan.type;
    const auto up_to = [&](std::size_t slot) {
      const Slot last = plan.body.slots[slot];
      return last.size == SlotSize::pointer ? last.offset + std::size_t{1} : 0;
    };
    if (type.kind == Kind::variant) return up_to(1 + checked_index(plan, object));
    if (type.kind == Kind::optional) return type.optional.get(object) == nullptr ? 0 : up_to(1);
    for (std::size_t i = plan.parts.size(); i > 0; --i)
      if (plan.body.slots[i - 1].size == SlotSize::pointer &&
          !is_empty(*plan.parts[i - 1]->type, type.fields[i - 1].get_const(object)))
        return up_to(i - 1);
    return 0;
  }

  void body(const WritePlan& plan, Place at, const void* object) {
    if (plan.parts.empty() || is_empty(*plan.type, object)) return;
    enter(plan);
    const TypeInfo& type = *plan.type;
    if (type.kind == Kind::optional) {
      if (type.optional.is_boxed) (void)counted(plan, 1, plan.parts[0]->type->size_bytes);
      write_slot(segment_.bytes_at(at.data), plan.body.slots[0], 1);
      member(*plan.parts[0], plan.body.slots[1], at, type.optional.get(object));
    } else if (type.kind == Kind::variant) {
      const std::size_t index = checked_index(plan, object);
      write_slot(segment_.bytes_at(at.data), plan.body.slots[0], index);
      member(*plan.parts[index], plan.body.slots[index + 1], at, type.variant.get(object));
    } else {
      for (std::size_t i = 0; i < plan.parts.size(); ++i)
        member(*plan.parts[i], plan.body.slots[i], at, type.fields[i].get_const(object));
    }
    --depth_;
  }

  static std::size_t checked_index(const WritePlan& plan, const void* object) {
    const std::size_t index = plan.type->variant.index(object);
    if (index >= plan.parts.size()) throw_valueless(plan);
    return index;
  }

  /// Empty texts, lists and optionals stay null pointers, which readers treat as empty.
  void pointer(const WritePlan& plan, std::size_t at, const void* object) {
    const TypeInfo& type = *plan.type;
    if (is_empty(type, object)) return;
    switch (type.kind) {
      case Kind::text: {
        const std::string_view text = reflect::text_of(type, object);
        return bytes(plan, at, text.data(), text.size(), text.size() + 1);
      }
      case Kind::ref: {
        const std::string_view name = type.ref.get(object);
        return bytes(plan, at, name.data(), name.size(), name.size() + 1);
      }
      case Kind::bytes: {
        const auto& data = *static_cast<const Bytes*>(object);
        return bytes(plan, at, data.data(), data.size(), data.size());
      }
      case Kind::sequence:
        return sequence(plan, at, object);
      case Kind::map:
        return map(plan, at, object);
      default:
        new_struct(plan, at, object);
    }
  }

  /// `count` of them in the list, of which a text's last is a zero.
  void bytes(const WritePlan& plan, std::size_t at, const void* data, std::size_t size_bytes, std::size_t count) {
    checked_count(plan, size_bytes);
    const std::size_t target = segment_.allocate((count + kWordBytes - 1) / kWordBytes);
    segment_.point_to_list(at, target, ElementSize::one_byte, count);
    std::memcpy(segment_.bytes_at(target), data, size_bytes);
  }

  void sequence(const WritePlan& plan, std::size_t at, const void* object) {
    const WritePlan& element = *plan.parts[0];
    const std::size_t count = counted(plan, plan.type->sequence.size(object), element.type->size_bytes);
    enter(plan);
    if (is_struct(element.type->kind)) {
      structs(plan, element.body, at, count, [&](auto write) {
        each(plan, object, [&](std::size_t i, const void* value) { body(element, write(i), value); });
      });
    } else {
      const std::size_t bits = element.slot == SlotSize::pointer ? 8 * kWordBytes
                               : element.slot == SlotSize::bit   ? 1
                                                                 : 8 * bytes_of(element.slot);
      const std::size_t target = segment_.allocate((count * bits + 63) / 64);
      segment_.point_to_list(at, target, element_size(element.slot), count);
      if (element.slot == SlotSize::pointer)
        each(plan, object, [&](std::size_t i, const void* value) { pointer(element, target + i, value); });
      else
        each(plan, object, [&, to = segment_.bytes_at(target)](std::size_t i, const void* value) {
          write_slot(to, element.slot, i, load_bits(*element.type, value));
        });
    }
    --depth_;
  }

  /// A list of structs; `fill` gets the function from an index to its place.
  template <class Fill>
  void structs(const WritePlan& plan, const StructLayout& layout, std::size_t at, std::size_t count, Fill fill) {
    const std::size_t stride = std::size_t{layout.data_words} + layout.pointer_count;
    checked_count(plan, count * stride);
    const std::size_t tag = segment_.allocate(1 + count * stride);
    segment_.point_to_list(at, tag, ElementSize::composite, count * stride);
    segment_.put_list_tag(tag, count, layout);
    fill([&](std::size_t i) {
      const std::size_t data = tag + 1 + i * stride;
      return Place{.data = data, .pointers = data + layout.data_words};
    });
  }

  template <class Visit>
  static void each(const WritePlan& plan, const void* object, Visit visit) {
    const reflect::SequenceOps& ops = plan.type->sequence;
    std::size_t index = 0;
    if (ops.is_unordered) {
      for (const void* element : sorted_elements(ops, object)) visit(index++, element);
    } else {
      ops.for_each(object, [&](const void* element) { visit(index++, element); });
    }
  }

  void map(const WritePlan& plan, std::size_t at, const void* object) {
    const reflect::MapOps& ops = plan.type->map;
    const std::size_t count =
        counted(plan, ops.size(object), plan.parts[0]->type->size_bytes + plan.parts[1]->type->size_bytes);
    enter(plan);
    structs(plan, plan.body, at, count, [&](auto place) {
      std::size_t index = 0;
      const auto entry = [&](const void* key, const void* value) {
        const Place pair = place(index++);
        member(*plan.parts[0], plan.body.slots[0], pair, key);
        member(*plan.parts[1], plan.body.slots[1], pair, value);
      };
      if (ops.is_unordered) {
        for (const MapEntry& sorted : sorted_entries(ops, object)) entry(sorted.key, sorted.value);
      } else {
        ops.for_each(object, entry);
      }
    });
    --depth_;
  }

  Segment segment_;
  EmptyTail tail_;
  int depth_ = 0;
  std::size_t elements_left_ = kElementsMax;
  std::size_t bytes_left_ = kDecodedBytesMax;
};

std::vector<const TypeInfo*> parts_of(const TypeInfo& type) {
  std::vector<const TypeInfo*> parts;
  switch (type.kind) {
    case Kind::record:
    case Kind::tuple:
      for (const auto& field : type.fields) parts.push_back(&field.type());
      break;
    case Kind::variant:
      for (const reflect::TypeFn alternative : type.variant.alternatives) parts.push_back(&alternative());
      break;
    case Kind::optional:
      parts.push_back(&type.optional.element());
      break;
    case Kind::sequence:
      parts.push_back(&type.sequence.element());
      break;
    case Kind::map:
      parts = {&type.map.key(), &type.map.value()};
      break;
    default:
      break;
  }
  return parts;
}

}  // namespace

const WritePlan& WritePlans::get(const TypeInfo& type) {
  auto& known = plans_[&type];
  if (known) return *known;
  known = std::make_unique<WritePlan>();
  WritePlan& plan = *known;  // `known` may move when parts are added
  plan.type = &type;
  plan.slot = slot_size(type.kind);
  plan.plain_bytes = plain_bytes(type);

  const std::vector<const TypeInfo*> parts = parts_of(type);
  std::vector<SlotSize> sizes;
  for (const TypeInfo* part : parts) sizes.push_back(slot_size(part->kind));
  if (is_struct(type.kind) || type.kind == Kind::map) plan.body = make_layout(type.kind, sizes);
  for (const TypeInfo* part : parts) plan.parts.push_back(&get(*part));
  return plan;
}

void write_message(const WritePlan& plan, const void* object, EmptyTail tail, std::vector<std::byte>& out) {
  const std::size_t size_before = out.size();
  try {
    Writer(out, tail).root(plan, object);
  } catch (...) {
    out.resize(size_before);
    throw;
  }
}

}  // namespace epic::codec
