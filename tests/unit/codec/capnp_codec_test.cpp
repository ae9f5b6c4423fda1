#include "codec/capnp_codec.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <set>

#include "codec/limits.hpp"
#include "reflect/schema_of.hpp"
#include "support/sample_types.hpp"

using namespace epic::reflect;
using epic::codec::CapnpCodec;

namespace {

template <class T>
std::vector<std::byte> encoded(const T& value) {
  std::vector<std::byte> bytes;
  CapnpCodec().encode(type_of<T>(), &value, bytes);
  return bytes;
}

/// Writes as one type, reads as another. Throws errors as "path: what".
template <class To, class From>
To converted(const From& value) {
  const auto bytes = encoded(value);
  To result{};
  const auto read = CapnpCodec().decode(bytes, schema_of(type_of<From>()), type_of<To>(), &result);
  if (!read) throw std::runtime_error(read.error().path + ": " + read.error().what);
  return result;
}

/// The same for sent data.
template <class To, class From>
To received(const From& value) {
  const auto bytes = encoded(value);
  To result{};
  const auto read = CapnpCodec().decode_sent(bytes, schema_of(type_of<From>()), type_of<To>(), &result);
  if (!read) throw std::runtime_error(read.error().path + ": " + read.error().what);
  return result;
}

template <class T>
T round_trip(const T& value) {
  return converted<T>(value);
}

}  // namespace

TEST_CASE("capnp codec: every kind comes back as it was", "[codec]") {
  const sample::Everything value = sample::everything();
  CHECK(round_trip(value) == value);
  CHECK(round_trip(sample::Everything{}) == sample::Everything{});
}

