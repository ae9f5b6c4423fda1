#pragma once
// Values of types that the program itself knows, as JSON and back: mainly the structs of protocol/.

#include <boost/json/value.hpp>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "codec/json_codec.hpp"
#include "epic/entity_info.hpp"
#include "epic/values.hpp"
#include "protocol/json.hpp"
#include "reflect/try.hpp"

namespace epic::codec {

template <class T>
[[nodiscard]] boost::json::value describe_json(const T& value) {
  return to_json(reflect::type_of<T>(), &value);
}

template <class T>
[[nodiscard]] std::string describe_text(const T& value) {
  return protocol::print_json(describe_json(value));
}

/// Missing fields keep their defaults, unknown ones are ignored. The error is a phrase: "nodes: expected uint64, got
/// null".
template <class T>
[[nodiscard]] std::expected<T, std::string> read_described(const boost::json::value& json) {
  T value{};
  if (auto read = from_json(json, reflect::type_of<T>(), &value, UnknownFields::ignore); !read)
    return std::unexpected(read.error().path.empty() ? read.error().what
                                                     : read.error().path + ": " + read.error().what);
  return value;
}

/// The same, from JSON text.
template <class T>
[[nodiscard]] std::expected<T, std::string> read_described_text(std::string_view text) {
  const auto json = EPIC_TRY(protocol::parse_json(text));
  return read_described<T>(json);
}

}  // namespace epic::codec
