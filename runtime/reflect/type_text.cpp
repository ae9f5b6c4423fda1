#include "reflect/type_text.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "epic/entity_info.hpp"
#include "reflect/utf8.hpp"

namespace epic::reflect {
namespace {

struct KindWord {
  Kind kind;
  std::string_view word;
};

constexpr std::array kPlainKinds = {
    KindWord{Kind::boolean, "bool"},    KindWord{Kind::int8, "int8"},         KindWord{Kind::int16, "int16"},
    KindWord{Kind::int32, "int32"},     KindWord{Kind::int64, "int64"},       KindWord{Kind::uint8, "uint8"},
    KindWord{Kind::uint16, "uint16"},   KindWord{Kind::uint32, "uint32"},     KindWord{Kind::uint64, "uint64"},
    KindWord{Kind::float32, "float32"}, KindWord{Kind::float64, "float64"},   KindWord{Kind::text, "text"},
    KindWord{Kind::bytes, "bytes"},     KindWord{Kind::duration, "duration"}, KindWord{Kind::time_point, "time"},
    KindWord{Kind::ref, "ref"},
};
constexpr std::array kComposedKinds = {
    KindWord{Kind::optional, "optional"}, KindWord{Kind::variant, "variant"}, KindWord{Kind::sequence, "list"},
    KindWord{Kind::map, "map"},           KindWord{Kind::tuple, "tuple"},
};
constexpr std::array kNamedKinds = {KindWord{Kind::record, "record"}, KindWord{Kind::enumeration, "enum"}};

template <std::size_t N>
std::optional<Kind> find_word(const std::array<KindWord, N>& words, std::string_view wanted) {
  for (const auto& [kind, word] : words)
    if (word == wanted) return kind;
  return std::nullopt;
}

std::string joined(std::string_view word, std::span<const TypeFn> parts) {
  std::string text(word);
  text += '<';
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) text += ", ";
    text += type_text(parts[i]());
  }
  return text += '>';
}

}  // namespace

std::string_view to_string(Kind kind) {
  for (const auto& entry : kPlainKinds)
    if (entry.kind == kind) return entry.word;
  for (const auto& entry : kComposedKinds)
    if (entry.kind == kind) return entry.word;
  for (const auto& entry : kNamedKinds)
    if (entry.kind == kind) return entry.word;
  std::unreachable();
}

std::optional<Kind> find_plain_kind(std::string_view word) { return find_word(kPlainKinds, word); }

std::optional<Kind> find_composed_kind(std::string_view word) { return find_word(kComposedKinds, word); }

namespace {

struct UnitName {
  std::string_view name;
  std::int64_t num;
  std::int64_t den;
};
constexpr std::array kUnitNames = {
    UnitName{"ns", 1, 1'000'000'000}, UnitName{"us", 1, 1'000'000}, UnitName{"ms", 1, 1'000}, UnitName{"s", 1, 1},
    UnitName{"min", 60, 1},           UnitName{"h", 3'600, 1},      UnitName{"d", 86'400, 1},
};

}  // namespace

std::string_view unit_name(const TimeUnit& unit) {
  for (const auto& [name, num, den] : kUnitNames)
    if (unit.num == num && unit.den == den) return name;
  return {};
}

std::optional<TimeUnit> find_unit(std::string_view wanted) {
  for (const auto& [name, num, den] : kUnitNames)
    if (name == wanted) return TimeUnit{.num = num, .den = den};
  return std::nullopt;
}

std::string unit_text(const TimeUnit& unit) {
  if (unit == TimeUnit{}) return {};
  if (unit.is_date) return "date";
  std::string text(unit_name(unit));
  if (text.empty()) text = unit.den == 1 ? fmt::format("{}", unit.num) : fmt::format("{}/{}", unit.num, unit.den);
  return unit.count == Kind::int64 ? text : fmt::format("{}, {}", text, to_string(unit.count));
}

std::string_view ref_class(const TypeInfo& ref) {
  const EntityInfo* const target = ref.kind == Kind::ref ? ref.ref.target() : nullptr;
  return target == nullptr ? std::string_view() : target->type_name;
}

std::string_view stored_class(const TypeInfo& ref) {
  const EntityInfo* const target = ref.ref.target();
  return target == nullptr ? std::string_view() : target->stored_name();
}

std::string ref_problem(std::string_view ref_class, std::string_view text) {
  const std::string given = is_utf8(text) ? std::string(text) : to_utf8(text);
  if (ref_class.empty()) return fmt::format("expected the name of an entity, such as \"Type/Key\", got \"{}\"", given);
  return fmt::format("expected an entity of class {0}, such as \"{0}/Key\", got \"{1}\"", ref_class, given);
}

std::string type_text(const TypeInfo& type) {
  const auto with = [&](std::string_view argument) {
    return argument.empty() ? std::string(to_string(type.kind)) : fmt::format("{}<{}>", to_string(type.kind), argument);
  };
  switch (type.kind) {
    case Kind::ref:
      return with(ref_class(type));
    case Kind::duration:
    case Kind::time_point:
      return with(unit_text(type.time.unit));
    case Kind::record:
    case Kind::enumeration:
      return std::string(type.name);
    case Kind::optional:
      return joined("optional", {&type.optional.element, 1});
    case Kind::variant:
      return joined(type.variant.is_expected ? "expected" : "variant", type.variant.alternatives);
    case Kind::sequence:
      if (type.sequence.fixed_count > 0)
        return fmt::format("array<{}, {}>", type_text(type.sequence.element()), type.sequence.fixed_count);
      return joined("list", {&type.sequence.element, 1});
    case Kind::map:
      return joined(type.map.is_multi ? "multimap" : "map", std::array{type.map.key, type.map.value});
    case Kind::tuple: {
      std::vector<TypeFn> parts;
      for (const auto& field : type.fields) parts.push_back(field.type);
      return joined("tuple", parts);
    }
    default:
      return std::string(to_string(type.kind));
  }
}

}  // namespace epic::reflect
