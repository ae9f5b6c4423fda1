#include "reflect/memory_of.hpp"

#include <catch2/catch.hpp>
#include <epic/epic.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

using epic::reflect::memory_of;
using epic::reflect::type_of;

namespace {

template <class T>
std::size_t heap_of(const T& value) {
  return memory_of(type_of<T>(), &value);
}

}  // namespace

TEST_CASE("memory of: numbers and short texts own nothing beyond their object", "[reflect]") {
  CHECK(heap_of(std::int64_t{7}) == 0);
  CHECK(heap_of(std::string("short")) == 0);
  CHECK(heap_of(std::optional<std::int32_t>(4)) == 0);
}

TEST_CASE("memory of: long texts and containers count what they hold, at any depth", "[reflect]") {
  CHECK(heap_of(std::string(1000, 'x')) >= 1000);
  CHECK(heap_of(std::vector<std::int64_t>(100)) == 800);
  const std::vector<std::string> texts(10, std::string(1000, 'x'));
  CHECK(heap_of(texts) >= 10 * (1000 + sizeof(std::string)));
  const std::map<std::string, std::vector<std::string>> nested{{"a", texts}, {"b", texts}};
  CHECK(heap_of(nested) > 2 * heap_of(texts));
  CHECK(heap_of(std::optional(texts)) == heap_of(texts));
  CHECK(heap_of(std::tuple(texts, 4)) == heap_of(texts));
}
