// Values at every limit, and random ones, through every codec and path: whatever a writer has accepted comes back to
// the bit. A type's table says what it can hold, so a new kind is covered without a change here. Times are made and
// compared in C++ as well, because their table might be what changes them.

#include <fmt/format.h>

#include <bit>
#include <boost/describe/class.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"
#include "codec/limits.hpp"
#include "codec/scalars.hpp"
#include "codec/snapshot_json.hpp"
#include "kernel/type_table.hpp"
#include "node/import_reader.hpp"
#include "protocol/json.hpp"
#include "reflect/schema_of.hpp"
#include "reflect/text_of.hpp"
#include "reflect/type_text.hpp"
#include "support/frames.hpp"
#include "support/sample_types.hpp"
#include "support/sanitizers.hpp"

namespace round_trips {

template <class Rep, std::intmax_t num, std::intmax_t den>
using Span = std::chrono::duration<Rep, std::ratio<num, den>>;
template <class Duration>
using At = std::chrono::sys_time<Duration>;

/// Counters of every kind, units that are decimal fractions of a second, multiples of it, and neither.
struct Times {
  std::chrono::nanoseconds ns{};
  std::chrono::milliseconds ms{};
  std::chrono::seconds s{};
  std::chrono::days d{};
  std::chrono::years years{};
  Span<std::int64_t, 1, 1'000'000'000'000'000'000> atto{};
  Span<std::int64_t, 1, 60> frames{};
  Span<std::int64_t, 1001, 30'000> ntsc{};
  Span<std::int8_t, 1, 1> tiny{};
  Span<std::uint16_t, 3'600, 1> unsigned16{};
  Span<std::uint64_t, 1, 1'000> unsigned64{};
  Span<std::int64_t, 1'000'000'000'000'000'000, 1> ages{};
  Span<double, 1, 1> real{};
  Span<float, 1, 1'000> real32{};
  Span<double, 1, 3> thirds{};
  std::chrono::sys_days day{};
  std::chrono::sys_seconds second{};
  std::chrono::system_clock::time_point now{};
  At<std::chrono::years> year{};
  At<Span<std::uint32_t, 60, 1>> minute{};
  At<Span<double, 1, 1'000>> real_at{};
  At<Span<std::int64_t, 1, 60>> frame_at{};
};
BOOST_DESCRIBE_STRUCT(Times, (),
                      (ns, ms, s, d, years, atto, frames, ntsc, tiny, unsigned16, unsigned64, ages, real, real32,
                       thirds, day, second, now, year, minute, real_at, frame_at))

template <class Rep, class Period>
std::chrono::duration<Rep, Period> since_zero(std::chrono::duration<Rep, Period> span) {
  return span;
}
template <class Duration>
Duration since_zero(At<Duration> time) {
  return time.time_since_epoch();
}

/// Each member has the same count; NaN equals NaN.
inline bool is_same(const Times& left, const Times& right) {
  bool same = true;
  boost::mp11::mp_for_each<boost::describe::describe_members<Times, boost::describe::mod_public>>([&](auto member) {
    const auto one = since_zero(left.*member.pointer).count();
    const auto other = since_zero(right.*member.pointer).count();
    same = same && (one == other || (one != one && other != other));
  });
  return same;
}

struct Mixed {
  Times times;
  std::map<std::chrono::sys_days, std::chrono::minutes> by_day;
  std::unordered_map<std::string, std::vector<std::chrono::duration<double>>> samples;
  std::optional<std::chrono::sys_seconds> maybe;
  std::variant<std::chrono::sys_days, std::chrono::sys_seconds, sample::Name> any;
  std::vector<sample::Everything> everything;
};
BOOST_DESCRIBE_STRUCT(Mixed, (), (times, by_day, samples, maybe, any, everything))

}  // namespace round_trips

using namespace epic;
using codec::CapnpCodec;
using codec::JsonCodec;
using reflect::Kind;
using reflect::type_of;
using reflect::TypeInfo;

namespace {

/// Fills values from their table: at random, or as far as possible with limits.
class Maker {
 public:
  explicit Maker(std::uint64_t seed) : random_(seed) {}