TEST_CASE("capnp codec: a root that is no struct comes back", "[codec]") {
  CHECK(round_trip(std::int8_t{-5}) == -5);
  CHECK(round_trip(true) == true);
  CHECK(round_trip(std::string("x\0y", 3)) == std::string("x\0y", 3));
  CHECK(round_trip(std::vector<int>{1, 2, 3}) == std::vector<int>{1, 2, 3});
  CHECK(round_trip(std::map<int, std::string>{{1, "a"}}) == std::map<int, std::string>{{1, "a"}});
  CHECK(round_trip(std::optional<int>{}) == std::optional<int>{});
  CHECK(round_trip(std::optional<int>{0}) == std::optional<int>{0});
  CHECK(round_trip(std::tuple<>{}) == std::tuple<>{});
  CHECK(round_trip(sample::Empty{}) == sample::Empty{});
  CHECK(round_trip(std::vector<sample::Empty>(100'000)).size() == 100'000);
}

TEST_CASE("capnp codec: the largest and smallest times survive", "[codec]") {
  CHECK(round_trip(std::chrono::hours::max()) == std::chrono::hours::max());
  CHECK(round_trip(std::chrono::seconds::min()) == std::chrono::seconds::min());
  CHECK(round_trip(std::chrono::duration<double>(0.25)).count() == 0.25);
}

TEST_CASE("capnp codec: unordered containers of equal content give equal bytes", "[codec]") {
  std::unordered_map<std::string, int> forwards;
  std::unordered_map<std::string, int> backwards(1024);
  std::unordered_set<std::int64_t> up;
  std::unordered_set<std::int64_t> down(1024);
  for (int i = 0; i < 100; ++i) {
    forwards.emplace(std::to_string(i), i);
    backwards.emplace(std::to_string(99 - i), 99 - i);
    up.insert(i - 50);
    down.insert(49 - i);
  }
  CHECK(encoded(forwards) == encoded(backwards));
  CHECK(encoded(up) == encoded(down));
  CHECK(converted<std::vector<std::int64_t>>(up).front() == -50);
}

TEST_CASE("capnp codec: appends to what is there and leaves no trace of the last value", "[codec]") {
  const CapnpCodec codec;
  const std::vector<std::string> large(1000, "some text or other");
  const sample::Position small{.x = 1, .y = 0};
  std::vector<std::byte> first;
  codec.encode(type_of<sample::Position>(), &small, first);
  std::vector<std::byte> second;
  codec.encode(type_of<std::vector<std::string>>(), &large, second);
  std::vector<std::byte> third{std::byte{42}};
  codec.encode(type_of<sample::Position>(), &small, third);
  CHECK(third[0] == std::byte{42});
  CHECK(std::equal(third.begin() + 1, third.end(), first.begin(), first.end()));

  sample::Position read;  // not word-aligned
  REQUIRE(codec.decode(std::span(third).subspan(1), schema_of(type_of<sample::Position>()), type_of<sample::Position>(),
                       &read));
  CHECK(read == small);
}

TEST_CASE("capnp codec: a message of 16 MiB comes back", "[codec]") {
  std::vector<std::string> value(16, std::string((1 << 20) - 100, 'x'));
  value.back() = "end";
  CHECK(round_trip(value) == value);
}

TEST_CASE("capnp codec: what is nested too deep is refused when written", "[codec]") {
  sample::Node root;
  sample::Node* deepest = &root;
  for (int i = 0; i < epic::codec::kValueDepthMax / 2 - 1; ++i) deepest = &deepest->children.emplace_back();
  CHECK(round_trip(root) == root);
  deepest->children.emplace_back();
  CHECK_THROWS_WITH(encoded(root), Catch::Contains("nested more than 512 deep"));
}

namespace {

namespace v1 {
enum class Rank { low = 1, middle, gone };
BOOST_DESCRIBE_ENUM(Rank, low, middle, gone)
struct Inner {
  std::int16_t count = 0;
  std::string dropped;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (count, dropped))
struct Hero {
  std::string nick;
  std::int32_t score = 0;
  std::vector<Inner> items;
  std::map<std::string, Rank> ranks;
  std::uint8_t level = 0;
  float weight = 0;
  std::string same;
};
BOOST_DESCRIBE_STRUCT(Hero, (), (nick, score, items, ranks, level, weight, same))
}  // namespace v1

namespace v2 {
enum class Rank { middle = 10, low = 20 };
BOOST_DESCRIBE_ENUM(Rank, middle, low)
struct Inner {
  bool is_new = true;
  std::int64_t count = 0;
};
BOOST_DESCRIBE_STRUCT(Inner, (), (is_new, count))
struct Hero {
  std::string same;
  double weight = 0;
  std::int16_t level = 0;
  std::map<std::string, Rank> ranks;
  std::vector<Inner> items;
  std::optional<double> score;
  std::string added = "default";
};
BOOST_DESCRIBE_STRUCT(Hero, (), (same, weight, level, ranks, items, score, added))
}  // namespace v2

}  // namespace

TEST_CASE("capnp codec: fields are matched by name and numbers widen", "[codec]") {
  const v1::Hero old{.nick = "Bob",
                     .score = -17,
                     .items = {{.count = -3, .dropped = "gone"}, {.count = 4, .dropped = {}}},
                     .ranks = {{"a", v1::Rank::middle}, {"b", v1::Rank::low}},
                     .level = 200,
                     .weight = 0.5F,
                     .same = "as ever"};
  const auto today = converted<v2::Hero>(old);
  CHECK(today.same == "as ever");
  CHECK(today.weight == 0.5);
  CHECK(today.level == 200);
  CHECK(today.ranks == std::map<std::string, v2::Rank>{{"a", v2::Rank::middle}, {"b", v2::Rank::low}});
  REQUIRE(today.items.size() == 2);
  CHECK(today.items[0].count == -3);
  CHECK(today.items[0].is_new);
  CHECK(today.score == -17.0);
  CHECK(today.added == "default");
}

TEST_CASE("capnp codec: what cannot be converted is an error with path and both types", "[codec]") {
  CHECK_THROWS_WITH((converted<std::vector<std::int32_t>>(std::vector<std::int64_t>{1})),
                    "[0]: was written as int64 and cannot be read as int32");
  CHECK_THROWS_WITH(
      (converted<v2::Hero>(v1::Hero{
          .nick = {}, .score = 0, .items = {}, .ranks = {{"a", v1::Rank::gone}}, .level = 0, .weight = 0, .same = {}})),
      Catch::Contains("ranks[0]: enumerator 'gone' is no longer in") && Catch::Contains("v2::Rank"));
  CHECK_THROWS_WITH((converted<v1::Hero>(v2::Hero{})), Catch::Contains("weight: was written as float64") ||
                                                           Catch::Contains("score: was written as optional<float64>"));
  CHECK_THROWS_WITH((converted<sample::Name>(std::string("x"))), ": was written as text and cannot be read as ref");
  CHECK(converted<std::vector<std::int32_t>>(std::vector<std::int64_t>{}).empty());
}

TEST_CASE("capnp codec: a renamed field is found by its former name", "[codec]") {
  static constexpr std::string_view kFormer[] = {"older", "x"};
  static const std::array<FieldInfo, 2> fields = {
      FieldInfo{.name = "east",
                .type = &type_of<double>,
                .get = [](void* o) -> void* { return &static_cast<sample::Position*>(o)->x; },
                .former_names = kFormer},
      FieldInfo{.name = "y", .type = &type_of<float>, .get = [](void* o) -> void* {
                  return &static_cast<sample::Position*>(o)->y;
                }}};
  static const TypeInfo renamed{
      .kind = epic::reflect::Kind::record, .name = "Renamed", .size_bytes = sizeof(sample::Position), .fields = fields};
  sample::Position read;
  const auto bytes = encoded(sample::Position{.x = 3, .y = 4});
  REQUIRE(CapnpCodec().decode(bytes, schema_of(type_of<sample::Position>()), renamed, &read));
  CHECK(read == sample::Position{.x = 3, .y = 4});
}

TEST_CASE("capnp codec: alternatives of a variant are matched by type", "[codec]") {
  using Old = std::variant<std::int32_t, std::string, sample::Position>;
  using New = std::variant<sample::Position, std::int64_t, std::string, bool>;
  CHECK(converted<New>(Old{sample::Position{.x = 1, .y = 2}}) == New{sample::Position{.x = 1, .y = 2}});
  CHECK(converted<New>(Old{7}) == New{std::int64_t{7}});
  CHECK(converted<New>(Old{"s"}) == New{"s"});
  CHECK_THROWS_WITH((converted<std::variant<std::string>>(Old{7})), Catch::Contains("was written as int32"));
  using Same = std::variant<int, int>;
  CHECK(round_trip(Same{std::in_place_index<1>, 5}).index() == 1);
}

TEST_CASE("capnp codec: numbers widen only where every value fits", "[codec]") {
  CHECK(converted<std::int64_t>(std::uint32_t{UINT32_MAX}) == UINT32_MAX);
  CHECK(converted<std::uint64_t>(std::uint8_t{255}) == 255);
  CHECK(converted<double>(std::int32_t{INT32_MIN}) == INT32_MIN);
  CHECK(converted<double>(std::uint32_t{UINT32_MAX}) == UINT32_MAX);
  CHECK(converted<float>(std::int16_t{-9}) == -9);
  CHECK(converted<std::optional<std::string>>(std::string("x")) == "x");
  CHECK_THROWS((converted<double>(std::int64_t{1})));
  CHECK_THROWS((converted<std::uint64_t>(std::int32_t{1})));
  CHECK_THROWS((converted<std::int32_t>(std::uint32_t{1})));
  CHECK_THROWS((converted<std::int32_t>(true)));
  CHECK_THROWS((converted<std::int32_t>(1.0F)));
}

TEST_CASE("capnp codec: what is sent by a type that was widened is read as far as it fits", "[codec]") {
  CHECK(received<std::int32_t>(std::int64_t{INT32_MIN}) == INT32_MIN);
  CHECK(received<std::uint8_t>(std::int16_t{255}) == 255);
  CHECK(received<std::uint32_t>(std::uint64_t{UINT32_MAX}) == UINT32_MAX);
  CHECK(received<std::int32_t>(-7.0) == -7);
  CHECK(received<std::uint32_t>(4294967295.0) == UINT32_MAX);
  CHECK(received<float>(0.1) == 0.1F);
  CHECK(std::isinf(received<float>(HUGE_VAL)));
  CHECK(std::isnan(received<float>(std::nan(""))));
  CHECK(received<std::vector<std::int8_t>>(std::vector<std::int64_t>{-128, 127}) ==
        std::vector<std::int8_t>{-128, 127});
  CHECK(received<std::string>(std::optional<std::string>("x")) == "x");
  CHECK(received<std::int16_t>(std::optional<std::int32_t>(5)) == 5);
  CHECK(received<std::vector<int>>(std::vector<std::optional<int>>{1, 2}) == std::vector<int>{1, 2});
  CHECK(received<std::optional<std::int32_t>>(std::int64_t{5}) == 5);
  CHECK(received<std::int64_t>(std::int32_t{5}) == 5);
  CHECK(std::get<0>(received<std::variant<std::int32_t, std::string>>(
            std::variant<std::int64_t, std::string>(std::int64_t{5}))) == 5);

  CHECK_THROWS_WITH((received<std::int32_t>(std::int64_t{INT32_MAX} + 1)),
                    Catch::Contains("2147483648 was sent, and does not fit int32"));
  CHECK_THROWS((received<std::uint8_t>(std::int16_t{-1})));
  CHECK_THROWS((received<std::uint32_t>(std::uint64_t{UINT32_MAX} + 1)));
  CHECK_THROWS((received<std::int32_t>(0.5)));
  CHECK_THROWS((received<std::int32_t>(2147483648.0)));
  CHECK_THROWS((received<std::int32_t>(std::nan(""))));
  CHECK_THROWS((received<float>(1e300)));
  CHECK(received<float>(3.4028235e38) == std::numeric_limits<float>::max());
  using Were = std::variant<std::int32_t, std::int64_t>;
  using Are = std::variant<std::int16_t, std::int64_t>;
  CHECK(std::get<1>(received<Are>(Were(std::int32_t{5}))) == 5);  // prefers a type that holds all values
  CHECK_THROWS_WITH((received<std::set<std::int8_t>>(std::set<std::int64_t>{300})), Catch::Contains("does not fit"));
  CHECK_THROWS_WITH((received<std::string>(std::optional<std::string>())), Catch::Contains("nothing was sent"));
  CHECK_THROWS((received<std::int64_t>(std::uint64_t{1})));  // not the reverse of a widening
  CHECK_THROWS((received<std::int32_t>(std::string("5"))));
  CHECK_THROWS((converted<std::int32_t>(std::int64_t{5})));
  CHECK_THROWS((converted<std::string>(std::optional<std::string>("x"))));
}

TEST_CASE("capnp codec: an enumeration keeps flags and numbers without a name", "[codec]") {
  CHECK(round_trip(static_cast<sample::Right>(131)) == static_cast<sample::Right>(131));
  CHECK(round_trip(static_cast<sample::Color>(77)) == static_cast<sample::Color>(77));
}

TEST_CASE("capnp codec: what an array, a set, a map or a unit of time cannot hold is refused", "[codec]") {
  using namespace std::chrono_literals;
  CHECK(converted<std::array<int, 3>>(std::vector<int>{1, 2}) == std::array<int, 3>{1, 2, 0});
  CHECK_THROWS(converted<std::array<int, 1>>(std::vector<int>{1, 2}));
  CHECK(converted<std::set<int>>(std::vector<int>{2, 1}) == std::set<int>{1, 2});
  CHECK_THROWS(converted<std::set<int>>(std::vector<int>{1, 2, 1}));
  CHECK(converted<std::chrono::seconds>(3000ms) == 3s);
  CHECK(converted<std::chrono::seconds>(std::chrono::milliseconds::max()) == std::chrono::seconds::max());
  CHECK_THROWS(converted<std::chrono::seconds>(1500ms));
  CHECK_THROWS((converted<std::chrono::duration<std::int8_t, std::milli>>(1s)));
  CHECK(converted<std::chrono::duration<double>>(1500ms) == 1500ms);
}

TEST_CASE("capnp codec: a time in seconds of any kind comes back as it was", "[codec]") {
  CHECK(round_trip(std::chrono::duration<double>(0.1)) == std::chrono::duration<double>(0.1));
  CHECK(round_trip(std::chrono::hours::max()) == std::chrono::hours::max());
  CHECK(round_trip(std::chrono::sys_days::min()) == std::chrono::sys_days::min());
}

TEST_CASE("capnp codec: damaged bytes give an error or a value, and nothing else", "[codec]") {
  const char* const given = std::getenv("EPIC_SEED");
  const auto seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  INFO("EPIC_SEED=" << seed);
  std::mt19937_64 random(seed);
  const CapnpCodec codec;
  const Schema schema = schema_of(type_of<sample::Everything>());
  const auto good = encoded(sample::everything());
  int refused = 0;
  for (int round = 0; round < 3000; ++round) {
    auto bytes = good;
    const int changes = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < changes; ++i) bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    sample::Everything value;
    const auto read = codec.decode(bytes, schema, type_of<sample::Everything>(), &value);
    if (read) {
      std::vector<std::byte> again;
      codec.encode(type_of<sample::Everything>(), &value, again);
    } else {
      CHECK_FALSE(read.error().what.empty());
      ++refused;
    }
  }
  CHECK(refused > 100);
}

TEST_CASE("capnp codec: a schema with a long chain of types is read", "[codec]") {
  std::string text = "N0";
  for (int i = 0; i < 10'000; ++i) {
    text += "\nrecord N" + std::to_string(i) + " { label: text, children: list<N" + std::to_string(i + 1) + "> }";
  }
  text += "\nrecord N10000 { }";
  const Schema schema = Schema::parse(text).value();
  const sample::Node value{.label = "root", .children = {{.label = "leaf", .children = {}, .named = {}}}, .named = {}};
  sample::Node read;
  REQUIRE(CapnpCodec().decode(encoded(value), schema, type_of<sample::Node>(), &read));
  CHECK(read == value);
}

TEST_CASE("capnp codec: what is no message is refused with a reason", "[codec]") {
  const auto error = [](std::vector<std::byte> bytes) {
    sample::Everything value;
    const auto read =
        CapnpCodec().decode(bytes, schema_of(type_of<sample::Everything>()), type_of<sample::Everything>(), &value);
    return read ? std::string("no error") : read.error().what;
  };
  CHECK(error({}) == "there are no bytes");
  CHECK_THAT(error(std::vector<std::byte>(13)), Catch::Contains("cut short"));
  CHECK_THAT(error(std::vector<std::byte>(8)), Catch::Contains("damaged"));
  CHECK_THAT(error(std::vector<std::byte>(64, std::byte{0xff})), Catch::Contains("damaged"));
}
