#include "codec/snapshot_json.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"
#include "support/sample_types.hpp"

using namespace epic::reflect;
using namespace epic::codec;

namespace {

template <class T>
std::vector<std::byte> snapshot_bytes(const T& value) {
  std::vector<std::byte> bytes;
  CapnpCodec().encode(type_of<T>(), &value, bytes);
  return bytes;
}

/// The schema as a store returns it, parsed from its text.
template <class T>
Schema stored_schema() {
  return Schema::parse(schema_of(type_of<T>()).text()).value();
}

/// Bytes converted to JSON without the type must equal the type's JSON.
template <class T>
void check_same(const T& value) {
  const Schema schema = stored_schema<T>();
  const auto bytes = snapshot_bytes(value);
  const auto json = to_json(schema, bytes);
  REQUIRE(json.has_value());
  CHECK(epic::protocol::print_json(*json) == epic::protocol::print_json(to_json(type_of<T>(), &value)));
}

struct Hidden {
  std::variant<sample::Position, std::vector<sample::Color>, std::array<int, 2>> any;
};
BOOST_DESCRIBE_STRUCT(Hidden, (), (any))

}  // namespace

TEST_CASE("snapshot json: bytes read without the type as with it", "[codec]") {
  check_same(sample::everything());
  check_same(sample::Everything{});
  check_same(std::int16_t{-3});
  check_same(true);
  check_same(std::string("x"));
  check_same(std::string());
  check_same(std::vector<std::string>(10'000, "more than one segment"));
  check_same(std::map<int, bool>{{1, true}});
  check_same(std::optional<int>{});
  check_same(std::tuple<>{});
  check_same(Hidden{.any = std::vector{sample::Color::red}});
  check_same(Hidden{.any = std::array{1, 2}});
}

TEST_CASE("snapshot json: long keys are read as often as the form of a map needs", "[codec]") {
  std::map<std::string, int> named;
  for (int i = 0; i < 100; ++i) named[std::string(1000, 'a') + std::to_string(i)] = i;
  check_same(named);
  named["\xff"] = 100;  // cannot be the name of a member, so the map becomes a list
  check_same(named);
}

TEST_CASE("snapshot json: damaged bytes give an error or a value, and nothing else", "[codec]") {
  const char* const given = std::getenv("EPIC_SEED");
  const auto seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  INFO("EPIC_SEED=" << seed);
  std::mt19937_64 random(seed);
  const Schema schema = stored_schema<sample::Everything>();
  const auto good = snapshot_bytes(sample::everything());
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    auto bytes = good;
    for (std::size_t i = 0, changes = 1 + random() % 8; i < changes; ++i)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    if (const auto json = to_json(schema, bytes); !json) ++refused;
  }
  CHECK(refused > 50);
}
