#include "reflect/type_text.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

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

std::string type_text(const TypeInfo& type) {
  switch (type.kind) {
    case Kind::record:
    case Kind::enumeration:
      return std::string(type.name);
    case Kind::optional:
      return joined("optional", {&type.optional.element, 1});
    case Kind::variant:
      return joined("variant", type.variant.alternatives);
    case Kind::sequence:
      if (type.sequence.fixed_count > 0)
        return fmt::format("array<{}, {}>", type_text(type.sequence.element()), type.sequence.fixed_count);
      return joined("list", {&type.sequence.element, 1});
    case Kind::map:
      return joined("map", std::array{type.map.key, type.map.value});
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
