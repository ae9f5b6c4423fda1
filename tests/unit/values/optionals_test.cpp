#include "epic/values/optionals.hpp"

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <unordered_map>

#include "codec/capnp_reader.hpp"
#include "codec/conversion.hpp"
#include "codec/limits.hpp"
#include "reflect/memory_of.hpp"
#include "support/sample_types.hpp"
#include "support/sanitizers.hpp"
#include "support/values.hpp"

using namespace epic::test;
using sample::Chain;

namespace boxes {

struct Large {
  std::array<std::int64_t, 1'000> numbers{};
};
BOOST_DESCRIBE_STRUCT(Large, (), (numbers))

/// Larger than everything that one message may hold.
struct Huge {
  std::array<std::int64_t, epic::codec::kDecodedBytesMax / 8 + 1> numbers;
};
BOOST_DESCRIBE_STRUCT(Huge, (), (numbers))

struct ByContent {
  bool operator()(const auto& left, const auto& right) const { return *left < *right; }
};

std::unique_ptr<Chain> chain_of(int count) {
  std::unique_ptr<Chain> chain;
  for (int number = count; number > 0; --number)
    chain = std::make_unique<Chain>(Chain{.number = number, .next = std::move(chain)});
  return chain;
}

/// One link at a time: a destructor would call itself for each.
void unlink(std::unique_ptr<Chain> chain) {
  while (chain) chain = std::move(chain->next);
}

}  // namespace boxes

TEST_CASE("boxes: a unique_ptr is written as an optional, and either is read as the other", "[codec]") {
  CHECK(schema_text<std::unique_ptr<std::int32_t>>() == "optional<int32>");
  CHECK(to_json(std::unique_ptr<std::int32_t>()) == "null");
  CHECK(to_json(std::make_unique<std::int32_t>(7)) == "7");
  CHECK(from_json<std::unique_ptr<std::int32_t>>("null") == nullptr);
  CHECK(*there_and_back(std::make_unique<std::string>("x")) == "x");
  CHECK(there_and_back(std::unique_ptr<std::string>()) == nullptr);
  CHECK(read_as<std::optional<std::int32_t>>(std::make_unique<std::int32_t>(7)) == 7);
  CHECK(*read_as<std::unique_ptr<std::int32_t>>(std::optional<std::int32_t>(7)) == 7);
  CHECK(read_as<std::unique_ptr<std::int32_t>>(std::optional<std::int32_t>()) == nullptr);
}

TEST_CASE("boxes: a plain value that was saved becomes one", "[codec]") {
  CHECK(*read_as<std::unique_ptr<std::int64_t>>(std::int32_t{7}) == 7);
  CHECK(*read_as<std::unique_ptr<std::string>>(std::string()) == "");
  CHECK(read_as<std::unique_ptr<sample::Position>>(sample::Position{.x = 1, .y = 2})->x == 1);
  const auto conversion = epic::codec::examine(epic::reflect::schema_of(epic::reflect::type_of<std::int32_t>()),
                                               epic::reflect::type_of<std::unique_ptr<std::int32_t>>());
  REQUIRE(conversion.changes.size() == 1);
  CHECK(epic::codec::describe(conversion.changes[0]) == "the value: int32 becomes optional<int32>");
}

TEST_CASE("boxes: one that is empty differs from one that holds nothing", "[codec]") {
  using Twice = std::unique_ptr<std::unique_ptr<std::int32_t>>;
  CHECK(to_json(Twice()) == "null");
  CHECK(to_json(std::make_unique<std::unique_ptr<std::int32_t>>()) == R"({"value":null})");
  const auto again = there_and_back(std::make_unique<std::unique_ptr<std::int32_t>>());
  REQUIRE(again != nullptr);
  CHECK(*again == nullptr);
}

TEST_CASE("boxes: hold their own type, and are parts of every container", "[codec]") {
  const Chain chain{.number = 0, .next = boxes::chain_of(2)};
  CHECK(to_json(chain) == R"({"number":0,"next":{"number":1,"next":{"number":2,"next":null}}})");
  CHECK(schema_text<Chain>() == "sample::Chain\nrecord sample::Chain { number: int32, next: optional<sample::Chain> }");
  CHECK(there_and_back(chain).next->next->number == 2);

  std::map<std::string, std::unique_ptr<std::int32_t>> map;
  map["a"] = std::make_unique<std::int32_t>(1);
  map["b"] = nullptr;
  CHECK(to_json(there_and_back(map)) == R"({"a":1,"b":null})");
  std::array<std::unique_ptr<std::string>, 2> array{nullptr, std::make_unique<std::string>("x")};
  CHECK(to_json(there_and_back(array)) == R"([null,"x"])");
  std::variant<std::int32_t, std::unique_ptr<std::int32_t>> variant = std::make_unique<std::int32_t>(3);
  CHECK(to_json(there_and_back(variant)) == R"({"optional<int32>":3})");
  std::unique_ptr<const std::int32_t> fixed = std::make_unique<std::int32_t>(4);
  CHECK(*there_and_back(fixed) == 4);
}