  void fill(const TypeInfo& type, void* object, int depth = 0) {
    switch (type.kind) {
      case Kind::boolean:
        return codec::store_as(object, pick(2) == 0);
      case Kind::float32:
        return real<float>(object);
      case Kind::float64:
        return real<double>(object);
      case Kind::enumeration: {
        const auto names = type.enumeration.enumerators;
        const auto number = static_cast<std::int64_t>(random_() % 256);
        if (pick(4) != 0 || !type.enumeration.set(object, number))
          type.enumeration.set(object, names[pick(names.size())].value);
        return note(type, "enumerator");
      }
      case Kind::text:
        return reflect::set_text(type, object, text());
      case Kind::bytes: {
        auto& bytes = *static_cast<Bytes*>(object);
        bytes.resize(pick(20));
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
        return;
      }
      case Kind::duration:
      case Kind::time_point:
        return time(type, object);
      case Kind::ref:
        type.ref.set(object, std::array{"", "Hero/x", "Hero/{tag}/\u00fc \"\\"}[pick(3)]);
        return;
      case Kind::optional:
        if (pick(3) == 0) return type.optional.reset(object);
        return fill(type.optional.element(), type.optional.emplace(object), depth + 1);
      case Kind::variant: {
        const std::size_t index = pick(type.variant.alternatives.size());
        note(type, fmt::format("alternative {}", index));
        return fill(type.variant.alternatives[index](), type.variant.emplace(object, index), depth + 1);
      }
      case Kind::sequence:
        type.sequence.assign(object, type.sequence.fixed_count > 0 ? type.sequence.fixed_count : count(depth),
                             [&](void* element) { return fill(type.sequence.element(), element, depth + 1), true; });
        return;
      case Kind::map:
        type.map.assign(object, count(depth), [&](void* key, void* value) {
          fill(type.map.key(), key, depth + 1);
          fill(type.map.value(), value, depth + 1);
          return true;
        });
        return;
      case Kind::tuple:
      case Kind::record:
        for (const auto& field : type.fields) fill(field.type(), field.get(object), depth + 1);
        return;
      default:
        return integer(type, object);
    }
  }

  /// Any value that the C++ type can hold, whatever its table says.
  void fill_natively(round_trips::Times& times) {
    using Members = boost::describe::describe_members<round_trips::Times, boost::describe::mod_public>;
    boost::mp11::mp_for_each<Members>([&](auto member) { time_natively(times.*member.pointer, member.name); });
  }

  std::set<std::string> limits;

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  void note(const TypeInfo& type, std::string_view limit) {
    limits.insert(fmt::format("{} {}", reflect::type_text(type), limit));
  }

  std::size_t count(int depth) {
    if (depth > 8) return 0;
    constexpr std::size_t kCounts[] = {0, 1, 2, 3, 63, 64, 65};
    const std::size_t chosen = kCounts[pick(depth > 3 ? 2 : depth > 1 ? 4 : std::size(kCounts))];
    limits.insert(fmt::format("{} elements", chosen));
    return chosen;
  }

  /// An integer with `bits` of which the highest is a sign, or not: as raw bits.
  std::uint64_t integer_of(int bits, bool is_signed, const TypeInfo& type) {
    const std::uint64_t most = bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    switch (pick(6)) {
      case 0:
        note(type, "greatest");
        return is_signed ? most >> 1 : most;
      case 1:
        note(type, "least");
        return is_signed ? (most >> 1) + 1 : 0;
      case 2:
        return is_signed ? most : 1;  // -1
      case 3:
        return std::uint64_t{1} << pick(static_cast<std::size_t>(bits));
      default:
        return random_() & most;
    }
  }

  void integer(const TypeInfo& type, void* object) {
    const bool is_signed = type.kind <= Kind::int64;
    const std::uint64_t bits = integer_of(static_cast<int>(type.size_bytes) * 8, is_signed, type);
    std::memcpy(object, &bits, type.size_bytes);
  }

  template <class Real>
  Real real_of(const std::string& what) {
    using Limits = std::numeric_limits<Real>;
    constexpr std::array kReals = {Limits::max(),
                                   Limits::lowest(),
                                   Limits::min(),
                                   Limits::denorm_min(),
                                   Limits::infinity(),
                                   -Limits::infinity(),
                                   Limits::quiet_NaN(),
                                   Real{0},
                                   -Real{0},
                                   Real(0.1),
                                   Real(1e18),
                                   Real(1e21),
                                   Real(1e-7),
                                   Real(9007199254740993.0)};
    if (const std::size_t index = pick(2 * kReals.size()); index < kReals.size()) {
      limits.insert(fmt::format("{} {}", what, kReals[index]));
      return kReals[index];
    }
    while (true) {
      using Bits = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
      const auto number = std::bit_cast<Real>(static_cast<Bits>(random_()));
      if (number == number) return number;  // JSON knows one NaN
    }
  }
  template <class Real>
  void real(void* object) {
    codec::store_as(object, real_of<Real>(sizeof(Real) == 4 ? "float32" : "float64"));
  }

