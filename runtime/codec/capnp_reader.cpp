#include "codec/capnp_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <string_view>
#include <utility>

#include "codec/json_scalars.hpp"
#include "codec/limits.hpp"
#include "codec/scalars.hpp"
#include "codec/time_units.hpp"
#include "codec/value_path.hpp"
#include "codec/wire_reader.hpp"
#include "kernel/errors.hpp"
#include "protocol/json.hpp"
#include "reflect/text_of.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {
namespace {

using reflect::Kind;
using reflect::TypeInfo;
using Action = ReadPlan::Action;

double as_double(Kind written, std::uint64_t bits) {
  if (written == Kind::float64) return load_as<double>(&bits);
  if (written == Kind::float32) return static_cast<double>(load_as<float>(&bits));
  return static_cast<double>(static_cast<std::int64_t>(sign_extended(written, bits)));  // at most 32 bits, so exact
}

/// Converts to the narrower type `kind`, if it can hold the number. A `double` is rounded to a `float`.
template <class Number>
bool store_if_it_fits(Kind kind, Number number, void* object) {
  return with_number(kind, [&]<class T>(T) {
    if constexpr (std::is_floating_point_v<T>) {  // float32: no other kind is a narrower one
      if (!fits_float(static_cast<double>(number))) return false;
    } else if constexpr (std::is_integral_v<Number>) {
      if (!std::in_range<T>(number)) return false;
    } else {  // a double holds both limits: wider integers are never widened to double
      if (number != std::trunc(number) || number < static_cast<double>(std::numeric_limits<T>::min()) ||
          number > static_cast<double>(std::numeric_limits<T>::max()))
        return false;
    }
    store_as(object, static_cast<T>(number));
    return true;
  });
}

/// Every function returns false after setting `problem`; its callers then append to `path` on their way back.
class Reader {
 public:
  explicit Reader(const ReadBounds& bounds) : bounds_(bounds), bytes_left_(bounds.decoded_bytes_max) {}

  bool root(const ReadPlan& plan, std::span<const std::byte> message, void* object) {
    Place pointer;
    Struct root;
    if (!wire_.open(message, pointer) || !wire_.read_struct(pointer, root)) return fail_damaged();
    if (is_struct(plan.written)) return body(plan, root, object);
    return member(plan, {.size = plan.slot, .offset = 0}, root, object);  // the only member of a wrapper struct
  }

  ValuePath path;  // from the place to the root
  std::string problem;

 private:
  using Place = WireReader::Place;
  using Struct = WireReader::Struct;
  using List = WireReader::List;

  bool fail(std::string text) {
    problem = std::move(text);
    return false;
  }
  bool fail_damaged() { return fail(fmt::format("the bytes are damaged: {}", wire_.problem())); }

  bool member(const ReadPlan& plan, Slot slot, const Struct& around, void* object) {
    if (slot.size == SlotSize::pointer) return pointer(plan, around.pointer(slot), object);
    const std::uint64_t bits = around.bits(slot);
    if (plan.plain_bytes == 0) return scalar(plan, bits, object);
    copy_plain(object, &bits, plan.plain_bytes);
    return true;
  }

  bool scalar(const ReadPlan& plan, std::uint64_t bits, void* object) {
    const TypeInfo& type = *plan.type;
    switch (plan.action) {
      case Action::number:
        if (type.kind == Kind::boolean) {
          store_as(object, bits != 0);
        } else if (type.kind == Kind::float64) {
          store_as(object, as_double(plan.written, bits));
        } else if (type.kind == Kind::float32 && plan.written != Kind::float32) {
          store_as(object, static_cast<float>(as_double(plan.written, bits)));
        } else {
          const std::uint64_t number = sign_extended(plan.written, bits);
          std::memcpy(object, &number, type.size_bytes);
        }
        return true;
      case Action::narrow:
        return narrow(plan, bits, object);
      case Action::enumeration:
        return enumeration(plan, static_cast<std::int64_t>(bits), object);
      case Action::plain:
        if (set_time(type.time, object, plan.unit, bits)) return true;
        return fail(fmt::format("{} cannot hold {}: {}", reflect::type_text(type),
                                protocol::print_json(time_to_json(type.kind, plan.unit, bits)),
                                plan.unit.is_date && !days_of_date(bits)
                                    ? "it is not a date"
                                    : "its unit is too coarse, or its counter too small"));
      case Action::wrap:
        return afford_content(type) && scalar(*plan.parts[0], bits, type.optional.emplace(object));
      default:
        return fail(plan.problem);
    }
  }

  bool narrow(const ReadPlan& plan, std::uint64_t bits, void* object) {
    const auto store = [&](auto number) {
      if (store_if_it_fits(plan.type->kind, number, object)) return true;
      return fail(fmt::format("{} was sent, and does not fit {}", number, reflect::type_text(*plan.type)));
    };
    switch (plan.written) {
      case Kind::float32:
      case Kind::float64:
        return store(as_double(plan.written, bits));
      case Kind::uint8:
      case Kind::uint16:
      case Kind::uint32:
      case Kind::uint64:
        return store(bits);
      default:
        return store(static_cast<std::int64_t>(sign_extended(plan.written, bits)));
    }
  }

