#pragma once
// Reads a value from JSON into a sink: an object in memory with its table, or a message with its schema.
//
// A Sink is a place of known kind that takes a value. Both sinks (object_json.cpp, snapshot_json.cpp) use this one
// reader. It accepts what JsonWriter writes, and the other forms listed in codec/README.md. Every error is a sentence
// in the user's terms, with the path to the part.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "codec/json_labels.hpp"
#include "codec/json_scalars.hpp"
#include "codec/json_writer.hpp"
#include "codec/limits.hpp"
#include "codec/value_path.hpp"
#include "kernel/codec.hpp"
#include "reflect/nearest_name.hpp"
#include "reflect/type_text.hpp"

namespace epic::codec {

/// What to do with a field that the type does not have: a person may have mistyped it; an older program may have had
/// it.
enum class UnknownFields : std::uint8_t { refuse, ignore };

template <class Sink>
class JsonReader {
 public:
  using Json = boost::json::value;

  explicit JsonReader(UnknownFields unknown_fields) : unknown_fields_(unknown_fields) {}

  std::expected<void, kernel::CodecError> read(const Json& json, Sink sink) {
    if (value(json, sink)) return {};
    return std::unexpected(error());
  }

  /// The number of ignored fields.
  [[nodiscard]] std::size_t ignored_count() const { return ignored_count_; }
  /// What went wrong, after a failed read or an exception thrown by it.
  [[nodiscard]] kernel::CodecError error() const { return {.path = path_.text(), .what = problem_}; }

 private:
  bool fail(std::string text) {
    problem_ = std::move(text);
    return false;
  }
  bool fail_got(std::string_view wanted, const Json& json) {
    return fail(fmt::format("expected {}, got {}", wanted, describe(json)));
  }
  std::string with_suggestion(std::string text, std::string_view wanted, const std::vector<std::string_view>& names) {
    if (const auto nearest = reflect::find_nearest(wanted, names)) {
      text += fmt::format("; did you mean '{}'?", *nearest);
    } else if (!names.empty()) {
      text += fmt::format("; there is {}", fmt::join(names, ", "));
    }
    return text;
  }

  bool value(const Json& json, Sink& sink) {
    using reflect::Kind;
    switch (sink.kind()) {
      case Kind::enumeration:
        return enumeration(json, sink);
      case Kind::text:
      case Kind::ref:
        return text(json, sink);
      case Kind::bytes:
        return bytes(json, sink);
      case Kind::optional:
        return optional(json, sink);
      case Kind::variant:
        return variant(json, sink);
      case Kind::sequence:
        return sequence(json, sink);
      case Kind::map:
        return map(json, sink);
      case Kind::tuple:
        return tuple(json, sink);
      case Kind::record:
        return record(json, sink);
      default: {
        const auto bits = scalar_from_json(sink.kind(), sink.unit(), json);
        if (!bits) return fail(bits.error());
        if (sink.try_set_bits(*bits)) return true;
        return fail(fmt::format("{} cannot hold {}: its counter is too small", sink.type_text(), describe(json)));
      }
    }
  }

  /// A value inside another one.
  bool inner(const Json& json, Sink& sink) {
    if (depth_ == kValueDepthMax) return fail(fmt::format("values are nested more than {} deep", kValueDepthMax));
    ++depth_;
    const bool is_read = value(json, sink);
    --depth_;
    return is_read;
  }

  bool enumeration(const Json& json, Sink& sink) {
    const auto* name = json.if_string();
    if (name != nullptr) return enumerator(*name, sink);
    const auto number = scalar_from_json(reflect::Kind::int64, {}, json);
    if (!number) return fail_got(fmt::format("{} by name", sink.type_text()), json);
    return enumeration_number(static_cast<std::int64_t>(*number), sink);
  }

  bool enumeration_number(std::int64_t number, Sink& sink) {
    if (sink.try_set_enumeration(number)) return true;
    return fail(fmt::format("{} is not a value of {}", number, sink.type_text()));
  }

  bool enumerator(std::string_view name, Sink& sink) {
    std::vector<std::string_view> names;
    for (const auto& enumerator : sink.enumerators()) {
      if (enumerator.name == name) return enumeration_number(enumerator.value, sink);
      names.push_back(enumerator.name);
    }
    return fail(with_suggestion(fmt::format("{} has no '{}'", sink.type_text(), name), name, names));
  }

  bool text(const Json& json, Sink& sink) {
    if (json.is_null() && sink.kind() == reflect::Kind::ref) return set_text({}, sink);
    if (const auto* string = json.if_string()) return set_text(*string, sink);
    if (const auto* object = json.if_object(); object != nullptr && object->size() == 1) {
      const Json* encoded = object->if_contains("base64");
      const auto raw = encoded != nullptr && encoded->is_string() ? parse_base64(encoded->get_string()) : std::nullopt;
      if (raw) return set_text({reinterpret_cast<const char*>(raw->data()), raw->size()}, sink);
    }
    return fail_got(sink.kind() == reflect::Kind::ref ? "the name of an entity (\"Type/Key\") or null" : "text", json);
  }

  bool set_text(std::string_view text, Sink& sink) {
    return sink.try_set_text(text) || fail(reflect::ref_problem(sink.ref_class(), text));
  }

  bool bytes(const Json& json, Sink& sink) {
    const auto* string = json.if_string();
    const auto raw = string != nullptr ? parse_base64(*string) : std::nullopt;
    if (!raw) return fail_got("bytes in base64", json);
    sink.set_bytes(*raw);
    return true;
  }

