#pragma once
// Values of every kind, for the tests of reflection and the codecs.

#include <array>
#include <bitset>
#include <boost/describe.hpp>
#include <chrono>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

#include "epic/values.hpp"

namespace sample {

/// Looks like epic::Ref to the tables, but needs no kernel.
class Name {
 public:
  using EpicRefTag = void;
  Name() = default;
  explicit Name(std::string_view text) : text_(text) {}
  [[nodiscard]] std::string_view name() const { return text_; }
  bool try_assign_name(std::string_view text) {
    if (!text.empty() && text.find('/') == std::string_view::npos) return false;
    text_ = text;
    return true;
  }
  bool operator==(const Name&) const = default;

 private:
  std::string text_;
};

enum class Color { red, green = 5, blue = -3 };
BOOST_DESCRIBE_ENUM(Color, red, green, blue)

enum class Right : std::uint8_t { none = 0, read = 1, write = 2, admin = 128 };
BOOST_DESCRIBE_ENUM(Right, none, read, write, admin)

struct Position {
  double x = 0;
  float y = 0;
  bool operator==(const Position&) const = default;
};
BOOST_DESCRIBE_STRUCT(Position, (), (x, y))

struct Node {
  std::string label;
  std::vector<Node> children;
  std::map<std::string, Node> named;
  bool operator==(const Node&) const = default;
};
BOOST_DESCRIBE_STRUCT(Node, (), (label, children, named))

struct Empty {
  bool operator==(const Empty&) const = default;
};
BOOST_DESCRIBE_STRUCT(Empty, (), ())

/// One field of each kind, ordered so that data slots leave holes and fill them.
struct Everything {
  bool flag = false;
  std::int64_t i64 = 0;
  std::int8_t i8 = 0;
  std::uint32_t u32 = 0;
  std::int16_t i16 = 0;
  bool flag2 = false;
  std::uint8_t u8 = 0;
  std::uint64_t u64 = 0;
  std::int32_t i32 = 0;
  std::uint16_t u16 = 0;
  float f32 = 0;
  double f64 = 0;
  Color color = Color::red;
  Right right = Right::none;
  std::string text;
  epic::Bytes bytes;
  std::chrono::milliseconds patience{0};
  std::chrono::system_clock::time_point seen_at;
  Name owner;
  std::optional<std::int32_t> maybe;
  std::optional<std::optional<std::string>> maybe_maybe;
  std::variant<std::int32_t, std::string, Position> any;
  std::vector<std::string> words;
  std::vector<bool> bits;
  std::vector<std::vector<std::int16_t>> matrix;
  std::array<std::uint8_t, 3> rgb{};
  std::set<std::int32_t> ordered;
  std::unordered_set<std::string> unordered;
  std::map<std::string, Position> places;
  std::map<Color, std::vector<std::optional<bool>>> by_color;
  std::unordered_map<std::int64_t, std::string> by_number;
  std::pair<std::int32_t, std::string> both;
  std::tuple<bool, Position, std::vector<Empty>> three;
  Node tree;
  Empty empty;
  std::vector<Color> colors;
  std::vector<Name> names;
  std::vector<std::variant<bool, std::vector<std::int64_t>>> choices;
  bool operator==(const Everything&) const = default;
};
BOOST_DESCRIBE_STRUCT(Everything, (),
                      (flag, i64, i8, u32, i16, flag2, u8, u64, i32, u16, f32, f64, color, right, text, bytes, patience,
                       seen_at, owner, maybe, maybe_maybe, any, words, bits, matrix, rgb, ordered, unordered, places,
                       by_color, by_number, both, three, tree, empty, colors, names, choices))

struct Chain {
  std::int32_t number = 0;
  std::unique_ptr<Chain> next;
};
BOOST_DESCRIBE_STRUCT(Chain, (), (number, next))

/// The types that Everything does not have; not copyable. No field has the name of another sample's.
struct Wider {
  std::filesystem::path file;
  std::array<std::filesystem::path, 2> files;
  std::monostate nothing;
  std::variant<std::monostate, std::int32_t, std::string> perhaps;
  std::expected<std::int32_t, std::string> outcome;
  std::expected<void, Color> done;
  std::expected<std::string, std::string> twin;
  std::bitset<70> switches;
  std::byte octet{};
  std::array<std::byte, 3> octets{};
  std::array<bool, 3> lamps{};
  std::multimap<std::string, std::int32_t> by_word;
  std::multimap<std::int32_t, std::vector<std::string>> by_count;
  std::unordered_multimap<std::string, Position> scattered;
  std::multiset<std::string> repeated;
  std::unordered_multiset<std::int64_t> heap;
  std::chrono::year_month_day born{};
  std::map<std::chrono::year_month_day, std::string> calendar;
  std::unique_ptr<Position> box;
  std::optional<std::unique_ptr<std::int32_t>> maybe_box;
  std::array<std::unique_ptr<std::string>, 2> boxes;
  Chain chain;
  std::vector<std::unique_ptr<Chain>> chains;
};
BOOST_DESCRIBE_STRUCT(Wider, (),
                      (file, files, nothing, perhaps, outcome, done, twin, switches, octet, octets, lamps, by_word,
                       by_count, scattered, repeated, heap, born, calendar, box, maybe_box, boxes, chain, chains))

/// Every field differs from its default; so do those of wider(), except `nothing`.
inline Everything everything() {
  using namespace std::chrono_literals;
  Everything value;
  value.flag = true;
  value.i64 = INT64_MIN;
  value.i8 = -128;
  value.u32 = UINT32_MAX;
  value.i16 = -32768;
  value.flag2 = true;
  value.u8 = 255;
  value.u64 = UINT64_MAX;
  value.i32 = INT32_MIN;
  value.u16 = 65535;
  value.f32 = 0.1F;
  value.f64 = 0.1;
  value.color = Color::blue;
  value.right = static_cast<Right>(130);
  value.text = std::string("caf\u00e9 \"quoted\" \\ \n end");
  value.bytes = {std::byte{0}, std::byte{255}, std::byte{7}, std::byte{128}};
  value.patience = 1500ms;
  value.seen_at = std::chrono::system_clock::time_point(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  value.owner = Name("Player/Bob: Slayer of {armoured} cylinders");
  value.maybe = -7;
  value.maybe_maybe.emplace();
  value.any = Position{.x = 1.5, .y = -2};
  value.words = {"one", "", "three"};
  value.bits = {true, false, true, true, false, false, true, false, true};
  value.matrix = {{1, -2, 3}, {}, {32767}};
  value.rgb = {1, 2, 3};
  value.ordered = {-1, 0, 99};
  value.unordered = {"c", "a", "b", ""};
  value.places = {{"home", {.x = 1, .y = 2}}, {"", {.x = -1, .y = 0}}};
  value.by_color = {{Color::green, {true, std::nullopt, false}}, {Color::red, {}}};
  value.by_number = {{-5, "minus five"}, {INT64_MAX, "most"}, {0, ""}};
  value.both = {1, "two"};
  value.three = {true, {.x = 3, .y = 4}, {Empty{}, Empty{}}};
  value.tree = {.label = "root",
                .children = {{.label = "leaf", .children = {}, .named = {}}, {}},
                .named = {{"x", {.label = "inner", .children = {Node{}}, .named = {}}}}};
  value.colors = {Color::blue, Color::red, Color::green};
  value.names = {Name("A/1"), Name(), Name("B/a/b")};
  value.choices = {true, std::vector<std::int64_t>{1, 2}, false};
  return value;
}

inline Wider wider() {
  using namespace std::chrono_literals;
  Wider value;
  value.file = "maps//north.txt";
  value.files = {"\xff", "a"};
  value.perhaps = "x";
  value.outcome = std::unexpected("too late");
  value.done = std::unexpected(Color::green);
  value.twin = std::unexpected("x");
  value.switches.set(0).set(69);
  value.octet = std::byte{200};
  value.octets = {std::byte{0}, std::byte{255}, std::byte{7}};
  value.lamps = {true, false, true};
  value.by_word = {{"b", 1}, {"a", 3}, {"b", 0}};
  value.by_count = {{1, {"x"}}, {1, {}}};
  value.scattered = {{"b", {.x = 2, .y = 0}}, {"b", {.x = 1, .y = 0}}, {"a", {}}};
  value.repeated = {"x", "x", "a"};
  value.heap = {7, -7, 7};
  value.born = std::chrono::year_month_day(2024y, std::chrono::February, 29d);
  value.calendar = {{value.born, "leap"}, {std::chrono::year_month_day{}, "never"}};
  value.box = std::make_unique<Position>(Position{.x = 1, .y = 2});
  value.maybe_box.emplace();
  value.boxes[1] = std::make_unique<std::string>("x");
  value.chain.next = std::make_unique<Chain>(Chain{.number = 1, .next = nullptr});
  value.chains.emplace_back();
  value.chains.push_back(std::make_unique<Chain>());
  return value;
}

/// Both in one.
struct Whole : Everything, Wider {};
BOOST_DESCRIBE_STRUCT(Whole, (Everything, Wider), ())

inline Whole whole() {
  Whole value;
  static_cast<Everything&>(value) = everything();
  static_cast<Wider&>(value) = wider();
  return value;
}

}  // namespace sample
