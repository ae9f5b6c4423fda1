#pragma once
// Values through every codec, in one line. What is wrong is thrown as "path: what".

#include <catch2/catch.hpp>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"
#include "codec/snapshot_json.hpp"
#include "epic/values.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"
#include "reflect/type_text.hpp"

namespace epic::test {

template <class T>
std::vector<std::byte> to_bytes(const T& value) {
  std::vector<std::byte> bytes;
  codec::CapnpCodec().encode(reflect::type_of<T>(), &value, bytes);
  return bytes;
}

template <class T>
std::string schema_text() {
  return reflect::schema_of(reflect::type_of<T>()).text();
}

/// Written as one type and read as another, as from a store.
template <class To, class From>
To read_as(const From& value) {
  To result{};
  const auto read = codec::CapnpCodec().decode(to_bytes(value), reflect::schema_of(reflect::type_of<From>()),
                                               reflect::type_of<To>(), &result);
  if (!read) throw std::runtime_error(read.error().path + ": " + read.error().what);
  return result;
}

template <class T>
std::string to_json(const T& value) {
  return protocol::print_json(codec::to_json(reflect::type_of<T>(), &value));
}

template <class T>
T from_json(std::string_view text) {
  const auto json = protocol::parse_json(text, protocol::DuplicateKeys::refuse);
  if (!json) throw std::runtime_error(json.error());
  T value{};
  const auto read = codec::from_json(*json, reflect::type_of<T>(), &value);
  if (!read) throw std::runtime_error(read.error().path + ": " + read.error().what);
  return value;
}

/// What comes back from a store; the same must come back from JSON, of the value itself and of its snapshot, and its
/// schema must read back.
template <class T>
T there_and_back(const T& value) {
  const reflect::Schema schema = reflect::schema_of(reflect::type_of<T>());
  const auto parsed = reflect::Schema::parse(schema.text());
  REQUIRE(parsed.has_value());
  REQUIRE(parsed->text() == schema.text());
  const std::vector<std::byte> bytes = to_bytes(value);
  const std::string json = to_json(value);
  const auto exported = codec::to_json(*parsed, bytes);
  REQUIRE(exported.has_value());
  REQUIRE(protocol::print_json(*exported) == json);
  REQUIRE(to_bytes(from_json<T>(json)) == bytes);
  T again = read_as<T>(value);
  REQUIRE(to_bytes(again) == bytes);
  return again;
}

}  // namespace epic::test
