#include "codec/capnp_writer.hpp"

#include <fmt/format.h>

#include <stdexcept>

#include "codec/capnp_message.hpp"
#include "codec/limits.hpp"
#include "codec/scalars.hpp"
#include "codec/sort_key.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using capnp::AnyPointer;
using capnp::AnyStruct;
using capnp::List;
using reflect::Kind;
using reflect::TypeInfo;

/// A list of Cap'n Proto holds fewer than 2^29 elements, a text fewer than 2^29 bytes.
constexpr std::size_t kListCountMax = (std::size_t{1} << 29) - 2;

class Writer {
 public:
  /// Writes a value to its slot of the enclosing struct.
  void member(const WritePlan& plan, Slot slot, AnyStruct::Builder around, const void* object) {
    if (slot.size == SlotSize::pointer) {
      pointer(plan, around.getPointerSection()[slot.offset], object);
    } else {
      write_slot(around.getDataSection(), slot, load_bits(*plan.type, object));
    }
  }

  void body(const WritePlan& plan, AnyStruct::Builder out, const void* object) {
    enter(plan);
    const TypeInfo& type = *plan.type;
    if (type.kind == Kind::optional) {
      if (const void* const value = type.optional.get(object)) {
        write_slot(out.getDataSection(), plan.body.slots[0], 1);
        member(*plan.parts[0], plan.body.slots[1], out, value);
      }
    } else if (type.kind == Kind::variant) {
      variant(plan, out, object);
    } else {
      fields(plan, out, object);
    }
    --depth_;
  }

 private:
  void enter(const WritePlan& plan) {
    if (++depth_ > kValueDepthMax)
      throw std::length_error(fmt::format("values of {} are nested more than {} deep and cannot be saved or sent",
                                          reflect::type_text(*plan.type), kValueDepthMax));
  }

  static unsigned checked_count(const WritePlan& plan, std::size_t count) {
    if (count > kListCountMax)
      throw std::length_error(
          fmt::format("a {} of {} elements is too large to be saved or sent", reflect::type_text(*plan.type), count));
    return static_cast<unsigned>(count);
  }

  void fields(const WritePlan& plan, AnyStruct::Builder out, const void* object) {
    const kj::ArrayPtr<kj::byte> data = out.getDataSection();
    List<AnyPointer>::Builder pointers = out.getPointerSection();
    for (std::size_t i = 0; i < plan.parts.size(); ++i) {
      const Slot slot = plan.body.slots[i];
      const void* const part = plan.type->fields[i].get_const(object);
      if (slot.size == SlotSize::pointer) {
        pointer(*plan.parts[i], pointers[slot.offset], part);
      } else {
        write_slot(data, slot, load_bits(*plan.parts[i]->type, part));
      }
    }
  }

  void variant(const WritePlan& plan, AnyStruct::Builder out, const void* object) {
    const reflect::VariantOps& ops = plan.type->variant;
    const std::size_t index = ops.index(object);
    if (index >= plan.parts.size())
      throw std::length_error(fmt::format("a {} that holds nothing (valueless by exception) cannot be saved or sent",
                                          reflect::type_text(*plan.type)));
    write_slot(out.getDataSection(), plan.body.slots[0], index);
    member(*plan.parts[index], plan.body.slots[index + 1], out, ops.get(object));
  }

  /// Empty texts, lists and optionals stay null pointers, which readers treat as empty.
  void pointer(const WritePlan& plan, AnyPointer::Builder out, const void* object) {
    const TypeInfo& type = *plan.type;
    switch (type.kind) {
      case Kind::text:
        text(plan, out, *static_cast<const std::string*>(object));
        break;
      case Kind::ref:
        text(plan, out, type.ref.get(object));
        break;
      case Kind::bytes: {
        const auto& bytes = *static_cast<const Bytes*>(object);
        if (bytes.empty()) break;
        auto data = out.initAs<capnp::Data>(checked_count(plan, bytes.size()));
        std::memcpy(data.begin(), bytes.data(), bytes.size());
        break;
      }
      case Kind::sequence:
        sequence(plan, out, object);
        break;
      case Kind::map:
        map(plan, out, object);
        break;
      case Kind::optional:
        if (type.optional.get(object) == nullptr) break;
        [[fallthrough]];
      default:
        body(plan, out.initAsAnyStruct(plan.body.data_words, plan.body.pointer_count), object);
    }
  }

