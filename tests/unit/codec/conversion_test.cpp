#include "codec/conversion.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <random>
#include <set>

#include "codec/capnp_codec.hpp"
#include "codec/json_codec.hpp"
#include "epic/epic.hpp"
#include "reflect/schema_of.hpp"
#include "reflect/text_of.hpp"
#include "support/sample_types.hpp"

using namespace epic;
using codec::Change;
using codec::Effect;
using reflect::schema_of;
using reflect::type_of;
using reflect::TypeInfo;
using What = Change::What;

namespace first {
enum class Mood { calm, angry, asleep };
BOOST_DESCRIBE_ENUM(Mood, calm, angry, asleep)
struct Place {
  std::int16_t col = 0;
  std::int16_t row = 0;
  std::string note;
};
BOOST_DESCRIBE_STRUCT(Place, (), (col, row, note))
struct Hero {
  std::int32_t score = 0;
  std::string team;
  std::string nick;
  Mood mood = Mood::calm;
  Place home;
  std::vector<Place> seen;
  std::map<std::string, std::int32_t> bag;
  std::variant<std::int32_t, std::string, bool> last;
};
BOOST_DESCRIBE_STRUCT(Hero, (), (score, team, nick, mood, home, seen, bag, last))
}  // namespace first

namespace second {
enum class Mood { asleep, calm, gleeful };
BOOST_DESCRIBE_ENUM(Mood, asleep, calm, gleeful)
struct Place {
  std::int32_t column = 0;
  std::int16_t row = 0;
  double height = 0;
};
BOOST_DESCRIBE_STRUCT(Place, (), (column, row, height))
EPIC_RENAMED(Place, (x, column), (col, column))
struct Hero {
  std::int64_t score = 0;
  std::optional<std::string> nick;
  Mood mood = Mood::calm;
  Place home;
  std::vector<Place> seen;
  std::map<std::string, std::string> bag;
  std::variant<std::string, std::int64_t> last;
  std::uint8_t level = 1;
};
BOOST_DESCRIBE_STRUCT(Hero, (), (score, nick, mood, home, seen, bag, last, level))
struct Trap {
  first::Place home;
};
BOOST_DESCRIBE_STRUCT(Trap, (), (home))
struct Sprung {
  struct Home {
    std::string col;
  } home;
};
BOOST_DESCRIBE_STRUCT(Sprung::Home, (), (col))
BOOST_DESCRIBE_STRUCT(Sprung, (), (home))
}  // namespace second

namespace {

std::vector<std::string> sentences(const codec::Conversion& conversion) {
  std::vector<std::string> texts;
  for (const Change& change : conversion.changes) texts.push_back(codec::describe(change));
  std::ranges::sort(texts);
  return texts;
}

template <class Old, class New>
codec::Conversion examine() {
  return codec::examine(schema_of(type_of<Old>()), type_of<New>());
}

/// A random value of a type, from its table: empty and filled containers, every enumerator and alternative.
class Filler {
 public:
  explicit Filler(std::uint64_t seed) : random_(seed) {}

  void fill(const TypeInfo& type, void* object, int depth = 0) {
    switch (type.kind) {
      case reflect::Kind::boolean:
        *static_cast<bool*>(object) = random_() % 2 == 0;
        return;
      case reflect::Kind::float32:
        *static_cast<float*>(object) = static_cast<float>(pick(100));
        return;
      case reflect::Kind::float64:
        *static_cast<double*>(object) = static_cast<double>(pick(100)) / 2;
        return;
      case reflect::Kind::enumeration:
        type.enumeration.set(object, type.enumeration.enumerators[pick(type.enumeration.enumerators.size())].value);
        return;
      case reflect::Kind::text:
        reflect::set_text(type, object, std::string(pick(4), 'x'));
        return;
      case reflect::Kind::bytes:
        static_cast<Bytes*>(object)->resize(pick(4));
        return;
      case reflect::Kind::duration:
      case reflect::Kind::time_point:
        type.time.set(object, pick(5));
        return;
      case reflect::Kind::ref:
        type.ref.set(object, pick(2) == 0 ? "" : "Hero/x");
        return;
      case reflect::Kind::optional:
        if (pick(2) == 0) return type.optional.reset(object);
        return fill(type.optional.element(), type.optional.emplace(object), depth + 1);
      case reflect::Kind::variant: {
        const std::size_t index = pick(type.variant.alternatives.size());
        return fill(type.variant.alternatives[index](), type.variant.emplace(object, index), depth + 1);
      }
      case reflect::Kind::sequence:
        type.sequence.assign(object, depth > 4 ? 0 : pick(3), [&](void* element) {
          fill(type.sequence.element(), element, depth + 1);
          return true;
        });
        return;
      case reflect::Kind::map:
        type.map.assign(object, depth > 4 ? 0 : pick(3), [&](void* key, void* value) {
          fill(type.map.key(), key, depth + 1);
          fill(type.map.value(), value, depth + 1);
          return true;
        });
        return;
      case reflect::Kind::tuple:
      case reflect::Kind::record:
        for (const auto& field : type.fields) fill(field.type(), field.get(object), depth + 1);
        return;
      default: {
        const std::uint64_t number = random_();
        std::memcpy(object, &number, type.size_bytes);
      }
    }
  }