  /// An unnamed number is treated as a set of flags if it is one, and otherwise kept unchanged.
  bool enumeration(const ReadPlan& plan, std::int64_t written, void* object) {
    std::int64_t value = written;
    if (bounds_.only_named_enumerators &&
        std::ranges::none_of(plan.enumerators, [&](const auto& enumerator) { return enumerator.written == written; }))
      return fail(fmt::format("{} is not a value of {}", written, plan.type->name));
    if (!plan.is_same_enumeration) {
      std::int64_t flags_left = written;
      std::int64_t flags = 0;
      for (const auto& enumerator : plan.enumerators) {
        if (enumerator.written == written) {
          if (!enumerator.value)
            return fail(fmt::format("enumerator '{}' is no longer in {}", enumerator.name, plan.type->name));
          flags_left = 0;
          flags = *enumerator.value;
          break;
        }
        if (enumerator.value && enumerator.written != 0 && (enumerator.written & ~flags_left) == 0) {
          flags_left &= ~enumerator.written;
          flags |= *enumerator.value;
        }
      }
      if (flags_left == 0) value = flags;
    }
    if (plan.type->enumeration.set(object, value)) return true;
    return fail(fmt::format("{} is not a value of {}", value, plan.type->name));
  }

  bool pointer(const ReadPlan& plan, Place in, void* object) {
    const TypeInfo& type = *plan.type;
    switch (plan.action) {
      case Action::plain:
        return plain(plan, in, object);
      case Action::sequence:
        return sequence(plan, in, object);
      case Action::map:
        return map(plan, in, object);
      case Action::wrap:
        return afford_content(type) && pointer(*plan.parts[0], in, type.optional.emplace(object));
      case Action::mismatch:
        return fail(plan.problem);
      default: {
        Struct structure;
        return wire_.read_struct(in, structure) ? body(plan, structure, object) : fail_damaged();
      }
    }
  }

  bool plain(const ReadPlan& plan, Place in, void* object) {
    const TypeInfo& type = *plan.type;
    if (type.kind == Kind::bytes) {
      List data;
      if (!wire_.read_list(in, ElementSize::one_byte, data)) return fail_damaged();
      if (data.count == 0) {
        static_cast<Bytes*>(object)->clear();
      } else {
        static_cast<Bytes*>(object)->assign(data.bytes(), data.bytes() + data.count);
      }
      return true;
    }
    std::string_view value;
    if (!wire_.read_text(in, value)) return fail_damaged();
    if (type.kind == Kind::text) {
      reflect::set_text(type, object, value);
      return true;
    }
    if (type.ref.set(object, value)) return true;
    return fail(reflect::ref_problem(reflect::ref_class(type), value));
  }

  bool fail_too_deep() { return fail(fmt::format("values are nested more than {} deep", kValueDepthMax)); }

  /// Reads the parts of a value, if it has any: empty ones count no level here, as in the writer.
  template <class Read>
  bool nested(Read read) {
    if (depth_ == kValueDepthMax) return fail_too_deep();
    ++depth_;
    const bool is_read = read();
    --depth_;
    return is_read;
  }

  /// A kind with its own struct: record, tuple, optional, variant.
  bool body(const ReadPlan& plan, const Struct& in, void* object) {
    switch (plan.action) {
      case Action::fields:
        return plan.fields.empty() || nested([&] { return fields(plan, in, object); });
      case Action::optional:
        if (in.bits(plan.body.slots[0]) != 0) return nested([&] { return optional(plan, in, object); });
        plan.type->optional.reset(object);
        return true;
      case Action::unwrap:
        return nested([&] { return unwrap(plan, in, object); });
      case Action::variant:
        return nested([&] { return variant(plan, in, object); });
      case Action::wrap:
        return afford_content(*plan.type) && body(*plan.parts[0], in, plan.type->optional.emplace(object));
      default:
        return fail(plan.problem);
    }
  }

  bool fields(const ReadPlan& plan, const Struct& in, void* object) {
    for (const ReadPlan::Field& field : plan.fields) {
      if (member(*field.plan, field.slot, in, field.into->get(object))) continue;
      if (field.into->name.empty()) {
        path.push_index(field.position);
      } else {
        path.push_field(field.into->name);
      }
      return false;
    }
    return true;
  }

  bool optional(const ReadPlan& plan, const Struct& in, void* object) {
    return afford_content(*plan.type) &&
           member(*plan.parts[0], plan.body.slots[1], in, plan.type->optional.emplace(object));
  }