  bool optional(const Json& json, Sink& sink) {
    if (json.is_null()) {
      sink.reset();
      return true;
    }
    Sink held = sink.emplace();
    if (may_be_null(held.kind()))
      if (const auto* object = json.if_object(); object != nullptr && object->size() == 1)
        if (const Json* wrapped = object->if_contains("value")) return inner(*wrapped, held);
    return inner(json, held);
  }

  bool variant(const Json& json, Sink& sink) {
    const Labels& labels = sink.labels();
    const auto* object = json.if_object();
    if (object == nullptr || object->size() != 1)
      return fail_got(fmt::format("one of {{\"{}\": …}}", fmt::join(labels, "\": …}, {\"")), json);
    const auto& member = *object->begin();
    const auto index = find_label(labels, member.key());
    if (!index) {
      const std::vector<std::string_view> names(labels.begin(), labels.end());
      return fail(with_suggestion(fmt::format("the variant holds no '{}'", std::string_view(member.key())),
                                  member.key(), names));
    }
    Sink alternative = sink.emplace_alternative(*index);
    return inner(member.value(), alternative);
  }

  bool sequence(const Json& json, Sink& sink) {
    const auto* list = json.if_array();
    if (list == nullptr) return fail_got(fmt::format("a list for {}", sink.type_text()), json);
    if (const std::size_t fixed = sink.fixed_count(); fixed > 0 && fixed != list->size())
      return fail(fmt::format("expected {} elements for {}, got {}", fixed, sink.type_text(), list->size()));
    std::size_t index = 0;
    const bool is_read = sink.assign(list->size(), [&](Sink element) {
      path_.push_index(index);
      if (!inner((*list)[index], element)) return false;
      path_.pop();
      ++index;
      return true;
    });
    return is_read && holds_all(list->size(), sink, "elements");
  }

  bool holds_all(std::size_t count, const Sink& sink, std::string_view what) {
    return !sink.has_fewer_than(count) ||
           fail(fmt::format("some of its {} {} are there twice, and each may be there once", count, what));
  }

  bool map(const Json& json, Sink& sink) {
    if (const auto* object = json.if_object()) return map_of_members(*object, sink);
    const auto* pairs = json.if_array();
    if (pairs == nullptr) return fail_got(fmt::format("an object or a list of pairs for {}", sink.type_text()), json);
    std::size_t index = 0;
    const bool is_read = sink.assign_entries(pairs->size(), [&](Sink key, Sink mapped) {
      path_.push_index(index);
      const auto* pair = (*pairs)[index++].if_array();
      if (pair == nullptr || pair->size() != 2) return fail_got("a pair [key, value]", (*pairs)[index - 1]);
      if (!inner((*pair)[0], key) || !inner((*pair)[1], mapped)) return false;
      path_.pop();
      return true;
    });
    return is_read && holds_all(pairs->size(), sink, "keys");
  }

  bool map_of_members(const boost::json::object& object, Sink& sink) {
    auto member = object.begin();
    const bool is_read = sink.assign_entries(object.size(), [&](Sink key, Sink mapped) {
      path_.push_field(member->key());
      if (!map_key(member->key(), key) || !inner(member->value(), mapped)) return false;
      path_.pop();
      ++member;
      return true;
    });
    return is_read && holds_all(object.size(), sink, "keys");
  }

  /// The key of an object is always a string; one that represents a number or a time is read as such.
  bool map_key(std::string_view name, Sink& key) {
    using reflect::Kind;
    if (key.kind() == Kind::text || key.kind() == Kind::ref) return set_text(name, key);
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool is_number = failure == std::errc{} && end == name.data() + name.size();
    if (is_number) return inner(Json(number), key);
    return inner(Json(boost::json::string_view(name)), key);
  }

  bool tuple(const Json& json, Sink& sink) {
    const auto* list = json.if_array();
    if (list == nullptr) return fail_got(fmt::format("a list for {}", sink.type_text()), json);
    if (list->size() != sink.field_count())
      return fail(
          fmt::format("expected {} elements for {}, got {}", sink.field_count(), sink.type_text(), list->size()));
    sink.begin_fields();
    for (std::size_t i = 0; i < list->size(); ++i) {
      path_.push_index(i);
      Sink part = sink.field(i);
      if (!inner((*list)[i], part)) return false;
      path_.pop();
    }
    return true;
  }

  bool record(const Json& json, Sink& sink) {
    const auto* object = json.if_object();
    if (object == nullptr) return fail_got(fmt::format("an object for {}", sink.type_text()), json);
    sink.begin_fields();
    std::vector<bool> is_given(sink.field_count());
    for (const auto& member : *object) {
      const std::string_view name = member.key();
      const auto index = sink.find_field(name);
      if (!index && unknown_fields_ == UnknownFields::ignore) {
        ++ignored_count_;
        continue;
      }
      if (!index)
        return fail(
            with_suggestion(fmt::format("{} has no field '{}'", sink.type_text(), name), name, sink.field_names()));
      if (is_given[*index]) return fail(fmt::format("'{}' is the same field as another one given", name));
      is_given[*index] = true;
      path_.push_field(name);
      Sink part = sink.field(*index);
      if (!inner(member.value(), part)) return false;
      path_.pop();
    }
    return true;
  }

  UnknownFields unknown_fields_;
  ValuePath path_;
  std::string problem_;
  std::size_t ignored_count_ = 0;
  int depth_ = 0;
};

}  // namespace epic::codec