 private:
  std::size_t pick(std::size_t count) { return random_() % count; }
  std::mt19937_64 random_;
};

/// A type, and how to make an object of it.
struct Sample {
  const TypeInfo* type;
  std::shared_ptr<void> (*make)();
};

template <class... T>
std::vector<Sample> samples() {
  return {{&type_of<T>(), [] { return std::static_pointer_cast<void>(std::make_shared<T>()); }}...};
}

std::vector<Sample> all_samples() {
  return samples<
      bool, std::int8_t, std::int32_t, std::int64_t, std::uint16_t, std::uint64_t, float, double, first::Mood,
      second::Mood, std::string, Bytes, std::chrono::seconds, sample::Name, std::optional<std::int32_t>,
      std::optional<std::int64_t>, std::optional<std::string>, std::variant<std::int32_t, std::string>,
      std::variant<std::string, std::int64_t>, std::variant<std::string, std::int32_t, first::Mood>,
      std::vector<std::int32_t>, std::vector<std::int64_t>, std::vector<std::string>, std::vector<first::Mood>,
      std::vector<second::Mood>, std::map<std::string, std::int32_t>, std::map<std::string, double>,
      std::map<std::string, std::string>, std::map<first::Mood, bool>, std::map<second::Mood, bool>,
      std::pair<std::int32_t, std::string>, std::tuple<std::int64_t, std::string, bool>, std::pair<bool, bool>,
      first::Place, second::Place, first::Hero, second::Hero, second::Trap, second::Sprung, std::vector<first::Place>,
      std::vector<second::Place>, std::optional<first::Place>, std::map<std::string, second::Place>, sample::Node,
      sample::Everything, sample::Empty, std::filesystem::path, std::byte, std::chrono::year_month_day,
      std::variant<std::monostate, std::int32_t, std::string>, std::expected<std::int32_t, std::string>,
      std::expected<std::int64_t, std::string>, std::expected<void, std::string>, std::unique_ptr<std::int32_t>,
      std::unique_ptr<std::string>, sample::Chain, sample::Wider>();
}

/// What happened to many values written as one type and read as another.
struct Tally {
  int read = 0;
  int refused = 0;
  int read_as_other_json = 0;
};

Tally decode_many(const Sample& old, const Sample& now, std::uint64_t seed) {
  const codec::CapnpCodec codec;
  const reflect::Schema schema = schema_of(*old.type);
  Filler filler(seed);
  Tally tally;
  for (int round = 0; round < 60; ++round) {
    const auto written = old.make();
    filler.fill(*old.type, written.get());
    std::vector<std::byte> bytes;
    codec.encode(*old.type, written.get(), bytes);
    const auto read = now.make();
    if (!codec.decode(bytes, schema, *now.type, read.get())) {
      ++tally.refused;
      continue;
    }
    ++tally.read;
    if (codec::to_json(*old.type, written.get()) != codec::to_json(*now.type, read.get())) ++tally.read_as_other_json;
  }
  return tally;
}

}  // namespace

