#pragma once
// Writes a value as JSON from a view: an object in memory with its table, or a message with its schema.
//
// A View is a readable value of known kind. Both views (object_json.cpp, snapshot_json.cpp) use this one writer, so a
// live entity and its snapshot look the same. codec/README.md lists the forms.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>
#include <stdexcept>
#include <string>

#include "codec/json_scalars.hpp"
#include "codec/limits.hpp"
#include "codec/show_name.hpp"
#include "reflect/utf8.hpp"

namespace epic::codec {

/// A value of this kind can be null in JSON, so an optional that holds one needs a wrapper.
[[nodiscard]] constexpr bool may_be_null(reflect::Kind kind) {
  return kind == reflect::Kind::optional || kind == reflect::Kind::ref;
}

/// The text itself, or {"base64": "…"} if JSON cannot hold it.
[[nodiscard]] inline boost::json::value text_to_json(std::string_view text) {
  if (reflect::is_utf8(text)) return boost::json::value(boost::json::string_view(text));
  return boost::json::object{{"base64", format_base64(std::as_bytes(std::span(text)))}};
}

template <class View>
class JsonWriter {
 public:
  explicit JsonWriter(const ShowName& show_name) : show_name_(show_name) {}

  /// Throws std::length_error for values nested deeper than kValueDepthMax.
  boost::json::value write(const View& view) {
    using reflect::Kind;
    switch (view.kind()) {
      case Kind::enumeration:
        return enumeration(view);
      case Kind::duration:
      case Kind::time_point:
        return time_to_json(view.kind(), view.unit(), view.bits());
      case Kind::text:
        return text_to_json(view.text());
      case Kind::ref:
        return view.text().empty() ? boost::json::value(nullptr) : text_to_json(shown(view.text()));
      case Kind::bytes:
        return boost::json::string(format_base64(view.bytes()));
      case Kind::optional:
        return optional(view);
      case Kind::variant:
        return variant(view);
      case Kind::sequence:
        return sequence(view);
      case Kind::map:
        return map(view);
      case Kind::tuple:
        return tuple(view);
      case Kind::record:
        return record(view);
      default:
        return number_to_json(view.kind(), view.bits());
    }
  }

 private:
  [[nodiscard]] std::string shown(std::string_view name) const {
    return show_name_ ? show_name_(name) : std::string(name);
  }

  static boost::json::value enumeration(const View& view) {
    const auto number = static_cast<std::int64_t>(view.bits());
    if (const auto name = view.find_enumerator(number)) return boost::json::value(boost::json::string_view(*name));
    return number;
  }

  /// A value inside another one.
  boost::json::value inner(const View& view) {
    if (depth_ == kValueDepthMax)
      throw std::length_error(fmt::format("values are nested more than {} deep", kValueDepthMax));
    ++depth_;
    boost::json::value json = write(view);
    --depth_;
    return json;
  }

  boost::json::value optional(const View& view) {
    const auto held = view.held();
    if (!held) return nullptr;
    if (!may_be_null(held->kind())) return inner(*held);
    return boost::json::object{{"value", inner(*held)}};
  }

  boost::json::value variant(const View& view) {
    const auto [label, value] = view.alternative();
    return boost::json::object{{label, inner(value)}};
  }

  boost::json::value sequence(const View& view) {
    boost::json::array list;
    view.each_element([&](const View& element) { list.push_back(inner(element)); });
    return list;
  }

  boost::json::value tuple(const View& view) {
    boost::json::array list;
    view.each_field([&](std::string_view, const View& part) { list.push_back(inner(part)); });
    return list;
  }

  boost::json::value record(const View& view) {
    boost::json::object object;
    view.each_field([&](std::string_view name, const View& part) { object.emplace(name, inner(part)); });
    return object;
  }

  /// An object, or a list of pairs if a key can be there twice or any key cannot be a JSON string.
  boost::json::value map(const View& view) {
    if (view.is_multi()) return pairs_of(view);
    boost::json::object object;
    boost::json::array pairs;
    bool is_object = true;
    view.each_entry([&](const View& key, const View& value) {
      auto name = is_object ? key_text(key) : std::nullopt;
      if (is_object && !name) {
        is_object = false;
        pairs = pairs_of(view);
      }
      if (is_object) object.emplace(*name, inner(value));
    });
    if (is_object) return object;
    return pairs;
  }

  boost::json::array pairs_of(const View& view) {
    boost::json::array pairs;
    view.each_entry([&](const View& key, const View& value) {
      boost::json::array pair;
      pair.push_back(inner(key));
      pair.push_back(inner(value));
      pairs.push_back(std::move(pair));
    });
    return pairs;
  }

  /// Texts, refs and enumerators become keys of an object; nothing else does.
  std::optional<std::string> key_text(const View& key) const {
    using reflect::Kind;
    if (key.kind() == Kind::text || key.kind() == Kind::ref) {
      if (!reflect::is_utf8(key.text())) return std::nullopt;
      return key.kind() == Kind::ref ? shown(key.text()) : std::string(key.text());
    }
    if (key.kind() != Kind::enumeration) return std::nullopt;
    const auto number = static_cast<std::int64_t>(key.bits());
    const auto name = key.find_enumerator(number);
    return name ? std::string(*name) : fmt::format("{}", number);
  }

  const ShowName& show_name_;
  int depth_ = 0;
};

}  // namespace epic::codec
