#include "reflect/key_bytes.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <epic/epic.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

using epic::reflect::KeyBytes;
using epic::reflect::type_of;

namespace keyed {

enum class Colour { red, green };
BOOST_DESCRIBE_ENUM(Colour, red, green)

struct Tile {
  std::int32_t x = 0;
  Colour colour = Colour::red;
  std::vector<std::string> names;
};
BOOST_DESCRIBE_STRUCT(Tile, (), (x, colour, names))

struct Chain {
  std::unique_ptr<Chain> next;
};
BOOST_DESCRIBE_STRUCT(Chain, (), (next))

}  // namespace keyed

namespace {

constexpr std::size_t kKeyMax = 4096;

template <class T>
std::string key_of(const T& value) {
  KeyBytes bytes(kKeyMax);
  bytes.add(type_of<T>(), &value);
  CHECK(bytes.is_whole());
  return std::string(bytes.view());
}

/// All of one type, and all different.
template <class T>
void check_different(const std::vector<T>& values) {
  std::set<std::string> keys;
  for (const T& value : values) {
    keys.insert(key_of(value));
    const T copy = value;
    CHECK(key_of(copy) == key_of(value));
  }
  CHECK(keys.size() == values.size());
}

}  // namespace

TEST_CASE("key bytes: equal values have equal bytes, and different ones have not", "[reflect]") {
  using namespace std::chrono_literals;
  check_different<std::int64_t>({0, 1, -1, 256, INT64_MAX});
  check_different<double>({0.0, 1.0, -1.0, 0.1});
  check_different<std::string>(
      {"", "a", "b", "ab", std::string("a\0", 2), std::string(300, 'x'), std::string(301, 'x')});
  check_different<std::chrono::milliseconds>({0ms, 1ms, -1ms});
  check_different<keyed::Colour>({keyed::Colour::red, keyed::Colour::green});
  check_different<std::optional<std::int32_t>>({std::nullopt, 0, 1});
  check_different<std::variant<std::int32_t, std::string>>({0, 1, "", "1"});
  check_different<std::vector<std::string>>({{}, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"b", "a"}});
  check_different<std::tuple<std::string, std::string>>({{"a", "bc"}, {"ab", "c"}, {"abc", ""}});
  check_different<std::map<std::string, std::string>>({{}, {{"a", "bc"}}, {{"ab", "c"}}, {{"a", ""}, {"b", ""}}});
  check_different<epic::Bytes>({{}, {std::byte{0}}, {std::byte{0}, std::byte{0}}});
  check_different<keyed::Tile>({{},
                                {.x = 1, .colour = {}, .names = {}},
                                {.x = 0, .colour = keyed::Colour::green, .names = {}},
                                {.x = 0, .colour = {}, .names = {"a"}}});
}

TEST_CASE("key bytes: the order in which an unordered container has its elements is no part of them", "[reflect]") {
  std::unordered_set<std::string> one{"x", "y", "z"};
  std::unordered_set<std::string> other;
  other.reserve(1000);
  for (const char* const text : {"z", "x", "y"}) other.insert(text);
  CHECK(key_of(one) == key_of(other));
  other.insert("w");
  CHECK(key_of(one) != key_of(other));

  std::unordered_map<std::string, std::int32_t> prices{{"apple", 1}, {"pear", 2}};
  std::unordered_map<std::string, std::int32_t> again;
  again.reserve(1000);
  again.emplace("pear", 2);
  again.emplace("apple", 1);
  CHECK(key_of(prices) == key_of(again));
  again["pear"] = 3;
  CHECK(key_of(prices) != key_of(again));
}

TEST_CASE("key bytes: what is too long or nested too deeply is known not to be whole", "[reflect]") {
  KeyBytes bytes(1000);
  const std::string text(900, 'x');
  bytes.add(type_of<std::string>(), &text);
  CHECK(bytes.is_whole());
  bytes.add(type_of<std::string>(), &text);
  CHECK_FALSE(bytes.is_whole());
  CHECK(bytes.view().size() <= 1000);
  bytes.clear();
  CHECK(bytes.is_whole());
  CHECK(bytes.view().empty());

  keyed::Chain chain;
  keyed::Chain* last = &chain;
  for (int i = 0; i < 1000; ++i) last = (last->next = std::make_unique<keyed::Chain>()).get();
  KeyBytes deep(1u << 20);
  deep.add(type_of<keyed::Chain>(), &chain);
  CHECK_FALSE(deep.is_whole());
  while (chain.next != nullptr) chain.next = std::move(chain.next->next);  // without recursion
}