TEST_CASE("boxes: are keys where what they point to is compared", "[codec]") {
  std::set<std::unique_ptr<std::int32_t>, boxes::ByContent> set;
  for (const std::int32_t number : {3, 1, 2}) set.insert(std::make_unique<std::int32_t>(number));
  CHECK(to_json(there_and_back(set)) == "[1,2,3]");
}

TEST_CASE("boxes: what is wrong inside one is refused with its place", "[codec]") {
  CHECK_THROWS_WITH(from_json<Chain>(R"({"next":{"next":{"number":"x"}}})"),
                    R"(next.next.number: expected int32, got the string "x")");
}

TEST_CASE("boxes: a chain is refused where other nested values are", "[codec]") {
  constexpr int kMost = epic::codec::kValueDepthMax / 2;
  auto chain = boxes::chain_of(kMost);
  CHECK(there_and_back(*chain).number == 1);
  chain = std::make_unique<Chain>(Chain{.number = 0, .next = std::move(chain)});
  CHECK_THROWS_WITH(to_bytes(*chain), Catch::Contains("nested more than 512 deep"));
  CHECK_THROWS_WITH(to_json(*chain), Catch::Contains("nested more than 512 deep"));
}

TEST_CASE("boxes: a chain in a container that is sorted is refused, too, however long it is", "[codec]") {
  std::unordered_multimap<std::int32_t, std::unique_ptr<Chain>> map;
  map.emplace(1, boxes::chain_of(1'000'000));  // one call a link would need more than any stack
  CHECK_THROWS_WITH(to_bytes(map), Catch::Contains("nested more than 512 deep"));
  CHECK_THROWS_WITH(to_json(map), Catch::Contains("nested more than 512 deep"));
  boxes::unlink(std::move(map.begin()->second));
  map.begin()->second = boxes::chain_of(200);
  CHECK(there_and_back(map).begin()->second->number == 1);
}

TEST_CASE("boxes: their content counts as memory, however long a chain is", "[codec]") {
  using epic::reflect::memory_of;
  using epic::reflect::type_of;
  const auto box = std::make_unique<boxes::Large>();
  CHECK(memory_of(type_of<std::unique_ptr<boxes::Large>>(), &box) == sizeof(boxes::Large));
  const std::optional<std::int32_t> in_place = 4;
  CHECK(memory_of(type_of<std::optional<std::int32_t>>(), &in_place) == 0);
  auto chain = boxes::chain_of(1'000'000);
  CHECK(memory_of(type_of<std::unique_ptr<Chain>>(), &chain) >= 200 * sizeof(Chain));
  boxes::unlink(std::move(chain));
}

TEST_CASE("boxes: a small message cannot ask for much memory", "[codec]") {
  using epic::reflect::schema_of;
  using epic::reflect::type_of;
  using Boxes = std::vector<std::unique_ptr<boxes::Large>>;
  epic::codec::ReadPlans plans;
  const auto read = [&](const auto& written, std::size_t bytes_max) {
    Boxes result;
    const auto& type = type_of<std::remove_cvref_t<decltype(written)>>();
    const auto& plan = plans.get(schema_of(type), type_of<Boxes>(), epic::codec::Reading::stored);
    return epic::codec::read_message(to_bytes(written), plan, &result, {.decoded_bytes_max = bytes_max});
  };
  constexpr std::size_t kFits = 100 * (sizeof(boxes::Large) + sizeof(void*));
  const std::vector<std::optional<sample::Empty>> optionals(100, sample::Empty{});
  const std::vector<sample::Empty> plain(100);  // each becomes a box
  CHECK(read(optionals, kFits).has_value());
  CHECK(read(plain, kFits).has_value());
  for (const auto& refused : {read(optionals, kFits - 1), read(plain, kFits - 1)}) {
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().path == "[99]");
    CHECK_THAT(refused.error().what, Catch::Contains("would take more than"));
  }
}

TEST_CASE("boxes: more than a reader takes is refused by the writer", "[codec]") {
  if (kIsSanitized) return;
  const std::unique_ptr<boxes::Huge> huge(new boxes::Huge);  // never touched, so it takes no memory
  CHECK_THROWS_WITH(to_bytes(huge), Catch::Contains("too much to be saved or sent"));
}