TEST_CASE("conversion: every kind of change is told with field and types", "[codec]") {
  const auto conversion = examine<first::Hero, second::Hero>();
  CHECK(sentences(conversion) == std::vector<std::string>{
                                     "bag[]: int32 cannot be read as text",
                                     "home.column was col",
                                     "home.column: int16 becomes int32",
                                     "home.height (float64) is new",
                                     "home.note (text) is dropped",
                                     "last: alternative 0 is now 1",
                                     "last: alternative 1 is now 0",
                                     "last: bool cannot be read as variant<text, int64>",
                                     "last: int32 becomes int64",
                                     "level (uint8) is new",
                                     "mood: second::Mood goes by its names",
                                     "mood: second::Mood has no angry any more",
                                     "nick: text becomes optional<text>",
                                     "score: int32 becomes int64",
                                     "seen[].column was col",
                                     "seen[].column: int16 becomes int32",
                                     "seen[].height (float64) is new",
                                     "seen[].note (text) is dropped",
                                     "team (text) is dropped",
                                 });
  CHECK(conversion.effect() == Effect::may_fail);
}

TEST_CASE("conversion: what every value comes by fails, what some do may fail", "[codec]") {
  const auto effect = [](const codec::Conversion& conversion) { return conversion.effect(); };
  CHECK(effect(examine<second::Trap, second::Sprung>()) == Effect::fails);
  CHECK(effect(examine<std::optional<std::string>, std::optional<bool>>()) == Effect::may_fail);
  CHECK(effect(examine<std::string, std::optional<bool>>()) == Effect::fails);
  CHECK(effect(examine<std::vector<std::string>, std::vector<bool>>()) == Effect::may_fail);
  CHECK(effect(examine<std::int8_t, std::int16_t>()) == Effect::converts);
  CHECK(effect(examine<std::int16_t, std::int8_t>()) == Effect::fails);
  CHECK(examine<sample::Everything, sample::Everything>().changes.empty());
}

TEST_CASE("conversion: what is told and what decoding does agree for any two types and any values", "[codec]") {
  const char* const given = std::getenv("EPIC_SEED");
  const auto seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  INFO("EPIC_SEED=" << seed);
  const auto types = all_samples();
  std::set<Effect> met;
  for (const Sample& old : types)
    for (const Sample& now : types) {
      const auto conversion = codec::examine(schema_of(*old.type), *now.type);
      const Tally tally = decode_many(old, now, seed);
      INFO("written as " << schema_of(*old.type).text() << "\nread as " << schema_of(*now.type).text());
      for (const std::string& text : sentences(conversion)) UNSCOPED_INFO(text);
      if (conversion.changes.empty()) {
        CHECK(tally.refused == 0);
        CHECK(tally.read_as_other_json == 0);
        continue;
      }
      met.insert(conversion.effect());
      switch (conversion.effect()) {
        case Effect::converts:
          CHECK(tally.refused == 0);
          break;
        case Effect::may_fail:
          CHECK(tally.refused > 0);
          CHECK(tally.read > 0);
          break;
        case Effect::fails:
          CHECK(tally.read == 0);
      }
    }
  CHECK(met.size() == 3);
}

TEST_CASE("conversion: a type that is met in a thousand places is told of in a hundred", "[codec]") {
  // Each level mentions the one below three times.
  std::string text = "L0";
  for (int level = 0; level < 12; ++level)
    text += "\nrecord L" + std::to_string(level) + " { a: L" + std::to_string(level + 1) + ", b: L" +
            std::to_string(level + 1) + ", c: L" + std::to_string(level + 1) + " }";
  text += "\nrecord L12 { x: int64 }";
  const auto schema = reflect::Schema::parse(text);
  REQUIRE(schema);
  static std::array<reflect::FieldInfo, 3> deep[13];
  static TypeInfo infos[13];
  infos[12] = type_of<sample::Empty>();
  static const std::array<reflect::FieldInfo, 1> leaf = {
      reflect::FieldInfo{.name = "x", .type = &type_of<bool>, .get = nullptr}};
  infos[12].fields = leaf;
  static reflect::TypeFn getters[13];
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((getters[I] = []() -> const TypeInfo& { return infos[I]; }), ...);
  }(std::make_index_sequence<13>());
  for (int level = 11; level >= 0; --level) {
    infos[level] = type_of<sample::Empty>();
    const std::array<std::string_view, 3> names{"a", "b", "c"};
    for (std::size_t i = 0; i < 3; ++i) deep[level][i] = {.name = names[i], .type = getters[level + 1], .get = nullptr};
    infos[level].fields = deep[level];
  }
  const auto conversion = codec::examine(*schema, infos[0]);
  CHECK(conversion.changes.size() == codec::kChangesMax);
  CHECK(conversion.effect() == Effect::fails);
}