  static void text(const WritePlan& plan, AnyPointer::Builder out, std::string_view value) {
    if (value.empty()) return;
    auto text = out.initAs<capnp::Text>(checked_count(plan, value.size()));
    std::memcpy(text.begin(), value.data(), value.size());
  }

  void sequence(const WritePlan& plan, AnyPointer::Builder out, const void* object) {
    const unsigned count = checked_count(plan, plan.type->sequence.size(object));
    if (count == 0) return;
    enter(plan);
    const WritePlan& element = *plan.parts[0];
    switch (element.slot) {
      case SlotSize::bit:
        numbers<bool>(plan, out, count, object);
        break;
      case SlotSize::one_byte:
        numbers<std::uint8_t>(plan, out, count, object);
        break;
      case SlotSize::two_bytes:
        numbers<std::uint16_t>(plan, out, count, object);
        break;
      case SlotSize::four_bytes:
        numbers<std::uint32_t>(plan, out, count, object);
        break;
      case SlotSize::eight_bytes:
        numbers<std::uint64_t>(plan, out, count, object);
        break;
      case SlotSize::pointer:
        if (is_struct(element.type->kind)) {
          auto list = out.initAsListOfAnyStruct(element.body.data_words, element.body.pointer_count, count);
          each(plan, object, [&](unsigned i, const void* value) { body(element, list[i], value); });
        } else {
          auto list = out.initAsAnyList(capnp::ElementSize::POINTER, count).as<List<AnyPointer>>();
          each(plan, object, [&](unsigned i, const void* value) { pointer(element, list[i], value); });
        }
    }
    --depth_;
  }

  template <class Number>
  void numbers(const WritePlan& plan, AnyPointer::Builder out, unsigned count, const void* object) {
    auto list = out.initAs<List<Number>>(count);
    const TypeInfo& type = *plan.parts[0]->type;
    each(plan, object,
         [&](unsigned i, const void* value) { list.set(i, static_cast<Number>(load_bits(type, value))); });
  }

  template <class Visit>
  static void each(const WritePlan& plan, const void* object, Visit visit) {
    const reflect::SequenceOps& ops = plan.type->sequence;
    unsigned index = 0;
    if (ops.is_unordered) {
      for (const void* element : sorted_elements(ops, object)) visit(index++, element);
    } else {
      ops.for_each(object, [&](const void* element) { visit(index++, element); });
    }
  }

  void map(const WritePlan& plan, AnyPointer::Builder out, const void* object) {
    const reflect::MapOps& ops = plan.type->map;
    const unsigned count = checked_count(plan, ops.size(object));
    if (count == 0) return;
    enter(plan);
    auto list = out.initAsListOfAnyStruct(plan.body.data_words, plan.body.pointer_count, count);
    unsigned index = 0;
    const auto entry = [&](const void* key, const void* value) {
      AnyStruct::Builder pair = list[index++];
      member(*plan.parts[0], plan.body.slots[0], pair, key);
      member(*plan.parts[1], plan.body.slots[1], pair, value);
    };
    if (ops.is_unordered) {
      for (const MapEntry& sorted : sorted_entries(ops, object)) entry(sorted.key, sorted.value);
    } else {
      ops.for_each(object, entry);
    }
    --depth_;
  }

  int depth_ = 0;
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

  const std::vector<const TypeInfo*> parts = parts_of(type);
  std::vector<SlotSize> sizes;
  for (const TypeInfo* part : parts) sizes.push_back(slot_size(part->kind));
  if (is_struct(type.kind) || type.kind == Kind::map) plan.body = make_layout(type.kind, sizes);
  for (const TypeInfo* part : parts) plan.parts.push_back(&get(*part));
  return plan;
}

void write_root(const WritePlan& plan, const void* object, AnyPointer::Builder root) {
  try {
    Writer writer;
    if (is_struct(plan.type->kind)) {
      writer.body(plan, root.initAsAnyStruct(plan.body.data_words, plan.body.pointer_count), object);
      return;
    }
    const bool is_pointer = plan.slot == SlotSize::pointer;
    writer.member(plan, {.size = plan.slot, .offset = 0}, root.initAsAnyStruct(is_pointer ? 0 : 1, is_pointer ? 1 : 0),
                  object);
  } catch (const kj::Exception& error) {
    throw std::length_error(fmt::format("a value of {} is too large to be saved or sent: {}",
                                        reflect::type_text(*plan.type), error.getDescription().cStr()));
  }
}

}  // namespace epic::codec