  bool unwrap(const ReadPlan& plan, const Struct& in, void* object) {
    if (in.bits(plan.body.slots[0]) == 0)
      return fail(fmt::format("nothing was sent, and {} is needed", reflect::type_text(*plan.type)));
    return member(*plan.parts[0], plan.body.slots[1], in, object);
  }

  bool variant(const ReadPlan& plan, const Struct& in, void* object) {
    const std::uint64_t index = in.bits(plan.body.slots[0]);
    if (index >= plan.parts.size())
      return fail(fmt::format("there is no alternative {} of {}", index, plan.parts.size()));
    const ReadPlan& part = *plan.parts[index];
    if (part.action == Action::mismatch) return fail(part.problem);
    return member(part, plan.body.slots[index + 1], in, plan.type->variant.emplace(object, plan.alternatives[index]));
  }

  /// Called before `count` elements are allocated.
  bool afford(std::size_t count, std::size_t size_bytes) {
    if (count > bytes_left_ / std::max<std::size_t>(size_bytes, 1))
      return fail(fmt::format("the elements would take more than {} bytes of memory", bounds_.decoded_bytes_max));
    bytes_left_ -= count * size_bytes;
    return true;
  }

  /// What a unique_ptr holds has memory of its own.
  bool afford_content(const TypeInfo& optional) {
    return !optional.optional.is_boxed || afford(1, optional.optional.element().size_bytes);
  }

  bool sequence(const ReadPlan& plan, Place in, void* object) {
    const ReadPlan& element = *plan.parts[0];
    const bool is_composite = is_struct(element.written);
    List list;
    if (!wire_.read_list(in, is_composite ? ElementSize::composite : element_size(element.slot), list))
      return fail_damaged();
    if (element.slot == SlotSize::pointer)
      return assign(plan, list.count, object, [&](std::size_t i, void* out) {
        return is_composite ? body(element, list.structure(i), out) : pointer(element, list.pointer(i), out);
      });
    return assign(plan, list.count, object,
                  [&](std::size_t i, void* out) { return scalar(element, list.bits(element.slot, i), out); });
  }

  template <class ReadElement>
  bool assign(const ReadPlan& plan, std::size_t count, void* object, ReadElement read) {
    const reflect::SequenceOps& ops = plan.type->sequence;
    if (ops.fixed_count > 0 && count > ops.fixed_count)
      return fail(fmt::format("there are {} elements, and {} has room for {}", count, reflect::type_text(*plan.type),
                              ops.fixed_count));
    if (!afford(count, ops.element().size_bytes)) return false;
    std::size_t index = 0;
    const auto read_all = [&] {
      return ops.assign(object, count, [&](void* element) { return read(index++, element); });
    };
    if (!(count == 0 ? read_all() : nested(read_all))) {
      if (index > 0) path.push_index(index - 1);
      return false;
    }
    if (ops.is_set && ops.size(object) != count)
      return fail(fmt::format("{} of its {} elements are there twice, and a set has each once",
                              count - ops.size(object), count));
    return true;
  }

  bool map(const ReadPlan& plan, Place in, void* object) {
    const reflect::MapOps& ops = plan.type->map;
    List list;
    if (!wire_.read_list(in, ElementSize::composite, list)) return fail_damaged();
    if (!afford(list.count, ops.key().size_bytes + ops.value().size_bytes)) return false;
    std::size_t index = 0;
    const auto read_entry = [&](void* key, void* value) {
      const Struct entry = list.structure(index++);
      if (member(*plan.parts[0], plan.body.slots[0], entry, key)) {
        if (member(*plan.parts[1], plan.body.slots[1], entry, value)) return true;
      } else {
        path.push_field("key");
      }
      path.push_index(index - 1);
      return false;
    };
    const auto read_all = [&] { return ops.assign(object, list.count, read_entry); };
    const bool is_read = list.count == 0 ? read_all() : nested(read_all);
    if (is_read && ops.size(object) != list.count)
      return fail(fmt::format("{} of its {} keys are there twice", list.count - ops.size(object), list.count));
    return is_read;
  }

  WireReader wire_;
  int depth_ = 0;
  const ReadBounds& bounds_;
  std::size_t bytes_left_;
};

}  // namespace

std::expected<void, kernel::CodecError> read_message(std::span<const std::byte> bytes, const ReadPlan& plan,
                                                     void* object, const ReadBounds& bounds) {
  if (std::string problem = message_problem(bytes); !problem.empty())
    return std::unexpected(kernel::CodecError{.path = {}, .what = std::move(problem)});
  Reader reader(bounds);
  try {
    if (reader.root(plan, bytes, object)) return {};
  } catch (...) {  // out of memory, or the user's own constructor, comparison or hash
    reader.problem = kernel::describe_failure(std::current_exception()).message;
  }
  reader.path.reverse();
  return std::unexpected(kernel::CodecError{.path = reader.path.text(), .what = std::move(reader.problem)});
}

}  // namespace epic::codec
