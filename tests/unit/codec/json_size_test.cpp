#include "codec/json_size.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "codec/json_codec.hpp"
#include "protocol/json.hpp"
#include "support/sample_types.hpp"

using namespace epic::codec;
using epic::reflect::type_of;

namespace {

template <class T>
std::size_t least(const T& value, std::size_t enough = SIZE_MAX) {
  return json_bytes_min(type_of<T>(), &value, enough);
}

template <class T>
std::size_t written_bytes(const T& value) {
  return epic::protocol::print_json(to_json(type_of<T>(), &value)).size();
}

}  // namespace

TEST_CASE("json size: never above what is written", "[codec]") {
  const auto check = [](const auto& value) { CHECK(least(value) <= written_bytes(value)); };
  check(sample::everything());
  check(sample::Everything{});
  check(std::string());
  check(std::string("\xff\xfe"));
  check(std::int64_t{0});
  check(true);
  check(std::vector<int>{});
  check(std::vector<int>(1000, 7));
  check(std::vector<std::string>(1000));
  check(std::vector<std::optional<int>>(1000));
  check(std::map<int, int>{{1, 2}, {3, 4}});
  check(std::map<std::string, int>{{"", 2}, {"b", 4}});
  check(std::map<sample::Color, std::string>{{sample::Color::red, ""}});
  check(std::vector<sample::Position>(100));
  check(std::tuple<>{});
  check(std::tuple<int, std::vector<bool>>{1, {true, false}});
  check(std::variant<int, std::string>{"x"});
  check(epic::Bytes(1001));
}

TEST_CASE("json size: near to it for what makes a value large", "[codec]") {
  CHECK(least(std::string(1000, 'x')) == 1002);
  CHECK(least(epic::Bytes(3000)) == 4002);
  CHECK(least(std::vector<int>(1000, 7)) == 2001);
  const std::vector<std::string> texts(100, std::string(100, 'x'));
  CHECK(least(texts) == written_bytes(texts));
  const std::map<std::string, std::string> named{{"a", std::string(500, 'x')}, {"b", std::string(500, 'y')}};
  CHECK(least(named) == written_bytes(named));
  const std::vector<sample::Node> nodes(10, {.label = std::string(50, 'x'), .children = {}, .named = {}});
  CHECK(least(nodes) + 20 >= written_bytes(nodes));
}

TEST_CASE("json size: stops counting when it is enough, and at the depth that is never written", "[codec]") {
  const std::vector<std::string> texts(1000, std::string(100, 'x'));
  CHECK(least(texts, 500) > 500);
  CHECK(least(texts, 500) < 1300);
  sample::Node tree;
  for (int i = 0; i < 100'000; ++i) {
    sample::Node around;
    around.children.push_back(std::move(tree));
    tree = std::move(around);
  }
  CHECK(least(tree) > 0);
  while (!tree.children.empty()) tree = sample::Node(std::move(tree.children[0]));  // without a deep destructor
}