  void time(const TypeInfo& type, void* object) {
    const reflect::TimeOps& ops = type.time;
    if (ops.unit.count == Kind::float64) {
      const bool is_single = ops.max == std::bit_cast<std::uint64_t>(double{std::numeric_limits<float>::max()});
      const double number =
          is_single ? double{real_of<float>(reflect::type_text(type))} : real_of<double>(reflect::type_text(type));
      return ops.set(object, std::bit_cast<std::uint64_t>(number));
    }
    const std::size_t choice = pick(5);
    if (choice < 2) {
      note(type, choice == 0 ? "max()" : "min()");
      return ops.set(object, choice == 0 ? ops.max : ops.min);
    }
    const std::uint64_t range = ops.max - ops.min;
    ops.set(object, choice == 2 ? (ops.max < 100 ? 1 : pick(100))
                                : ops.min + (range == ~std::uint64_t{0} ? random_() : random_() % (range + 1)));
  }

  template <class Time>
  void time_natively(Time& time, std::string_view name) {
    using Duration = decltype(round_trips::since_zero(time));
    using Rep = typename Duration::rep;
    Rep count;
    if constexpr (std::is_floating_point_v<Rep>) {
      count = real_of<Rep>(std::string(name));
    } else {
      const std::size_t choice = pick(5);
      if (choice < 2) limits.insert(fmt::format("{} {}", name, choice == 0 ? "max()" : "min()"));
      count = choice == 0   ? Duration::max().count()
              : choice == 1 ? Duration::min().count()
              : choice == 2 ? static_cast<Rep>(pick(100))
                            : static_cast<Rep>(random_());
    }
    time = Time(Duration(count));
  }

  std::string text() {
    static const std::array<std::string, 12> kTexts = {"",
                                                       "a",
                                                       "1234567",
                                                       "12345678",
                                                       "\u00fc\u20ac\U0001F600\U0010FFFF",
                                                       std::string("\0x\0", 3),
                                                       "\x01\x1f\x7f",
                                                       "\xff\xfe",
                                                       "\xed\xa0\x80",
                                                       "\"\\/\b\f\n\r\t",
                                                       "{\"base64\":\"AA==\"}",
                                                       "null"};
    const std::size_t index = pick(kTexts.size() + 2);
    if (index < kTexts.size()) {
      limits.insert(fmt::format("text {}", index));
      return kTexts[index];
    }
    std::string random(pick(40), 'x');
    for (char& c : random) c = static_cast<char>(random_());
    return random;
  }

  std::mt19937_64 random_;
};

std::vector<std::byte> encoded(const TypeInfo& type, const void* object) {
  std::vector<std::byte> bytes;
  CapnpCodec().encode(type, object, bytes);
  return bytes;
}

/// Each way that a value can take, and what comes out of it, as bytes.
template <class T>
std::map<std::string, std::vector<std::byte>> all_ways(const T& value) {
  const TypeInfo& type = type_of<T>();
  const reflect::Schema schema = reflect::schema_of(type);
  const CapnpCodec binary;
  const std::vector<std::byte> bytes = encoded(type, &value);
  std::map<std::string, std::vector<std::byte>> out;
  const auto take = [&](const std::string& way, auto read) {
    T again{};
    const std::expected<void, kernel::CodecError> done = read(&again);
    INFO(way << ": " << (done ? "" : done.error().path + ": " + done.error().what));
    REQUIRE(done.has_value());
    if constexpr (requires { is_same(value, again); }) REQUIRE(is_same(value, again));
    out.emplace(way, encoded(type, &again));
  };
  take("binary, stored", [&](T* again) { return binary.decode(bytes, schema, type, again); });
  take("binary, sent", [&](T* again) { return binary.decode_sent(bytes, schema, type, again); });
  const boost::json::value live = codec::to_json(type, &value);
  const auto parse = [](std::string_view text) {
    auto json = protocol::parse_json(text, protocol::DuplicateKeys::refuse);
    INFO((json ? "" : json.error()));
    REQUIRE(json.has_value());
    return *json;
  };
  take("JSON, one line", [&](T* again) { return codec::from_json(parse(protocol::print_json(live)), type, again); });
  take("JSON, indented",
       [&](T* again) { return codec::from_json(parse(protocol::print_json_indented(live)), type, again); });
  take("JSON codec", [&](T* again) {
    std::vector<std::byte> text;
    JsonCodec().encode(type, &value, text);
    return JsonCodec().decode(text, schema, type, again);
  });
  const auto exported = codec::to_json(schema, bytes);
  REQUIRE(exported.has_value());
  const std::string row = protocol::print_json(*exported);
  CHECK(row == protocol::print_json(live));
  take("export, import", [&](T* again) { return codec::from_json(parse(row), type, again); });
  std::tuple<T> arguments;
  REQUIRE(codec::arguments_from_json({live}, type_of<std::tuple<T>>(), &arguments));
  out.emplace("JSON argument", encoded(type, &std::get<0>(arguments)));
  for (auto& [way, result] : out) {
    INFO(way << " of " << row.substr(0, 2'000));
    REQUIRE(result == bytes);
  }
  return out;
}

template <class T>
void run(std::uint64_t seed, int rounds, std::string_view what) {
  CAPTURE(seed);
  Maker maker(seed);
  std::set<std::string> ways;
  for (int round = 0; round < rounds; ++round) {
    T value{};
    if constexpr (requires { maker.fill_natively(value); })
      maker.fill_natively(value);
    else
      maker.fill(type_of<T>(), &value);
    for (const auto& [way, bytes] : all_ways(value)) ways.insert(way);
  }
  fmt::print("round trips of {}: {} values in {} ways, {} limits reached (EPIC_SEED={})\n", what, rounds, ways.size(),
             maker.limits.size(), seed);
}

class Holder : public Entity {
  round_trips::Mixed mixed_;
  sample::Node tree_;

 public:
  Task<void> touch() { co_return; }
  EPIC_ENTITY(Holder, state(mixed_, tree_), methods(touch))
};

}  // namespace

TEST_CASE("round trip: values of every kind, at their limits and at random", "[codec]") {
  run<sample::Everything>(test::make_seed(), test::kIsSanitized ? 40 : 400, "every kind");
}

TEST_CASE("round trip: paths, dates, boxes, bitsets, expected values and containers with duplicates", "[codec]") {
  run<sample::Wider>(test::make_seed(), test::kIsSanitized ? 40 : 400, "wider types");
}

TEST_CASE("round trip: times of every unit and counter", "[codec]") {
  run<round_trips::Times>(test::make_seed(), test::kIsSanitized ? 300 : 3'000, "times");
}

TEST_CASE("round trip: values inside values", "[codec]") {
  run<round_trips::Mixed>(test::make_seed(), test::kIsSanitized ? 20 : 60, "mixed");
}

TEST_CASE("round trip: an exported row is imported to the same bytes", "[codec]") {
  static const EntityInfoFn entities[] = {&Holder::epic_info};
  static const ModuleInfo module{EPIC_ABI_TAG, entities, &no_setup};
  kernel::TypeTable types;
  REQUIRE(types.add(module));
  const CapnpCodec codec;
  node::ImportReader reader(types, codec);
  const std::uint64_t seed = test::make_seed();
  CAPTURE(seed);
  Maker maker(seed);
  const reflect::EntityInfo& info = Holder::epic_info();
  for (int round = 0; round < (test::kIsSanitized ? 20 : 60); ++round) {
    const std::unique_ptr<Entity, void (*)(Entity*) noexcept> holder(info.create(), info.destroy);
    maker.fill(info.state, info.object(holder.get()));
    const auto bytes = encoded(info.state, info.object(holder.get()));
    const auto state = codec::to_json(types.find("Holder")->schema, bytes);
    REQUIRE(state.has_value());
    const auto row = reader.read(protocol::print_json(boost::json::object{{"entity", "Holder/x"}, {"state", *state}}));
    INFO((row ? "" : row.error()));
    REQUIRE(row.has_value());
    REQUIRE(row->state == bytes);
  }
}

TEST_CASE("round trip: more elements than a reader takes are refused by the writer", "[codec]") {
  const std::vector<bool> many(codec::kElementsMax + 1);
  CHECK_THROWS_AS(encoded(type_of<std::vector<bool>>(), &many), std::length_error);
  const std::vector<std::array<std::int64_t, 1'000>> empty(0);
  CHECK_NOTHROW(encoded(type_of<std::vector<std::array<std::int64_t, 1'000>>>(), &empty));
}
